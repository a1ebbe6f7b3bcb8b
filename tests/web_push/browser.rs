//! A browser that subscribes, and decrypts what its push service gets.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use pushnote_tests::{Process, hex};
use serde_json::{Value, json};

/// Its keys, which a program in Python holds, written by others than our side of the encryption.
pub(crate) struct PushBrowser {
    process: Process,
    pub(crate) subscription: Value,
}

impl PushBrowser {
    /// With an endpoint at this service.
    pub(crate) fn of(service: &str, path: &str) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = tests.join(".venv/bin/python");
        assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
        let process = Process::spawn(Command::new(python).arg(tests.join("python/push_browser.py")));
        let keys = process.line_after("");
        let (p256dh, auth) = keys.split_once(' ').unwrap();
        let subscription = json!({
            "endpoint": format!("http://{service}{path}"),
            "expirationTime": null,
            "keys": {"p256dh": p256dh, "auth": auth},
        });
        Self { process, subscription }
    }

    /// What its service worker gets.
    pub(crate) fn decrypt(&mut self, body: &[u8]) -> String {
        writeln!(self.process.stdin(), "{}", hex(body)).unwrap();
        self.process.line_after("")
    }
}
