//! The application's handle to one session.

use std::sync::Arc;

use pushnote_sockjs_proto::{Close, session};
use thiserror::Error;

use crate::{
    http_session::HttpSession, message::Message, transport::Transport, websocket_session::WebSocketSession,
};

/// A handle to one session: to send to its client and to close it, from any thread, without ever waiting.
///
/// A clone is another handle to the same session. A handle does not keep the session open, only its memory; drop it when
/// [`Connection::closed`](crate::Connection::closed) has been called. It does not tell the session's id, which is a
/// secret between client and server.
#[derive(Clone, Debug)]
pub struct Session(Link);

#[derive(Clone, Debug)]
enum Link {
    Http(Arc<HttpSession>),
    WebSocket(Arc<WebSocketSession>),
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendError {
    /// The session is closed, or closing.
    #[error("the session is closed")]
    Closed,
    /// The client reads slower than messages are sent, and too much waits already. Either wait for
    /// [`Connection::room`](crate::Connection::room) to send it again, or [`abort`](Session::abort) the session, whose
    /// client would miss messages without knowing.
    #[error("the client reads slower than messages are sent to it, and too much waits already")]
    Full,
    /// Binary messages exist on raw WebSockets alone.
    #[error("binary messages can only be sent to a raw websocket")]
    BinaryUnsupported,
}

impl From<session::QueueError> for SendError {
    fn from(error: session::QueueError) -> Self {
        match error {
            session::QueueError::Closed => Self::Closed,
            session::QueueError::Full => Self::Full,
        }
    }
}

impl From<pushnote_websocket::SocketError> for SendError {
    fn from(error: pushnote_websocket::SocketError) -> Self {
        match error {
            pushnote_websocket::SocketError::Closed => Self::Closed,
            pushnote_websocket::SocketError::Full => Self::Full,
        }
    }
}

impl Session {
    /// Sends a message. It is on its way to the client, or queued, when this returns; it never waits for the client.
    ///
    /// # Errors
    /// When the session is closed, or too much waits for its client.
    pub fn send(&self, message: &Message) -> Result<(), SendError> {
        match &self.0 {
            Link::WebSocket(session) => session.send(message)?,
            Link::Http(session) => session.send(message)?,
        }
        Ok(())
    }

    /// Sends a binary message, on a raw WebSocket.
    ///
    /// # Errors
    /// As [`send`](Self::send), and on any other transport: SockJS has no binary messages.
    pub fn send_binary(&self, payload: &[u8]) -> Result<(), SendError> {
        match &self.0 {
            Link::WebSocket(session) if !session.takes_arrays() => Ok(session.send_binary(payload)?),
            _ => Err(SendError::BinaryUnsupported),
        }
    }

    /// Closes the session with a code and a reason, after what has been sent so far. Nothing happens when it is closed.
    ///
    /// Codes 3000–4999 are the application's, 1000 is an ordinary end. On a raw WebSocket the code is that of the WebSocket's
    /// close frame; one that must not stand there (RFC 6455 §7.4) becomes 1000.
    pub fn close(&self, code: u16, reason: &str) {
        self.close_with(Close::new(code, reason.to_owned()));
    }

    /// As [`close`](Self::close), at once: what was sent and has not left yet is dropped. For a client that does not read.
    pub fn abort(&self, code: u16, reason: &str) {
        let close = Close::new(code, reason.to_owned());
        match &self.0 {
            Link::Http(session) => session.abort(close),
            Link::WebSocket(session) => session.abort(close),
        }
    }

    /// From here on the client gets strings alone, as SockJS knows them: for a value that is sent, a string that holds
    /// its JSON text. Without effect on a raw WebSocket, whose messages are such texts already.
    pub fn use_strings(&self) {
        match &self.0 {
            Link::Http(session) => session.use_strings(),
            Link::WebSocket(session) => session.use_strings(),
        }
    }

    /// The transport of the session's first request. A client does not change it within a session.
    pub fn transport(&self) -> Transport {
        match &self.0 {
            Link::Http(session) => session.transport(),
            Link::WebSocket(session) => session.transport(),
        }
    }

    /// Closes the session because the service ends.
    pub(crate) fn drain(&self, close: Close) {
        match &self.0 {
            Link::Http(session) => session.drain(close),
            Link::WebSocket(session) => session.close(close),
        }
    }

    pub(crate) fn close_with(&self, close: Close) {
        match &self.0 {
            Link::Http(session) => session.close(close),
            Link::WebSocket(session) => session.close(close),
        }
    }
}

impl From<Arc<HttpSession>> for Session {
    fn from(session: Arc<HttpSession>) -> Self {
        Self(Link::Http(session))
    }
}

impl From<Arc<WebSocketSession>> for Session {
    fn from(session: Arc<WebSocketSession>) -> Self {
        Self(Link::WebSocket(session))
    }
}
