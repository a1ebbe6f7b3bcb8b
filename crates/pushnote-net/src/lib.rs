//! What every listener and socket of pushnote shares.
//!
//! - [`LogOnce`]: warnings that input from outside can cause, limited per kind and time

mod log_once;

pub use log_once::LogOnce;
