//! What an application implements.

use std::net::IpAddr;

use http::HeaderMap;
use pushnote_sockjs_proto::{Close, session::CloseReason};

use crate::{session::Session, transport::Transport};

/// An application: makes a [`Connection`] for each session that opens.
///
/// A closure `Fn(&Session, &SessionInfo) -> Result<C, Close>` is a handler too.
pub trait Handler: Send + Sync + 'static {
    /// The application's side of one session.
    type Connection: Connection;

    /// A session opens. Messages may be sent to it from here on, also from within this call.
    ///
    /// It runs on a task of the runtime: it must not block.
    ///
    /// # Errors
    /// The close code and reason with which the session is refused.
    fn open(&self, session: &Session, info: &SessionInfo) -> Result<Self::Connection, Close>;
}

impl<F, C> Handler for F
where
    F: Fn(&Session, &SessionInfo) -> Result<C, Close> + Send + Sync + 'static,
    C: Connection,
{
    type Connection = C;

    fn open(&self, session: &Session, info: &SessionInfo) -> Result<C, Close> {
        self(session, info)
    }
}

/// The application's side of one session. A closure `FnMut(&str)` is one that only takes messages.
///
/// Calls come one at a time and in order, on tasks of the runtime: they must not block.
pub trait Connection: Send + 'static {
    /// A message came. What a client sends that is not a string arrives as its JSON text.
    fn message(&mut self, text: &str);

    /// A binary message came, over a raw WebSocket. Unless the application wants them, they end the connection with
    /// 1003, as RFC 6455 §7.4.1 provides.
    ///
    /// # Errors
    /// The close with which the connection ends.
    fn binary(&mut self, payload: &[u8]) -> Result<(), Close> {
        let _ = payload;
        Err(Close::new(1003, "Binary messages are not supported"))
    }

    /// A message was refused with [`SendError::Full`](crate::SendError::Full), and now nothing waits for the client any more.
    fn room(&mut self) {}

    /// The session is over. Called exactly once, and nothing is called after it. It is never called from within
    /// [`Session::send`] or [`Session::close`], so locks may be held around those. For a WebSocket it comes with the end of the
    /// closing handshake, at most 5 s after its begin.
    fn closed(&mut self, reason: &CloseReason) {
        let _ = reason;
    }
}

impl<F: FnMut(&str) + Send + 'static> Connection for F {
    fn message(&mut self, text: &str) {
        self(text);
    }
}

/// What is known of a client when its session opens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// The client's address. Behind trusted proxies it is the one they forwarded. `None` where the server does not know.
    pub remote_addr: Option<IpAddr>,
    /// The transport of the first request.
    pub transport: Transport,
    /// The path under which the service is mounted, without a slash at its end. The rest of the request's path holds
    /// the session's id, which is none of the application's business.
    pub path: String,
    /// The raw query string of the first request.
    pub query: Option<String>,
    /// Some of its headers, see [`Builder::expose_headers`](crate::Builder::expose_headers). Not `Cookie` or `Origin`,
    /// unless asked for.
    pub headers: HeaderMap,
}
