//! RFC 6455 without IO, and a socket that writes from where the message is.
//!
//! Three layers, each usable without the next:
//!
//! - [`encode`] and [`decode`]: frames to bytes and bytes to messages. No IO, no clock, no runtime.
//! - [`handshake`]: a request's method, version and headers to a `101` response, or to a typed refusal.
//! - [`Socket`] and [`Driver`]: an upgraded stream. Any thread writes to it without blocking and without a task
//!   switch; only what the kernel refuses waits in a bounded outbox (the [`Writer`](pushnote_net::Writer)'s).
//!
//! ```
//! use pushnote_websocket::decode::{Decoder, Event, Role};
//! use pushnote_websocket::encode;
//!
//! let mut bytes = encode::text("Hi all!").to_vec();
//! let mut decoder = Decoder::new(Role::Client, 64 * 1024);
//! let (used, event) = decoder.decode(&mut bytes)?;
//! assert_eq!(event, Some(Event::Text("Hi all!")));
//! assert_eq!(used, 9);
//! # Ok::<(), pushnote_websocket::decode::DecodeError>(())
//! ```
//!
//! Deliberately absent: compression (`permessage-deflate` costs a window per connection and a pass per receiver) and
//! a client that connects (the client role of the codec is there for tests and load generators).

pub mod close_code;
mod codec;
pub mod handshake;
mod socket;

pub use codec::{decode, encode};
pub use socket::{
    Cause, Disconnected, Driver, Event, HyperIo, Socket, SocketError, SocketOptions, TakeOverError, take_over,
};
