//! The figures of one run.

use hdrhistogram::Histogram;

use super::pace::Pace;
use super::plan::Plan;
use super::tally::Tally;

/// What one load on one server came to. CPU times and memory are there when its processes are known.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) label: String,
    pub(crate) preset: &'static str,
    pub(crate) connections: usize,
    pub(crate) users: usize,
    pub(crate) pace: Pace,
    pub(crate) payload_bytes: usize,
    pub(crate) connecting: Connecting,
    pub(crate) memory: Option<Memory>,
    pub(crate) idle: Option<Idle>,
    pub(crate) running: Option<Running>,
    pub(crate) stalled: Option<Stalled>,
    pub(crate) tally: Tally,
}

/// Opening all connections.
#[derive(Debug)]
pub(crate) struct Connecting {
    pub(crate) wall_ns: u64,
    pub(crate) server_cpu_ns: Option<u64>,
}

/// Resident bytes of the server.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Before the first connection.
    pub(crate) before: u64,
    /// With all of them, before the first message.
    pub(crate) idle: u64,
    /// After the last message.
    pub(crate) end: u64,
}

/// A stretch of time without messages.
#[derive(Debug)]
pub(crate) struct Idle {
    pub(crate) wall_ns: u64,
    pub(crate) server_cpu_ns: Option<u64>,
    pub(crate) churned: u64,
}

/// The stretch of time that messages were measured in.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) wall_ns: u64,
    pub(crate) published: u64,
    pub(crate) server_cpu_ns: Option<u64>,
    pub(crate) generator_cpu_ns: u64,
    pub(crate) churned: u64,
}

/// What became of connections that did not read.
#[derive(Debug)]
pub(crate) struct Stalled {
    pub(crate) connections: usize,
    /// Those that the server had not closed.
    pub(crate) open: usize,
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
    pub(crate) fn cpu_per_delivery_ns(&self) -> Option<f64> {
        let cpu_ns = self.running.as_ref()?.server_cpu_ns?;
        (self.tally.deliveries > 0).then(|| cpu_ns as f64 / self.tally.deliveries as f64)
    }

    /// Server CPU time per handshake, in nanoseconds.
    pub(crate) fn cpu_per_handshake_ns(&self) -> Option<f64> {
        Some(self.connecting.server_cpu_ns? as f64 / self.connections as f64)
    }

    /// Server CPU time per idle connection and second, in nanoseconds.
    pub(crate) fn idle_cpu_ns(&self) -> Option<f64> {
        let idle = self.idle.as_ref()?;
        Some(idle.server_cpu_ns? as f64 / self.connections as f64 / (idle.wall_ns as f64 / 1e9))
    }

    /// Resident bytes that one connection added.
    pub(crate) fn bytes_per_connection(&self) -> Option<f64> {
        let memory = self.memory.as_ref()?;
        Some((memory.idle as f64 - memory.before as f64) / self.connections as f64)
    }

    /// What of a core the generator used: near 1, latencies are its own.
    pub(crate) fn generator_share(&self) -> Option<f64> {
        let running = self.running.as_ref()?;
        Some(running.generator_cpu_ns as f64 / running.wall_ns as f64)
    }

    /// Latencies at the quantiles that are told, in nanoseconds.
    pub(crate) fn quantiles(histogram: &Histogram<u64>) -> [(&'static str, u64); 5] {
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)]
            .map(|(name, quantile)| (name, histogram.value_at_quantile(quantile)))
    }

    /// What must not happen and did, for people to read.
    pub(crate) fn fault(&self) -> Option<String> {
        let Tally { lost, duplicates, out_of_order, misdelivered, .. } = self.tally;
        let counts = [
            (lost, "lost"),
            (duplicates, "twice"),
            (out_of_order, "out of order"),
            (misdelivered, "to the wrong user"),
        ];
        let mut faults: Vec<_> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !self.tally.endings.is_empty() {
            faults.push(format!("connections ended: {}", self.tally.why_ended()));
        }
        (!faults.is_empty()).then(|| faults.join(", "))
    }
}
