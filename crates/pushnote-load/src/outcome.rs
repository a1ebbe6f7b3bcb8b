//! The figures of connections that break off or pause, and go on where they were.

use hdrhistogram::Histogram;

use crate::measurement::{Connecting, Memory, Running};
use crate::tally::Tally;

/// What it came to that all connections broke off, and came back at once for what was published meanwhile.
#[derive(Debug)]
pub struct Resumption {
    /// Connections that broke off and came back.
    pub connections: usize,
    /// Messages that each had missed.
    pub messages: u64,
    /// Size of one message.
    pub payload_bytes: usize,
    /// When they first came, with nothing to get.
    pub first: Connecting,
    /// When they came back, until the last one had everything.
    pub back: Connecting,
    /// Bytes that came with them: answers, welcomes and messages.
    pub bytes: u64,
    /// The server's memory: before the first connection, with all, and after all had everything.
    pub memory: Option<Memory>,
    /// Deliveries and their faults after they came back; handshakes are until the welcome.
    pub tally: Tally,
}

/// What it came to that some connections did not read for a while.
#[derive(Debug)]
pub struct Stall {
    /// Connections that read all the time, whose latencies these are.
    pub reading: usize,
    /// Connections that paused.
    pub pausing: usize,
    /// Messages a second.
    pub per_second: f64,
    /// Size of one message.
    pub payload_bytes: usize,
    /// Nobody pauses; some do not read; these read on.
    pub phases: [Phase; 3],
    /// The server's resident bytes with the connections, before the first message.
    pub resident_idle: Option<u64>,
    /// Messages that those that paused had still to get when they read on.
    pub missed: u64,
    /// How long it took until they had them, in nanoseconds; `None`: they never did.
    pub caught_up_ns: Option<u64>,
    /// Faults of all connections.
    pub tally: Tally,
}

/// One stretch of a steady load.
#[derive(Debug)]
pub struct Phase {
    /// What is measured.
    pub name: &'static str,
    /// Time, messages, CPU time.
    pub running: Running,
    /// Of the connections that read all the time, in nanoseconds from when a message was due.
    pub latency: Histogram<u64>,
    /// The server's resident bytes at its end.
    pub resident: Option<u64>,
}

impl Resumption {
    /// Server CPU time until one connection had everything, in nanoseconds.
    #[must_use]
    pub fn cpu_per_connection_ns(&self) -> Option<f64> {
        Some(self.back.server_cpu_ns? as f64 / self.connections as f64)
    }

    /// Server CPU time per message and connection, in nanoseconds.
    #[must_use]
    pub fn cpu_per_delivery_ns(&self) -> Option<f64> {
        Some(self.cpu_per_connection_ns()? / self.messages as f64)
    }

    /// The size of messages with which the bare limit writes as many bytes to each connection.
    #[must_use]
    pub fn limit_payload_bytes(&self) -> usize {
        /// Of a frame of 126 to 65,535 bytes.
        const FRAME_HEAD_BYTES: u64 = 4;
        let deliveries = (self.connections as u64 * self.messages).max(1);
        (self.bytes.div_ceil(deliveries).saturating_sub(FRAME_HEAD_BYTES)) as usize
    }
}

impl Stall {
    /// The p99 of the connections that read all the time, in the phase of that number, as a multiple of the first's.
    #[must_use]
    pub fn p99_ratio(&self, phase: usize) -> Option<f64> {
        let p99 = |phase: &Phase| phase.latency.value_at_quantile(0.99) as f64;
        Some(p99(self.phases.get(phase)?) / p99(&self.phases[0]))
    }
}
