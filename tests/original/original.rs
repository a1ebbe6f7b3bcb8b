//! What `python/original.py` runs.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use pushnote_tests::{Browser, PATIENCE, Process, skipped};
use serde_json::{Value, json};

/// The original's `PUSHNOTE_SALT` in these tests.
pub(crate) const SALT: &str = "a salt of the test suites";

const KNOCK: &str = "knock";

/// Between two knocks.
const KNOCK_EVERY: Duration = Duration::from_millis(50);

/// Whether the original can run here; if not, says that the test is skipped.
pub(crate) fn is_here() -> bool {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv2");
    if let Ok(why) = std::fs::read_to_string(venv.join("absent")) {
        skipped(&why);
        return false;
    }
    assert!(venv.join(".stamp").exists(), "{} is missing: run 'make test-setup' first", venv.display());
    true
}

/// One of its processes. Dropping it ends it as a crash would.
pub(crate) struct Original {
    process: Process,
}

impl Original {
    /// An application that publishes to `endpoint`: over one socket, made at import.
    pub(crate) fn publisher(endpoint: &str) -> Self {
        Self::run(&[endpoint])
    }

    /// An application in Django's `DEBUG`: over a new socket for each message, closed at once.
    pub(crate) fn debug_publisher(endpoint: &str) -> Self {
        Self::run(&[endpoint, "--debug"])
    }

    /// A bare SUB socket of libzmq 2.
    pub(crate) fn subscriber(endpoint: &str, topic: &str) -> Self {
        Self::run(&[endpoint, "--listen", topic])
    }

    /// Its `pushnote-mq`.
    pub(crate) fn forwarder(publ: &str, sub: &str) -> Self {
        Self::run(&[publ, "--forward", sub])
    }

    fn run(arguments: &[&str]) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let process = Process::spawn(
            Command::new(tests.join(".venv2/python"))
                .env("PYTHONPATH", tests.join(".venv2/lib"))
                .arg(tests.join("python/original.py"))
                .args(arguments),
        );
        let libzmq = process.line_after("ready ");
        assert!(libzmq.starts_with("2."), "libzmq {libzmq} is not what the original ran on");
        Self { process }
    }

    /// `pushnote.pub.notify_all`.
    pub(crate) fn notify_all(&mut self, data: &Value) {
        self.tell(&json!({"notify_all": data}));
    }

    /// `pushnote.pub.notify`, to one user.
    pub(crate) fn notify(&mut self, user: u32, data: &Value) {
        self.tell(&json!({"notify": data, "user": user}));
    }

    /// `pushnote.utils.tokenize`.
    pub(crate) fn token(&mut self, user: u32) -> String {
        self.tell(&json!({"tokenize": user}));
        self.process.line_after("token ")
    }

    fn tell(&mut self, told: &Value) {
        writeln!(self.process.stdin(), "{told}").expect("a running original");
    }

    /// The next message its socket heard.
    pub(crate) fn heard(&self) -> String {
        self.process.line_after("heard ")
    }

    /// Returns when what it publishes, to this user or to all, reaches the browser.
    pub(crate) async fn reach(&mut self, user: Option<u32>, browser: &mut Browser) {
        // Knocks of earlier calls may come still: they prove nothing.
        let knock = json!(format!("{KNOCK} to {user:?}"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no knock arrives");
            match user {
                Some(user) => self.notify(user, &knock),
                None => self.notify_all(&knock),
            }
            match browser.next_within(KNOCK_EVERY).await {
                Some(Ok(message)) if message == knock => return,
                Some(Err(end)) => panic!("the connection ended: {end:?}"),
                _ => {}
            }
        }
    }
}

/// The next message that is no knock: some of them may still be on their way.
pub(crate) async fn next(browser: &mut Browser) -> Value {
    loop {
        let message = browser.next().await;
        if !message.as_str().is_some_and(|text| text.starts_with(KNOCK)) {
            return message;
        }
    }
}
