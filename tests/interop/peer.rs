//! A socket of another implementation, in a process of its own.

use std::fmt::{self, Display};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use pushnote_tests::{Process, hex, unhex};

/// Whose socket it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// Through pyzmq, by `python/peer.py`.
    Libzmq,
    /// The crate `zeromq`, by `examples/zeromq-peer.rs`.
    Zeromq,
}

/// A type of socket, and whose.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) library: Library,
    /// `PUB`, `XPUB`, `SUB`, `XSUB`.
    pub(crate) socket: &'static str,
}

/// libzmq's.
impl From<&'static str> for Kind {
    fn from(socket: &'static str) -> Self {
        Kind { library: Library::Libzmq, socket }
    }
}

impl Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let library = match self.library {
            Library::Libzmq => "libzmq",
            Library::Zeromq => "the zeromq crate",
        };
        write!(out, "{} of {library}", self.socket)
    }
}

/// Who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Bind,
    Connect,
}

impl Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Way::Bind => "bind",
            Way::Connect => "connect",
        })
    }
}

/// A port of the system's choice.
pub(crate) const ANY_PORT: &str = "tcp://127.0.0.1:*";

/// A running peer. Dropping it ends it as a crash would.
pub(crate) struct Peer {
    process: Process,
    pub(crate) kind: Kind,
    arguments: Vec<String>,
    /// Where it listens or connects to, with the real port.
    pub(crate) endpoint: String,
}

impl Peer {
    /// A publisher of type `kind`, or a subscriber without subscriptions.
    pub(crate) fn start(kind: impl Into<Kind>, way: Way, endpoint: &str) -> Self {
        Self::with(kind, way, endpoint, &[])
    }

    /// A subscriber to these topics.
    pub(crate) fn subscriber(kind: impl Into<Kind>, way: Way, endpoint: &str, topics: &[&str]) -> Self {
        let topics: Vec<_> = topics.iter().map(|topic| hex(topic.as_bytes())).collect();
        Self::with(kind, way, endpoint, &topics)
    }

    /// With further arguments of its program.
    pub(crate) fn with(kind: impl Into<Kind>, way: Way, endpoint: &str, further: &[String]) -> Self {
        let mut arguments = vec![way.to_string(), endpoint.to_owned()];
        arguments.extend_from_slice(further);
        Self::run(kind.into(), arguments)
    }

    fn run(kind: Kind, mut arguments: Vec<String>) -> Self {
        let mut command = match kind.library {
            Library::Libzmq => {
                let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
                let python = tests.join(".venv/bin/python");
                assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
                let mut command = Command::new(python);
                command.arg(tests.join("python/peer.py"));
                command
            }
            Library::Zeromq => Command::new(Process::path("examples/zeromq-peer")),
        };
        let process = Process::spawn(command.arg(kind.socket).args(&arguments));
        let endpoint = process.line_after("ready ");
        arguments[1].clone_from(&endpoint);
        Self { process, kind, arguments, endpoint }
    }

    /// Kills it and starts it again: on the same port, if it listens.
    pub(crate) fn crash_and_restart(&mut self) {
        self.process.kill();
        *self = Self::run(self.kind, self.arguments.clone());
    }

    /// Sends one message of these parts.
    pub(crate) fn send(&mut self, parts: &[Vec<u8>]) {
        self.tell("send", parts);
    }

    /// Sends this message again and again, until it is told to be quiet.
    pub(crate) fn knock(&mut self, parts: &[Vec<u8>]) {
        self.tell("knock", parts);
    }

    /// Ends the knocking.
    pub(crate) fn quiet(&mut self) {
        self.tell("quiet", &[]);
    }

    pub(crate) fn subscribe(&mut self, topic: &str) {
        self.tell("subscribe", &[topic.into()]);
    }

    pub(crate) fn unsubscribe(&mut self, topic: &str) {
        self.tell("unsubscribe", &[topic.into()]);
    }

    fn tell(&mut self, verb: &str, parts: &[Vec<u8>]) {
        let mut line = verb.to_owned();
        for part in parts {
            line.push(' ');
            line.push_str(&hex(part));
        }
        line.push('\n');
        self.process.stdin().write_all(line.as_bytes()).expect("a running peer");
    }

    /// The next message it received.
    pub(crate) fn next(&self) -> Vec<Vec<u8>> {
        self.process.line_after("got ").split(' ').map(unhex).collect()
    }

    /// How many connections it has lost so far; only libzmq's know.
    pub(crate) fn disconnects(&mut self) -> u32 {
        self.tell("disconnects", &[]);
        self.process.line_after("disconnects ").parse().expect("a count")
    }
}
