//! A load on one server, as it can be made.

use std::net::SocketAddr;
use std::time::Duration;

use crate::pace::Pace;
use crate::preset::Preset;
use crate::process::Processes;
use crate::url::Url;

/// One load on one server.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the run is called.
    pub label: String,
    /// Servers that the connections are shared out among.
    pub targets: Vec<Url>,
    /// The protocol they speak.
    pub preset: Preset,
    /// `None`: connections idle.
    pub publish: Option<Publish>,
    /// Connections whose every delivery is counted.
    pub counted: usize,
    /// Connections that never read.
    pub stalled: usize,
    /// Further connections that come and go, so many a second.
    pub churn_per_second: u32,
    /// One token per user; empty when messages go to all.
    pub tokens: Vec<String>,
    /// When messages are published.
    pub pace: Pace,
    /// Size of one message: [`MESSAGE_BYTES_MIN`](crate::MESSAGE_BYTES_MIN) at least.
    pub payload_bytes: usize,
    /// Messages to measure, at most.
    pub messages_max: u64,
    /// How long to measure, at most.
    pub duration: Duration,
    /// How long to run before.
    pub warmup: Duration,
    /// How long to wait for what does not come, before it is lost.
    pub timeout: Duration,
    /// The server's processes, whose CPU time and memory are measured.
    pub server: Processes,
}

/// Where messages go in.
#[derive(Clone, Debug)]
pub enum Publish {
    /// pushnote's envelopes over ZeroMQ.
    Zmq(SocketAddr),
    /// One HTTP request a message.
    Http {
        /// Where to POST to.
        url: Url,
        /// Header lines with their line ends.
        headers: String,
    },
    /// What the bare limit takes: one message a line.
    Lines(SocketAddr),
}

impl Plan {
    /// Connections that are there all the time.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.counted + self.stalled
    }
}

/// The id of the user with this number.
#[must_use]
pub fn user_id(number: usize) -> String {
    format!("bench-{number}")
}
