//! A session over a WebSocket.

use std::{
    borrow::Cow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use pushnote_sockjs_proto::{
    Close,
    session::{CloseCause, CloseReason},
};
use pushnote_websocket::{
    Socket, SocketError, SocketOptions,
    encode::{self, Frames},
};

use crate::{
    message::Message,
    transport::{
        Transport,
        endpoint::{Ending, WebSocket},
    },
};

/// What sockets are set up with, one for all of a transport.
#[derive(Debug)]
pub(crate) struct WebSocketOptions(Vec<(Transport, Arc<SocketOptions>)>);

impl WebSocketOptions {
    pub(crate) fn new(common: &SocketOptions) -> Self {
        let of = |transport: Transport| {
            let idle_frame = transport.websocket()?.heartbeat.map(encode::text);
            Some((transport, Arc::new(SocketOptions { idle_frame, ..common.clone() })))
        };
        Self(Transport::ALL.into_iter().filter_map(of).collect())
    }

    /// Those of a transport that uses a WebSocket.
    pub(crate) fn of(&self, transport: Transport) -> Arc<SocketOptions> {
        let options = self.0.iter().find(|(of, _)| *of == transport);
        options.map(|(_, options)| Arc::clone(options)).unwrap_or_default()
    }
}

/// A session that lives and ends with its WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocketSession {
    socket: Arc<Socket>,
    transport: Transport,
    how: &'static WebSocket,
    /// See [`crate::Session::use_strings`].
    strings: AtomicBool,
    /// Why we close it; the WebSocket's close frame does not always say so. Boxed, as most sessions never have it.
    closing: OnceLock<Box<CloseReason>>,
}

impl WebSocketSession {
    /// `how` is the transport's.
    pub(crate) fn new(socket: Arc<Socket>, transport: Transport, how: &'static WebSocket) -> Self {
        Self { socket, transport, how, strings: AtomicBool::new(false), closing: OnceLock::new() }
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    /// Whether the client sends arrays of messages; else each WebSocket message is one.
    pub(crate) fn takes_arrays(&self) -> bool {
        self.how.arrays
    }

    pub(crate) fn use_strings(&self) {
        self.strings.store(true, Relaxed);
    }

    /// The open frame. It must be the first thing sent; but it leaves only when the application has taken the session:
    /// what is published when a client knows that it is open must not miss it.
    pub(crate) fn open(&self) {
        if let Some(opening) = self.how.opening {
            // A socket that is gone already tells its driver, which ends the session.
            let _ = self.socket.queue(&encode::text(opening));
        }
    }

    pub(crate) fn close(&self, close: Close) {
        let Ending { last, close: ending } = (self.how.ending)(&close);
        if self.set_closing(close, CloseCause::Application) {
            match last {
                Some(last) => self.socket.close_after(&encode::text(&last), ending.code, &ending.reason),
                None => self.socket.close(ending.code, &ending.reason),
            }
        }
    }

    /// Ends the WebSocket of a client that breaks the protocol.
    pub(crate) fn refuse(&self, close: Close) {
        self.socket.close(close.code, &close.reason);
        self.set_closing(close, CloseCause::ProtocolError);
    }

    /// There is no room for SockJS's own close frame: the WebSocket's says it all.
    pub(crate) fn abort(&self, close: Close) {
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

    pub(crate) fn send(&self, message: &Message) -> Result<(), SocketError> {
        self.write((self.how.frames)(message, self.strings.load(Relaxed)))
    }

    pub(crate) fn send_binary(&self, payload: &[u8]) -> Result<(), SocketError> {
        self.write(&encode::binary(payload))
    }

    fn write(&self, frames: &Frames) -> Result<(), SocketError> {
        if self.closing.get().is_some() {
            return Err(SocketError::Closed);
        }
        self.socket.send(frames)
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
