#![doc = include_str!("../README.md")]
//!
//! ## Layout
//!
//! The specification is the [sockjs-protocol](https://github.com/sockjs/sockjs-protocol) suite at its newest commit;
//! where it is silent, sockjs-node 0.3.24 decides.
//!
//! - [`route`]: which SockJS URL a raw path is
//! - [`frame`]: `o`, `h`, `a[…]`, `c[…]`, and how each transport wraps them; [`escape`] is the escaping inside
//! - [`input`]: what clients send
//! - [`session`]: the session machine, *one session, many receivers*
//! - [`info`], [`iframe`], [`callback`]: the static answers and the one query parameter
//!
//! There is no clock, no socket and no task here: time comes in as an [`Instant`](std::time::Instant), deadlines go out
//! of [`session::Machine::poll_timeout`]. A server around it is the crate `pushnote-sockjs`.

pub mod callback;
pub mod close;
pub mod escape;
pub mod frame;
pub mod iframe;
pub mod info;
pub mod input;
pub mod route;
pub mod session;

pub use close::Close;
