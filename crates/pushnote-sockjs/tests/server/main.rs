//! The library over real connections: bytes in, bytes out.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail as the test does")]

mod cors;
mod frameworks;
mod jsonp;
mod leaving;
mod lifecycle;
mod limits;
mod polling;
mod streaming;
mod support;
mod urls;
mod websocket;
