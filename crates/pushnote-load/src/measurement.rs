//! The figures of one run.

use hdrhistogram::Histogram;

use crate::pace::Pace;
use crate::plan::Plan;
use crate::tally::Tally;

/// What one load on one server came to. CPU times and memory are there when its processes are known.
#[derive(Debug)]
pub struct Measurement {
    /// What the run is called.
    pub label: String,
    /// The protocol's name.
    pub preset: &'static str,
    /// Connections that were there all the time.
    pub connections: usize,
    /// Users that messages went to in turn; 0 when they went to all.
    pub users: usize,
    /// When messages were published.
    pub pace: Pace,
    /// Size of one message.
    pub payload_bytes: usize,
    /// Opening the connections.
    pub connecting: Connecting,
    /// The server's memory.
    pub memory: Option<Memory>,
    /// The time without messages, if that was measured.
    pub idle: Option<Idle>,
    /// The time with messages, if that was measured.
    pub running: Option<Running>,
    /// The connections that did not read, if there were any.
    pub stalled: Option<Stalled>,
    /// Deliveries, their latencies and their faults.
    pub tally: Tally,
}

/// Opening all connections.
#[derive(Debug)]
pub struct Connecting {
    /// How long it took, in nanoseconds.
    pub wall_ns: u64,
    /// CPU time of the server's processes, in nanoseconds.
    pub server_cpu_ns: Option<u64>,
}

/// Resident bytes of the server.
#[derive(Debug)]
pub struct Memory {
    /// Before the first connection.
    pub before: u64,
    /// With all of them, before the first message.
    pub idle: u64,
    /// After the last message.
    pub end: u64,
}

/// A stretch of time without messages.
#[derive(Debug)]
pub struct Idle {
    /// How long it took, in nanoseconds.
    pub wall_ns: u64,
    /// CPU time of the server's processes, in nanoseconds.
    pub server_cpu_ns: Option<u64>,
    /// Connections that came and went.
    pub churned: u64,
}

/// The stretch of time that messages were measured in.
#[derive(Debug)]
pub struct Running {
    /// How long it took, in nanoseconds.
    pub wall_ns: u64,
    /// Messages published.
    pub published: u64,
    /// CPU time of the server's processes, in nanoseconds.
    pub server_cpu_ns: Option<u64>,
    /// CPU time of this process, in nanoseconds.
    pub generator_cpu_ns: u64,
    /// Connections that came and went.
    pub churned: u64,
}

/// What became of connections that did not read.
#[derive(Debug)]
pub struct Stalled {
    /// Connections that did not read.
    pub connections: usize,
    /// Those that the server had not closed.
    pub open: usize,
}

impl Measurement {
    pub(crate) fn new(
        plan: &Plan,
        tally: Tally,
        connecting: Connecting,
        memory: Option<Memory>,
        idle: Option<Idle>,
        running: Option<Running>,
        stalled: Option<Stalled>,
    ) -> Self {
        Self {
            label: plan.label.clone(),
            preset: plan.preset.name(),
            connections: plan.connections(),
            users: plan.tokens.len(),
            pace: plan.pace,
            payload_bytes: plan.payload_bytes,
            connecting,
            memory,
            idle,
            running,
            stalled,
            tally,
        }
    }

    /// Server CPU time per delivery, in nanoseconds.
    #[must_use]
    pub fn cpu_per_delivery_ns(&self) -> Option<f64> {
        let cpu_ns = self.running.as_ref()?.server_cpu_ns?;
        (self.tally.deliveries > 0).then(|| cpu_ns as f64 / self.tally.deliveries as f64)
    }

    /// Server CPU time per handshake, in nanoseconds.
    #[must_use]
    pub fn cpu_per_handshake_ns(&self) -> Option<f64> {
        Some(self.connecting.server_cpu_ns? as f64 / self.connections as f64)
    }

    /// Server CPU time per idle connection and second, in nanoseconds.
    #[must_use]
    pub fn idle_cpu_ns(&self) -> Option<f64> {
        let idle = self.idle.as_ref()?;
        Some(idle.server_cpu_ns? as f64 / self.connections as f64 / (idle.wall_ns as f64 / 1e9))
    }

    /// Resident bytes that one connection added.
    #[must_use]
    pub fn bytes_per_connection(&self) -> Option<f64> {
        let memory = self.memory.as_ref()?;
        Some((memory.idle as f64 - memory.before as f64) / self.connections as f64)
    }

    /// What of a core the generator used: near 1, latencies are its own.
    #[must_use]
    pub fn generator_share(&self) -> Option<f64> {
        let running = self.running.as_ref()?;
        Some(running.generator_cpu_ns as f64 / running.wall_ns as f64)
    }

    /// Latencies at the quantiles that are told, in nanoseconds.
    #[must_use]
    pub fn quantiles(histogram: &Histogram<u64>) -> [(&'static str, u64); 5] {
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)]
            .map(|(name, quantile)| (name, histogram.value_at_quantile(quantile)))
    }

    /// What must not happen and did, for people to read.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.tally.fault()
    }
}
