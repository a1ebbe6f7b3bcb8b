//! A pusher and a push service.

use std::path::Path;
use std::time::Duration;

use pushnote_webpush::{Guard, Pusher, PusherOptions};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::MockService;

pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) service: MockService,
    /// The service's.
    _runtime: Runtime,
}

impl Place {
    pub(crate) fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let service = runtime.block_on(MockService::tls());
        Self { dir: tempfile::tempdir().unwrap(), service, _runtime: runtime }
    }

    pub(crate) fn data(&self) -> &Path {
        self.dir.path()
    }

    /// For a service on this machine.
    pub(crate) fn options(&self) -> PusherOptions {
        let guard = Guard {
            allowed_nets: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
            ..Guard::default()
        };
        let roots = self.service.ca.iter().cloned().collect();
        let patience = Duration::from_secs(30);
        PusherOptions {
            guard,
            roots,
            patience,
            ..PusherOptions::new("mailto:ops@example.com".parse().unwrap())
        }
    }

    pub(crate) fn pusher(&self) -> Pusher {
        Pusher::open(self.data(), self.options()).unwrap()
    }
}
