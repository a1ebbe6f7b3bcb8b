//! The flag by which a binary tells what it counts.

use std::net::SocketAddr;

use pushnote_net::metrics::{Listener, ProcessCounters};

use crate::{Failure, log_lines_lost, panics, say};

// A doc comment here would take the place of the program's own in its help.
#[expect(missing_docs, reason = "the comment above")]
#[derive(Debug, Default, clap::Args)]
pub struct MetricsArgs {
    /// Address for monitoring over HTTP, as in 127.0.0.1:9000: /metrics for Prometheus, with the addresses of ZeroMQ
    /// peers, and /health; not served without it
    #[arg(long, env = "PUSHNOTE_METRICS", value_name = "ADDRESS", value_parser = address)]
    metrics: Option<SocketAddr>,
}

impl MetricsArgs {
    /// Listens, if that is wanted.
    ///
    /// # Errors
    ///
    /// The address is in use, or another machine's.
    pub fn bind(&self) -> Result<Option<Listener>, Failure> {
        let process = ProcessCounters { panics, log_lines_lost };
        let listener = self.metrics.map(|address| Listener::bind(address, process)).transpose();
        listener.map_err(|error| Failure::unavailable(format!("--metrics: {error}")))
    }
}

/// Says where metrics are to be had.
pub fn say_metrics(listener: &Listener) {
    say(format_args!("metrics on http://{}/metrics", listener.address()));
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "give an IP address and a port, as in 127.0.0.1:9000 or [::1]:9000".to_owned())
}
