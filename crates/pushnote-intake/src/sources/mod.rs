//! The sources there are.

pub mod zeromq;
