//! What the SockJS protocol wants of a server, as seen from outside: a module for each chapter, over real sockets,
//! against the test server of `pushnote-sockjs`. Every test starts its own server, so session names may repeat.
//!
//! Heartbeats and most disconnect delays take longer than a suite may wait; the session machine's own tests, whose
//! time is virtual, cover them.

mod client;
mod cors_cookies_cache;
mod eventsource;
mod htmlfile;
mod http;
mod iframe;
mod info;
mod jsonp;
mod raw_websocket;
mod session;
mod transports;
mod unicode;
mod urls;
mod websocket;
mod websockets;
mod xhr;
mod xhr_streaming;
