//! The writing end of a connection, which anybody may hold a share of.

use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use pushnote_net::{Peer, Stream};
use thiserror::Error;
use tokio::time::Instant;

use super::disconnected::{Cause, Disconnected};
use super::heartbeat::{self, Moment};
use super::options::SocketOptions;
use super::outbox::{self, Outbox};
use crate::close_code;
use crate::codec::encode::{self, Frames};

/// How much the kernel may hold that it has not sent yet. The rest waits in the outbox, where it is counted and shared
/// with other connections, and where its progress shows that the peer is alive.
const KERNEL_BACKLOG_BYTES: u32 = 128 * 1024;

/// Why frames were not sent. None of them will arrive.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SocketError {
    /// Too much waits for the peer already. [`Event::Room`](super::Event::Room) tells when all of that has left.
    #[error("the outbox is full: the peer reads slower than it is sent to")]
    Full,
    /// The connection is closed, or being closed.
    #[error("the connection is closed or closing")]
    Closed,
}

/// The writing end of a connection. Its stream is closed when the last `Arc` of it is gone, so drop it when
/// [`Driver::run`](super::Driver::run) has returned.
#[derive(Debug)]
pub struct Socket {
    pub(super) stream: Stream,
    pub(super) options: Arc<SocketOptions>,
    /// Held for one non-blocking system call at most, never across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) outbox: Outbox,
    pub(super) phase: Phase,
    /// When [`Socket::send`] and its like were called last.
    sent_at: Moment,
    /// The driver's, from each of its polls until someone needs it.
    pub(super) driver: Option<Waker>,
}

#[derive(Debug)]
pub(super) enum Phase {
    Open,
    /// A close frame is queued or sent, or the stream is broken. Boxed: this is rare, and idle connections are many.
    Closing(Box<Disconnected>),
    Closed,
}

