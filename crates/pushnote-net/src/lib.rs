//! What every listener and socket of pushnote shares.
//!
//! - [`LogOnce`]: warnings that input from outside can cause, limited per kind and time
//! - [`Network`]: ranges of addresses, of peers and of proxies
//! - [`harmless`]: logs in libraries, whose applications may have a subscriber that panics
//! - [`unix_now`]: the time, as tokens have it
//! - [`read_text`]: files that people write
//! - `metrics` (a feature, for the binaries): counters for Prometheus, over HTTP
//! - [`timeout_awake`], and [`LATE`]: a deadline that is judged only after what has arrived is read

mod awake;
mod clock;
mod log_once;
#[cfg(feature = "metrics")]
pub mod metrics;
mod network;
mod text_file;

pub use awake::{LATE, timeout_awake};
pub use clock::unix_now;
pub use log_once::{LogOnce, harmless};
pub use network::{Network, ParseNetworkError};
pub use text_file::read_text;
