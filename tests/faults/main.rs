//! What must not do harm: crashes of every process in turn, garbage on every port, nonsense in every message, peers
//! that are slow, silent, vanished, hostile or too many.
//!
//! Each test runs the real binaries, says what becomes of the one at fault, and has a witness beside it that must not
//! notice anything. Memory is bounded in each.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acks;
mod blackholes;
mod crashes;
mod diagnostics;
mod durability;
mod envelopes;
mod frames;
mod garbage;
mod gauge;
mod handshakes;
mod hostile_relay;
mod http_front;
mod raw;
mod relay_peers;
mod resets;
mod resources;
mod slow_subscribers;
mod socket_files;
mod stalled_clients;
mod stalls;
mod target;
mod witness;
