//! A publisher that has nothing of ours: pyzmq, which is libzmq.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::Process;

/// A running Python program with a PUB socket: what it is told is published, line by line.
pub struct PythonPublisher {
    process: Process,
}

impl PythonPublisher {
    /// Connects a PUB socket to `endpoint` and waits until the other side has subscribed.
    ///
    /// # Panics
    ///
    /// If `make test-setup` has not been run.
    pub fn connect(endpoint: &str) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = tests.join(".venv/bin/python");
        assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
        let process = Process::spawn(Command::new(python).arg(tests.join("python/publish.py")).arg(endpoint));
        process.line_after("subscribed");
        Self { process }
    }

    /// Publishes one message of one part.
    pub fn publish(&mut self, envelope: &Value) {
        self.line(&envelope.to_string());
    }

    /// Publishes what `line` says; see `python/publish.py`.
    ///
    /// # Panics
    ///
    /// If the program has ended.
    pub fn line(&mut self, line: &str) {
        writeln!(self.process.stdin(), "{line}").expect("a running publisher");
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
