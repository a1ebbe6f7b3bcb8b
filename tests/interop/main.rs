//! libzmq, by pyzmq, the `zeromq` crate, and our sockets and binaries understand each other: every socket type,
//! whoever listens.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod curve;
mod filters;
mod first_version;
mod matrix;
mod messages;
mod peer;
mod restarts;
mod sockets;
mod zeromq_crate;
