//! A server with locations, and the requests of its publishers and subscribers.

use std::io::Write;

use pushnote_tests::requests::{Answer, ask, begin};
use pushnote_tests::{Launch, PATIENCE, Single};
use tempfile::NamedTempFile;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Channels that subscribers wait for, and others, each with what is said of it in its path.
pub(crate) const LOCATIONS: &str = r#"
    [[server.locations]]
    type = "publisher"
    url = "/pub/([^/]+)"
    allow_origin = "*"
    [[server.locations]]
    type = "subscriber"
    url = "/sub/([^/]+)"
    create_on_get = true
    [[server.locations]]
    type = "subscriber"
    url = "/interval/([^/]+)"
    polling = "interval"
    create_on_get = true
    [[server.locations]]
    type = "subscriber"
    url = "/last/([^/]+)"
    concurrency = "lifo"
    create_on_get = true
    [[server.locations]]
    type = "subscriber"
    url = "/first/([^/]+)"
    concurrency = "filo"
    create_on_get = true
    [[server.locations]]
    type = "subscriber"
    prefix = "/known/"
    [[server.locations]]
    type = "subscriber"
    url = "/soon/([^/]+)"
    subscriber_timeout = 1
    create_on_get = true
    [[server.locations]]
    type = "subscriber"
    prefix = "/activity"
    parameter = "id"
    create_on_get = true
"#;

pub(crate) struct Relay {
    pub(crate) single: Single,
    _file: NamedTempFile,
}

impl Relay {
    pub(crate) fn start() -> Self {
        Self::with(LOCATIONS, &[])
    }

    pub(crate) fn with(settings: &str, arguments: &[&str]) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        writeln!(file, "[server]\n{settings}").unwrap();
        let config = format!("--config={}", file.path().display());
        let launch = Launch::server().arguments([config.as_str()]).arguments(arguments.iter().copied());
        Self { single: Single::of(launch), _file: file }
    }

    pub(crate) fn address(&self) -> &str {
        &self.single.server.address
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        ask(self.address(), method, path, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask("POST", path, &[("Content-Type", "text/plain")], body.as_bytes()).await
    }

    /// What a subscriber gets that has had `before`.
    pub(crate) async fn after(&self, path: &str, before: &Answer) -> Answer {
        self.ask("GET", path, &named(before), b"").await
    }

    /// Begins to ask for a message that is not there, and returns when the server holds the request.
    pub(crate) async fn hold(&self, path: &str, headers: &[(&str, &str)], held: usize) -> TcpStream {
        let stream = begin(self.address(), "GET", path, headers, b"").await;
        let channel = path.rsplit(['/', '=']).next().unwrap();
        self.until_held(channel, held).await;
        stream
    }

    /// Returns when so many requests wait on a channel.
    pub(crate) async fn until_held(&self, channel: &str, held: usize) {
        let all = async {
            while self.subscribers(channel).await != held {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("there are not {held} on {channel}"));
    }

    pub(crate) async fn subscribers(&self, channel: &str) -> usize {
        let info = self.ask("GET", &format!("/pub/{channel}"), &[("Accept", "application/json")], b"").await;
        if info.status == 404 {
            return 0;
        }
        let info: serde_json::Value = serde_json::from_slice(&info.body).unwrap();
        usize::try_from(info["subscribers"].as_u64().unwrap()).unwrap()
    }
}

/// The headers by which a subscriber names the last message that it has had.
pub(crate) fn named(before: &Answer) -> [(&str, &str); 2] {
    [
        ("If-Modified-Since", before.header("last-modified").unwrap()),
        ("If-None-Match", before.header("etag").unwrap()),
    ]
}
