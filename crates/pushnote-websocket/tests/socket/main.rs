//! `Socket` and `Driver` over real loopback connections, time standing still.
//!
//! - `sending`: order, partial writes, the outbox and its limit
//! - `receiving`: messages, pongs, errors
//! - `closing`: the handshake from both sides, and its absence
//! - `heartbeat`: pings and silence
//! - `taking_over`: hyper's connections
//! - `size`: what a connection costs
//! - `peer`: the other side, and the clock

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod closing;
mod heartbeat;
mod peer;
mod receiving;
mod sending;
mod size;
mod taking_over;
