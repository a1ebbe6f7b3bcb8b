//! What every listener and socket of pushnote shares.
//!
//! - [`LogOnce`]: warnings that input from outside can cause, limited per kind and time
//! - [`harmless`]: logs in libraries, whose applications may have a subscriber that panics

mod log_once;

pub use log_once::{LogOnce, harmless};
