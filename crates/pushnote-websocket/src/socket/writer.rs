//! The writing end of a connection, which anybody may hold a share of.

use std::sync::Arc;

use pushnote_net::{Peer, Stream, WriteError, Writer};
use tokio::time::Instant;

use super::disconnected::{Cause, Disconnected};
use super::options::SocketOptions;
use crate::codec::encode::{self, Frames};

/// Why frames were not sent. None of them will arrive. Of a full outbox, [`Event::Room`](super::Event::Room) tells when all
/// of it has left.
pub type SocketError = WriteError;

/// The writing end of a connection. Its stream is closed when the last `Arc` of it is gone, so drop it when
/// [`Driver::run`](super::Driver::run) has returned.
#[derive(Debug)]
pub struct Socket {
    pub(super) writer: Writer<Disconnected>,
    pub(super) options: Arc<SocketOptions>,
}

impl Socket {
    /// For a stream that nothing was written to since its `101` response.
    pub(super) fn open(stream: Stream, options: Arc<SocketOptions>) -> Self {
        Self { writer: Writer::new(stream), options }
    }

    /// Sends frames. If nothing waits, they are written at once;
    /// what the kernel refuses is kept (as a share, not a copy) and written when it can be.
    ///
    /// Never blocks; callable from any thread, with and without a runtime.
    ///
    /// # Errors
    ///
    /// [`SocketError`]; the frames are lost then.
    pub fn send(&self, frames: &Frames) -> Result<(), SocketError> {
        self.send_all(std::slice::from_ref(frames))
    }

    /// Queues frames for the driver to write, ahead of whatever is sent from now on: before [`Driver::run`](super::Driver::run), what the
    /// peer must see first, but not before everything is set up for what it says then.
    ///
    /// # Errors
    ///
    /// [`SocketError`]; the frames are lost then.
    pub fn queue(&self, frames: &Frames) -> Result<(), SocketError> {
        self.writer.queue(frames.bytes(), self.options.outbox_bytes_max)
    }

    /// Sends frames of several buffers in one vectored write; else as [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// [`SocketError`]; all of them are lost then.
    pub fn send_all(&self, frames: &[Frames]) -> Result<(), SocketError> {
        self.writer.send(frames, self.options.outbox_bytes_max)
    }

    /// Sends pings and pongs: the page's script sees nothing of them. A full outbox takes none: pongs may be left out
    /// (RFC 6455, 5.5.3), and what waits asks more of the peer than a ping.
    pub(super) fn send_control(&self, frames: &Frames) {
        self.writer.send_beside(frames.bytes(), self.options.outbox_bytes_max);
    }

    /// When the idle frame is due; `None` when there is none.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        self.options.idle_frame.as_ref().map(|_| self.writer.idle_at(self.options.ping_interval))
    }

    /// Sends the idle frame, if it is due.
    pub(super) fn beat(&self, now: Instant) {
        if let Some(frame) = &self.options.idle_frame {
            self.writer.beat(now, self.options.ping_interval, frame.bytes());
        }
    }

    /// Starts the closing handshake behind whatever is queued. Has no effect on a connection that closes already.
    ///
    /// `code` is one that [`close_code::may_be_sent`](crate::close_code::may_be_sent); `reason` is cut at 123 bytes.
    pub fn close(&self, code: u16, reason: &str) {
        self.begin_close(Cause::WeClosed, code, reason);
    }

    /// As [`close`](Self::close), with a last frame before it, in one step: nothing that others send comes between.
    pub fn close_after(&self, last: &Frames, code: u16, reason: &str) {
        let end = Disconnected::begun(Cause::WeClosed, code, reason);
        self.writer.end(&[last, &encode::close(code, reason)].map(Frames::bytes), end);
    }

    /// As [`close`](Self::close), at once: of what is queued only the rest of a frame that has begun to leave is sent.
    pub fn abort(&self, code: u16, reason: &str) {
        let end = Disconnected::begun(Cause::WeClosed, code, reason);
        self.writer.abort(&[encode::close(code, reason)], end);
    }

    /// Who is at the other end; `None` once the stream is disconnected.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.writer.stream().peer()
    }

    /// Bytes that wait in the outbox.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.writer.queued_bytes()
    }

    pub(super) fn begin_close(&self, cause: Cause, code: u16, reason: &str) {
        self.writer.end(&[encode::close(code, reason)], Disconnected::begun(cause, code, reason));
    }
}
