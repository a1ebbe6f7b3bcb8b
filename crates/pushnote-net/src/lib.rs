//! What every listener and socket of pushnote shares.
//!
//! - [`LogOnce`]: warnings that input from outside can cause, limited per kind and time
//! - [`harmless`]: logs in libraries, whose applications may have a subscriber that panics
//! - `metrics` (a feature, for the binaries): counters for Prometheus, over HTTP

mod log_once;
#[cfg(feature = "metrics")]
pub mod metrics;

pub use log_once::{LogOnce, harmless};
