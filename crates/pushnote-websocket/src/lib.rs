#![doc = include_str!("../README.md")]
//!
//! ## Layout
//!
//! Three layers, each usable without the next:
//!
//! - [`encode`] and [`decode`]: frames to bytes and bytes to messages. No IO, no clock, no runtime.
//! - [`handshake`]: a request's method, version and headers to a `101` response, or to a typed refusal.
//! - [`Socket`] and [`Driver`]: an upgraded stream. Any thread writes to it without blocking and without a task
//!   switch; only what the kernel refuses waits in a bounded outbox (the [`Writer`](pushnote_net::Writer)'s).

pub mod close_code;
mod codec;
pub mod handshake;
mod socket;

pub use codec::{decode, encode};
pub use socket::{
    Cause, Disconnected, Driver, Event, HyperIo, Socket, SocketError, SocketOptions, TakeOverError, take_over,
};
