//! Redis, and an application that publishes in it.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pushnote_tests::{PATIENCE, Process, free_port};
use serde_json::Value;

/// Between two looks at Redis.
const LOOK: Duration = Duration::from_millis(20);

/// A `redis-server` of Debian's that keeps nothing.
pub(crate) struct Redis {
    pub(crate) port: u16,
    process: Process,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let port = free_port();
        Self { port, process: process(port) }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) fn comes_back(&mut self) {
        self.process = process(self.port);
    }

    /// What `redis-cli` answers, one line for each value.
    pub(crate) fn ask(&self, command: &[&str]) -> Vec<String> {
        let cli =
            Command::new("redis-cli").args(["-p", &self.port.to_string()]).args(command).output().unwrap();
        String::from_utf8(cli.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits until a channel has so many subscribers.
    pub(crate) async fn subscribers(&self, channel: &str, count: usize) {
        let wanted = [channel.to_owned(), count.to_string()];
        let deadline = Instant::now() + PATIENCE;
        while self.ask(&["PUBSUB", "NUMSUB", channel]) != wanted {
            assert!(Instant::now() < deadline, "{channel} has not got {count} subscribers");
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn process(port: u16) -> Process {
    let process = Process::spawn(
        Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(port.to_string()),
    );
    process.line_after("Ready to accept connections");
    process
}

/// flask-sse 1.0.0 in a process of its own: `tests/python/flask_sse_publish.py`.
pub(crate) struct Application(Process);

impl Application {
    pub(crate) fn start(redis: &Redis) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = tests.join(".venv/bin/python");
        assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
        let script = tests.join("python/flask_sse_publish.py");
        Self(Process::spawn(Command::new(python).arg(script).arg(redis.url())))
    }

    /// Publishes, and says to how many subscribers.
    pub(crate) fn publish(&mut self, what: &Value) -> usize {
        writeln!(self.0.stdin(), "{what}").unwrap();
        self.0.line_after("published to ").parse().unwrap()
    }
}
