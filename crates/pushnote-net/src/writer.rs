//! The writing end of a stream, which anybody may hold a share of.

use std::borrow::Borrow;
use std::io;
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::time::Instant;

use crate::moment::{Moment, after};
use crate::outbox::{self, Outbox};
use crate::stream::Stream;

/// How much the kernel may hold that it has not sent yet. The rest waits in the outbox, where it is counted and shared
/// with other connections, and where its progress shows that the peer is alive.
const KERNEL_BACKLOG_BYTES: u32 = 128 * 1024;

/// Why something was not sent. None of it will arrive.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WriteError {
    /// Too much waits for the peer already. [`Writer::take_room`] tells when all of that has left.
    #[error("the outbox is full: the peer reads slower than it is sent to")]
    Full,
    /// The stream is at its end, or comes to it.
    #[error("the connection is closed or closing")]
    Closed,
}

/// Writes to a stream from any thread, without blocking: what the kernel refuses waits here, as a share and not a copy,
/// until the stream's driver (the one task that also reads) has written it. `E` is what is known of the stream's end.
///
/// The stream is closed when the writer is dropped.
#[derive(Debug)]
pub struct Writer<E> {
    stream: Stream,
    /// Held for one non-blocking system call at most, never across an await.
    state: Mutex<State<E>>,
}

#[derive(Debug)]
struct State<E> {
    outbox: Outbox,
    phase: Phase<E>,
    /// When something was sent last that was not [`Writer::send_beside`] it.
    sent_at: Moment,
    /// The driver's, from each of its polls until someone needs it.
    driver: Option<Waker>,
}

#[derive(Debug)]
enum Phase<E> {
    Open,
    /// Its last bytes are queued or sent. Boxed: this is rare, and idle connections are many.
    Ending(Box<E>),
    Broken,
    Over,
}

/// How far a stream has come, to its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is sent to.
    Open,
    /// Nothing comes behind what is queued.
    Ending,
    /// It is broken, or over.
    Over,
}

