//! The one task of a connection, as its owner sees it.

use std::borrow::Cow;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use pushnote_net::Stream;
use tokio::time::sleep_until;

use super::disconnected::Disconnected;
use super::event::Event;
use super::options::SocketOptions;
use super::running::{OpenSocket, Running};
use super::writer::Socket;

impl Socket {
    /// Takes a stream after its `101` response, with the bytes read after the request. The driver must be run.
    pub fn new(
        stream: impl Into<Stream>,
        read_ahead: Bytes,
        options: Arc<SocketOptions>,
    ) -> (Arc<Self>, Driver) {
        let socket = Arc::new(Self::open(stream.into(), options));
        let driver = Driver { socket: OpenSocket(Arc::clone(&socket)), read_ahead };
        (socket, driver)
    }
}

/// The reading end of a connection, to be run as a task of its own. Dropped, it ends the connection without a handshake.
#[derive(Debug)]
#[must_use = "nothing is read, and what the kernel refuses is not sent, unless the driver runs"]
pub struct Driver {
    socket: OpenSocket,
    read_ahead: Bytes,
}

impl Driver {
    /// Runs the connection to its end: reads, answers pings, sends its own, drains the outbox, closes.
    ///
    /// `on_event` is called for each message and the like until the connection closes. It holds the thread, so it must not block.
    /// To end the connection it breaks with a close code and reason, as [`Socket::close`] takes them.
    ///
    /// Must run where tokio's IO and time are enabled.
    pub fn run<F>(self, on_event: F) -> impl Future<Output = Disconnected>
    where
        F: FnMut(Event<'_>) -> ControlFlow<(u16, Cow<'static, str>)>,
    {
        // Not an `async fn`, which would hold its arguments twice.
        let mut connection = Running::new(self.socket, self.read_ahead, on_event);
        async move {
            let mut timer = pin!(sleep_until(connection.beat_at()));
            poll_fn(|cx| connection.poll(cx, timer.as_mut())).await
        }
    }
}
