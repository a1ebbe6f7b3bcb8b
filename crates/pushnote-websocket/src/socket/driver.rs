//! The one task of a connection, as its owner sees it.

use std::borrow::Cow;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::sleep_until;

use super::connection::Connection;
use super::{Disconnected, Socket};

/// What happens on a connection, lent for the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The peer sent a text message.
    Text(&'a str),
    /// The peer sent a binary message.
    Binary(&'a [u8]),
    /// Frames were refused with [`SendError::Full`](super::SendError::Full), and now nothing waits any more.
    Room,
}

/// The reading end of a connection, to be run as a task of its own. Dropped, it ends the connection without a handshake.
#[derive(Debug)]
#[must_use = "nothing is read, and what the kernel refuses is not sent, unless the driver runs"]
pub struct Driver {
    pub(super) socket: Arc<Socket>,
    pub(super) read_ahead: Bytes,
}

impl Driver {
    pub(super) fn new(socket: Arc<Socket>, read_ahead: Bytes) -> Self {
        Self { socket, read_ahead }
    }

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
        let mut connection = Connection::new(self, on_event);
        async move {
            let mut timer = pin!(sleep_until(connection.beat_at()));
            poll_fn(|cx| connection.poll(cx, timer.as_mut())).await
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.socket.end();
    }
}
