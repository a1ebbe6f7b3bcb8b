//! Telling what a binary counts.

use pushnote_config::MetricsArgs;
use pushnote_net::metrics::{Listener, ProcessCounters};

use crate::{Failure, log_lines_lost, panics, say};

/// Listens for monitors, if that is wanted.
///
/// # Errors
///
/// The address is in use, or another machine's.
pub fn listen_for_monitors(args: &MetricsArgs) -> Result<Option<Listener>, Failure> {
    let process = ProcessCounters { panics, log_lines_lost };
    let listener = args.metrics.map(|address| Listener::bind(address, process)).transpose();
    listener.map_err(|error| Failure::unavailable(format!("--metrics: {error}")))
}

/// Says where metrics are to be had.
pub fn say_metrics(listener: &Listener) {
    say(format_args!("metrics on http://{}/metrics", listener.address()));
}