impl<E> Writer<E> {
    /// For a stream to which nothing is written but by this.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        stream.set_nodelay();
        stream.set_unsent_bytes_max(KERNEL_BACKLOG_BYTES);
        let state =
            State { outbox: Outbox::default(), phase: Phase::Open, sent_at: Moment::now(), driver: None };
        Self { stream, state: Mutex::new(state) }
    }

    /// The stream, to be read from.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Sends, in one vectored write. If nothing waits, that is at once; what the kernel refuses is kept and written when it
    /// can be. While something waits, `bytes_max` bounds what is kept.
    ///
    /// # Errors
    /// [`WriteError`]; all of it is lost then.
    pub fn send<B: Borrow<Bytes>>(&self, all: &[B], bytes_max: usize) -> Result<(), WriteError> {
        let mut state = self.lock();
        state.check_room(all, bytes_max)?;
        state.sent_at = Moment::now();
        self.write(state, all)
    }

    /// Queues something for the driver to write, ahead of whatever is sent from now on.
    ///
    /// # Errors
    /// [`WriteError`]; it is lost then.
    pub fn queue(&self, one: &Bytes, bytes_max: usize) -> Result<(), WriteError> {
        let mut state = self.lock();
        if !matches!(state.phase, Phase::Open) {
            return Err(WriteError::Closed);
        }
        state.check_room(std::slice::from_ref(one), bytes_max)?;
        state.sent_at = Moment::now();
        state.outbox.push(one);
        wake(release(state));
        Ok(())
    }

    /// Sends what its receiver does not count as a sign of life, and may do without: while too much waits, it is dropped.
    pub fn send_beside(&self, one: &Bytes, bytes_max: usize) {
        let (state, all) = (self.lock(), std::slice::from_ref(one));
        if state.has_room(all, bytes_max) {
            // An error has broken the stream, and the driver's next turn sees that.
            let _ = self.write(state, all);
        }
    }

    /// When nothing has been sent for so long.
    pub fn idle_at(&self, interval: Duration) -> Instant {
        after(self.lock().sent_at.instant(), interval)
    }

    /// Sends this if nothing else was sent for so long. What waits in the outbox is on its way, and is no silence.
    pub fn beat(&self, now: Instant, interval: Duration, beat: &Bytes) {
        let mut state = self.lock();
        if after(state.sent_at.instant(), interval) <= now {
            state.sent_at = Moment::now();
            if state.outbox.is_empty() {
                // An error has broken the stream, and the driver's next turn sees that.
                let _ = self.write(state, std::slice::from_ref(beat));
            }
        }
    }

    fn write<B: Borrow<Bytes>>(
        &self,
        mut state: MutexGuard<'_, State<E>>,
        all: &[B],
    ) -> Result<(), WriteError> {
        if !matches!(state.phase, Phase::Open) {
            return Err(WriteError::Closed);
        }
        if !state.outbox.is_empty() {
            // The driver waits for the kernel already.
            state.outbox.push_all(all, 0);
            return Ok(());
        }
        match outbox::write(&self.stream, all) {
            Ok(written) => {
                if state.outbox.push_all(all, written) {
                    wake(release(state));
                }
                Ok(())
            }
            Err(_) => {
                state.phase = Phase::Broken;
                wake(release(state));
                Err(WriteError::Closed)
            }
        }
    }

    /// Sends these behind whatever is queued, and nothing after them. Has no effect on a stream that ends already.
    pub fn end<B: Borrow<Bytes>>(&self, last: &[B], end: E) {
        begin_end(self.lock(), last, end);
    }

    /// As [`end`](Self::end), at once: of what is queued only the rest of a buffer is sent that has begun to leave.
    pub fn abort<B: Borrow<Bytes>>(&self, last: &[B], end: E) {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open) {
            state.outbox.drop_unstarted();
        }
        begin_end(state, last, end);
    }

    /// Bytes that wait in the outbox.
    pub fn queued_bytes(&self) -> usize {
        self.lock().outbox.bytes()
    }

    /// Whether the stream is open and nothing waits. If something does, [`take_room`](Self::take_room) will tell.
    pub fn is_clear(&self) -> bool {
        let mut state = self.lock();
        let clear = state.outbox.is_empty();
        state.outbox.refused |= !clear;
        clear && matches!(state.phase, Phase::Open)
    }

    /// Whether something was refused, and everything before it has left since.
    pub fn take_room(&self) -> bool {
        let mut state = self.lock();
        let room = state.outbox.refused && state.outbox.is_empty() && matches!(state.phase, Phase::Open);
        state.outbox.refused &= !room;
        room
    }

    /// How far it has come.
    pub fn stage(&self) -> Stage {
        self.lock().stage()
    }

    /// The driver's: writes what waits, until the kernel refuses. Ready when nothing waits any more; from then on whoever
    /// leaves something behind wakes the driver. `taken` is called when the kernel had room again.
    ///
    /// # Errors
    /// The stream is broken.
    pub fn poll_drain(&self, cx: &mut Context<'_>, mut taken: impl FnMut()) -> Poll<io::Result<()>> {
        loop {
            {
                let mut state = self.lock();
                // Left behind before the outbox is looked at: whatever is queued from here on wakes the driver.
                if !state.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
                    state.driver = Some(cx.waker().clone());
                }
                if state.outbox.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            std::task::ready!(self.stream.poll_write_ready(cx))?;
            let written = self.lock().outbox.write_to(&self.stream);
            match written {
                // The kernel has room again because the peer took something.
                Ok(_) => taken(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// The driver's: ends the stream on our side. Returns what is known of its end; `None`: nothing, or it was over before.
    pub fn finish(&self) -> Option<E> {
        let mut state = self.lock();
        let phase = std::mem::replace(&mut state.phase, Phase::Over);
        state.outbox = Outbox::default();
        // A waker may be the last share of its task, whose end drops a driver, which locks again: not under the lock.
        drop(release(state));
        if matches!(phase, Phase::Over) {
            return None;
        }
        // Other shares may live on: the peer need not wait for them.
        self.stream.shut_down(Shutdown::Both);
        match phase {
            Phase::Ending(end) => Some(*end),
            Phase::Open | Phase::Broken | Phase::Over => None,
        }
    }

    /// The state is whole between any two statements that can panic, so poisoning carries no news.
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> State<E> {
    /// Notes for the driver that there was none.
    fn check_room<B: Borrow<Bytes>>(&mut self, all: &[B], bytes_max: usize) -> Result<(), WriteError> {
        if matches!(self.phase, Phase::Open) && !self.has_room(all, bytes_max) {
            self.outbox.refused = true;
            return Err(WriteError::Full);
        }
        Ok(())
    }

    fn has_room<B: Borrow<Bytes>>(&self, all: &[B], bytes_max: usize) -> bool {
        self.outbox.is_empty() || self.outbox.cost_with(all) <= bytes_max
    }

    fn stage(&self) -> Stage {
        match self.phase {
            Phase::Open => Stage::Open,
            Phase::Ending(_) => Stage::Ending,
            Phase::Broken | Phase::Over => Stage::Over,
        }
    }
}

/// Has no effect on a stream that ends already.
fn begin_end<E, B: Borrow<Bytes>>(mut state: MutexGuard<'_, State<E>>, last: &[B], end: E) {
    if matches!(state.phase, Phase::Open) {
        last.iter().for_each(|last| state.outbox.push(last.borrow()));
        state.phase = Phase::Ending(Box::new(end));
        wake(release(state));
    }
}

/// Unlocks, and hands out the driver's waker: to wake under the lock would make the driver wait for it.
fn release<E>(mut state: MutexGuard<'_, State<E>>) -> Option<Waker> {
    state.driver.take()
}

fn wake(driver: Option<Waker>) {
    if let Some(driver) = driver {
        driver.wake();
    }
}
