//! The application's handle to one session.

use std::{
    borrow::Cow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use pushnote_sockjs_proto::{
    Close, frame,
    session::{self, CloseCause, CloseReason},
};
use pushnote_websocket::{Socket, SocketOptions, close_code, encode};
use thiserror::Error;

use crate::{Transport, http_session::HttpSession, message::Message};

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

impl Session {
    /// Sends a message. It is on its way to the client, or queued, when this returns; it never waits for the client.
    ///
    /// # Errors
    /// When the session is closed, or too much waits for its client.
    pub fn send(&self, message: &Message) -> Result<(), SendError> {
        match &self.0 {
            Link::WebSocket(session) => session.send(message),
            Link::Http(session) => session.send(message).map_err(|error| match error {
                session::SendError::Closed => SendError::Closed,
                session::SendError::Full => SendError::Full,
            }),
        }
    }

    /// Sends a binary message, on a raw WebSocket.
    ///
    /// # Errors
    /// As [`send`](Self::send), and on any other transport: SockJS has no binary messages.
    pub fn send_binary(&self, payload: &[u8]) -> Result<(), SendError> {
        match &self.0 {
            Link::WebSocket(session) if session.transport == Transport::RawWebSocket => {
                session.write(&encode::binary(payload))
            }
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
            Link::WebSocket(session) => session.strings.store(true, Relaxed),
        }
    }

    /// The transport of the session's first request. A client does not change it within a session.
    pub fn transport(&self) -> Transport {
        match &self.0 {
            Link::Http(session) => session.transport(),
            Link::WebSocket(session) => session.transport,
        }
    }

    /// Closes the session because the service ends.
    pub(crate) fn farewell(&self, close: Close) {
        match &self.0 {
            Link::Http(session) => session.farewell(close),
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

/// The heartbeat frame, as a WebSocket message: a page sees it, and not the pings beside it.
const HEARTBEAT: Bytes = Bytes::from_static(b"\x81\x01h");

/// What sockets are set up with, one for all of a kind.
#[derive(Debug)]
pub(crate) struct WebSocketOptions {
    framed: Arc<SocketOptions>,
    raw: Arc<SocketOptions>,
}

impl WebSocketOptions {
    pub(crate) fn new(raw: SocketOptions) -> Self {
        let framed = SocketOptions { idle_frame: Some(HEARTBEAT), ..raw.clone() };
        Self { framed: Arc::new(framed), raw: Arc::new(raw) }
    }

    pub(crate) fn of(&self, transport: Transport) -> Arc<SocketOptions> {
        Arc::clone(if transport == Transport::RawWebSocket { &self.raw } else { &self.framed })
    }
}

/// A session that lives and ends with its WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocketSession {
    socket: Arc<Socket>,
    /// [`Transport::WebSocket`] or [`Transport::RawWebSocket`].
    transport: Transport,
    /// See [`Session::use_strings`].
    strings: AtomicBool,
    /// Why we close it; the WebSocket's close frame does not always say so. Boxed, as most sessions never have it.
    closing: OnceLock<Box<CloseReason>>,
}

impl WebSocketSession {
    pub(crate) fn new(socket: Arc<Socket>, transport: Transport) -> Self {
        Self { socket, transport, strings: AtomicBool::new(false), closing: OnceLock::new() }
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// The open frame. It must be the first thing sent; but it leaves only when the application has taken the session:
    /// what is published when a client knows that it is open must not miss it.
    pub(crate) fn open(&self) {
        if self.transport == Transport::WebSocket {
            // A socket that is gone already tells its driver, which ends the session.
            let _ = self.socket.queue(&Bytes::from_static(b"\x81\x01o"));
        }
    }

    /// The application's close is told in SockJS's own close frame, and then ends the WebSocket normally.
    pub(crate) fn close(&self, close: Close) {
        let raw = self.transport == Transport::RawWebSocket;
        let frame = frame::close(&close);
        let last = match raw {
            true if close_code::may_be_sent(close.code) => close.clone(),
            true => Close { code: Close::NORMAL.code, ..close.clone() },
            false => Close::NORMAL,
        };
        if self.set_closing(close, CloseCause::Application) {
            if raw {
                self.socket.close(last.code, &last.reason);
            } else {
                let frame = encode::text(&String::from_utf8_lossy(&frame));
                self.socket.close_after(frame, last.code, &last.reason);
            }
        }
    }

    /// Ends the WebSocket of a client that breaks the protocol.
    pub(crate) fn refuse(&self, close: Close) {
        self.socket.close(close.code, &close.reason);
        self.set_closing(close, CloseCause::ProtocolError);
    }

    /// There is no room for SockJS's own close frame: the WebSocket's says it all.
    fn abort(&self, close: Close) {
        self.socket.abort(close.code, &close.reason);
        self.set_closing(close, CloseCause::Application);
    }

    /// Notes why we close it; `false` when we do already.
    fn set_closing(&self, close: Close, cause: CloseCause) -> bool {
        self.closing.set(Box::new(CloseReason { close, cause })).is_ok()
    }

    /// Why we closed it, if we did.
    pub(crate) fn close_reason(&self) -> Option<&CloseReason> {
        self.closing.get().map(|reason| &**reason)
    }

    fn send(&self, message: &Message) -> Result<(), SendError> {
        match self.transport {
            Transport::RawWebSocket => self.write(message.raw_websocket()),
            _ if self.strings.load(Relaxed) => self.write(message.strings().websocket()),
            _ => self.write(message.websocket()),
        }
    }

    fn write(&self, frames: &Bytes) -> Result<(), SendError> {
        if self.closing.get().is_some() {
            return Err(SendError::Closed);
        }
        self.socket.send(frames).map_err(|error| match error {
            pushnote_websocket::SendError::Closed => SendError::Closed,
            pushnote_websocket::SendError::Full => SendError::Full,
        })
    }
}

/// What a WebSocket's end means to the application: our own reason if we closed it, else what the peer or network said.
pub(crate) fn websocket_close_reason(
    ours: Option<&CloseReason>,
    code: u16,
    reason: &str,
    cause: CloseCause,
) -> CloseReason {
    match ours {
        Some(ours) => ours.clone(),
        None => CloseReason { close: Close::new(code, Cow::Owned(reason.to_owned())), cause },
    }
}