impl Socket {
    /// For a stream that nothing was written to since its `101` response.
    pub(super) fn open(stream: Stream, options: Arc<SocketOptions>) -> Self {
        stream.set_nodelay();
        stream.set_unsent_bytes_max(KERNEL_BACKLOG_BYTES);
        let state =
            State { outbox: Outbox::default(), phase: Phase::Open, sent_at: Moment::now(), driver: None };
        Self { stream, options, state: Mutex::new(state) }
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
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) {
            return Err(SocketError::Closed);
        }
        self.check_room(&mut state, std::slice::from_ref(frames))?;
        state.sent_at = Moment::now();
        state.outbox.push(frames);
        wake(release(state));
        Ok(())
    }

    /// Sends frames of several buffers in one vectored write; else as [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// [`SocketError`]; all of them are lost then.
    pub fn send_all(&self, frames: &[Frames]) -> Result<(), SocketError> {
        let mut state = self.lock();
        self.check_room(&mut state, frames)?;
        state.sent_at = Moment::now();
        self.write(state, frames)
    }

    /// Sends pings and pongs: the page's script sees nothing of them. A full outbox takes none: pongs may be left out
    /// (RFC 6455, 5.5.3), and what waits asks more of the peer than a ping.
    pub(super) fn send_control(&self, frames: &Frames) {
        let state = self.lock();
        if self.has_room(&state, std::slice::from_ref(frames)) {
            // An error has closed the connection, and the driver's next turn sees that.
            let _ = self.write(state, std::slice::from_ref(frames));
        }
    }

    /// When the idle frame is due; `None` when there is none.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        let frame = self.options.idle_frame.as_ref();
        frame.map(|_| heartbeat::after(self.lock().sent_at.instant(), self.options.ping_interval))
    }

    /// Sends the idle frame, if it is due. What waits in the outbox is on its way, and is no silence.
    pub(super) fn beat(&self, now: Instant) {
        let Some(frame) = &self.options.idle_frame else { return };
        let mut state = self.lock();
        if heartbeat::after(state.sent_at.instant(), self.options.ping_interval) <= now {
            state.sent_at = Moment::now();
            if state.outbox.is_empty() {
                // An error has closed the connection, and the driver's next turn sees that.
                let _ = self.write(state, std::slice::from_ref(frame));
            }
        }
    }

    fn write(&self, mut state: MutexGuard<'_, State>, frames: &[Frames]) -> Result<(), SocketError> {
        if !matches!(state.phase, Phase::Open) {
            return Err(SocketError::Closed);
        }
        if !state.outbox.is_empty() {
            // The driver waits for the kernel already.
            state.outbox.push_all(frames, 0);
            return Ok(());
        }
        match outbox::write(&self.stream, frames) {
            Ok(written) => {
                if state.outbox.push_all(frames, written) {
                    wake(release(state));
                }
                Ok(())
            }
            Err(_) => {
                state.phase = Phase::closing(Cause::Reset, close_code::ABNORMAL, "");
                wake(release(state));
                Err(SocketError::Closed)
            }
        }
    }

    /// Starts the closing handshake behind whatever is queued. Has no effect on a connection that closes already.
    ///
    /// `code` is one that [`close_code::may_be_sent`](crate::close_code::may_be_sent); `reason` is cut at 123 bytes.
    pub fn close(&self, code: u16, reason: &str) {
        self.begin_close(Cause::WeClosed, code, reason, None);
    }

    /// As [`close`](Self::close), with a last frame before it, in one step: nothing that others send comes between.
    pub fn close_after(&self, last: &Frames, code: u16, reason: &str) {
        self.begin_close(Cause::WeClosed, code, reason, Some(last));
    }

    /// As [`close`](Self::close), at once: of what is queued only the rest of a frame that has begun to leave is sent.
    pub fn abort(&self, code: u16, reason: &str) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            state.outbox.drop_unstarted();
        }
        begin_close(state, Cause::WeClosed, code, reason, None);
    }

    /// Who is at the other end; `None` once the stream is disconnected.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        self.stream.peer()
    }

    /// Bytes that wait in the outbox.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.lock().outbox.bytes()
    }

    pub(super) fn begin_close(&self, cause: Cause, code: u16, reason: &str, last: Option<&Frames>) {
        begin_close(self.lock(), cause, code, reason, last);
    }

    /// Notes for the driver that there was none.
    fn check_room(&self, state: &mut State, frames: &[Frames]) -> Result<(), SocketError> {
        if matches!(state.phase, Phase::Open) && !self.has_room(state, frames) {
            state.outbox.refused = true;
            return Err(SocketError::Full);
        }
        Ok(())
    }

    fn has_room(&self, state: &State, frames: &[Frames]) -> bool {
        state.outbox.is_empty() || state.outbox.cost_with(frames) <= self.options.outbox_bytes_max
    }

    /// Whether frames were refused, and everything before them has left since.
    pub(super) fn take_room(&self) -> bool {
        let mut state = self.lock();
        let room = state.outbox.refused && state.outbox.is_empty() && matches!(state.phase, Phase::Open);
        state.outbox.refused &= !room;
        room
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.lock().phase, Phase::Open)
    }

    /// Ends the connection on our side. Returns what was known of its end; `None`: nothing, or it had ended before.
    pub(super) fn end(&self) -> Option<Disconnected> {
        let mut state = self.lock();
        let phase = std::mem::replace(&mut state.phase, Phase::Closed);
        state.outbox = Outbox::default();
        // A waker may be the last share of its task, whose end drops a driver, which locks again: not under the lock.
        drop(release(state));
        if matches!(phase, Phase::Closed) {
            return None;
        }
        // Other shares of this socket may live on: the peer need not wait for them.
        self.stream.shut_down(Shutdown::Both);
        match phase {
            Phase::Closing(disconnected) => Some(*disconnected),
            Phase::Open | Phase::Closed => None,
        }
    }

    /// The state is whole between any two statements that can panic, so poisoning carries no news.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    fn closing(cause: Cause, code: u16, reason: &str) -> Self {
        Self::Closing(Box::new(Disconnected { code, reason: reason.into(), clean: false, cause }))
    }
}

/// Has no effect on a connection that closes already.
fn begin_close(
    mut state: MutexGuard<'_, State>,
    cause: Cause,
    code: u16,
    reason: &str,
    last: Option<&Frames>,
) {
    if matches!(state.phase, Phase::Open) {
        last.into_iter().for_each(|last| state.outbox.push(last));
        state.outbox.push(&encode::close(code, reason));
        state.phase = Phase::closing(cause, code, reason);
        wake(release(state));
    }
}

/// Unlocks, and hands out the driver's waker: to wake under the lock would make the driver wait for it.
fn release(mut state: MutexGuard<'_, State>) -> Option<Waker> {
    state.driver.take()
}

fn wake(driver: Option<Waker>) {
    if let Some(driver) = driver {
        driver.wake();
    }
}
