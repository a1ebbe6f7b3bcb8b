//! What waits to be written to one peer, bounded by the memory it keeps alive.

mod unsent;

pub(crate) use unsent::Unsent;

use bytes::{Bytes, BytesMut};
use pushnote_zmtp_proto::frame::Spans;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Smaller slices are copied together: a copy is cheaper than a slice in `writev`, and keeps no chunk alive.
const COPY_BELOW_BYTES: usize = 1024;
const TAIL_BYTES_MAX: usize = 16 << 10;
/// A peer that asks and does not read gets no more answers.
const CONTROL_BYTES_MAX: usize = 4096;

/// About what a command takes that stands between messages, and that it is not copied together with its neighbours.
const MARK_BYTES: usize = 256;

/// A piece of the stream.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) bytes: Bytes,
    /// The bytes on the wire, where they are not these: with CURVE, and to peers of ZMTP 1.0.
    wire: Option<Bytes>,
    /// Bytes it takes of the bound.
    charge: usize,
    /// With its last byte, everything before this offset of the stream is written.
    end: u64,
    /// A command of the connection, worthless on the next one.
    control: bool,
}

impl Entry {
    fn control(bytes: BytesMut) -> Self {
        Entry { bytes: bytes.freeze(), wire: None, charge: 0, end: 0, control: true }
    }

    fn message(bytes: Bytes, charge: usize, end: u64) -> Self {
        Entry { bytes, wire: None, charge, end, control: false }
    }

    fn messages(&self) -> usize {
        if self.control { 0 } else { Spans::new(&self.bytes).count() }
    }

    fn wire(&self) -> &Bytes {
        self.wire.as_ref().unwrap_or(&self.bytes)
    }
}

/// The queue's shared side.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    bytes_max: usize,
    /// The writer waits here for something to write.
    work: Notify,
    /// Senders and flushers wait here for something to be written.
    progress: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    tail: BytesMut,
    control: BytesMut,
    /// Memory of what waits, here and with the writer.
    charged: usize,
    /// How far the stream of messages goes, and how far it is written: offsets of its owner's choice, that only grow.
    end: u64,
    written: u64,
}

impl State {
    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            let bytes = std::mem::take(&mut self.tail).freeze();
            let charge = bytes.len();
            self.entries.push_back(Entry::message(bytes, charge, self.end));
        }
    }
}

impl Outbox {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Outbox { state: Mutex::default(), bytes_max, work: Notify::new(), progress: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes whole messages; false when there is no room. For a stream whose offsets are pushes.
    pub(crate) fn push(&self, slices: &[Bytes], retained: usize) -> bool {
        let state = self.state();
        let end = state.end + 1;
        self.push_locked(state, slices, retained, end)
    }

    /// Takes whole messages, in one slice or several of one chunk of `retained` bytes, with which the stream goes up to
    /// the offset `end`; false when there is no room. What begins below the bound is taken whole, so that nothing is too
    /// large to pass.
    pub(crate) fn push_up_to(&self, end: u64, slices: &[Bytes], retained: usize) -> bool {
        self.push_locked(self.state(), slices, retained, end)
    }

    fn push_locked(
        &self,
        mut state: MutexGuard<'_, State>,
        slices: &[Bytes],
        retained: usize,
        end: u64,
    ) -> bool {
        let shared = slices.iter().any(|slice| slice.len() >= COPY_BELOW_BYTES);
        let copied: usize = slices.iter().map(Bytes::len).filter(|len| *len < COPY_BELOW_BYTES).sum();
        let charge = copied + if shared { retained } else { 0 };
        if state.charged >= self.bytes_max {
            return false;
        }
        let idle = state.entries.is_empty() && state.tail.is_empty();
        state.charged += charge;
        let mut charge = retained;
        for slice in slices {
            if slice.len() < COPY_BELOW_BYTES {
                state.tail.extend_from_slice(slice);
                if state.tail.len() >= TAIL_BYTES_MAX {
                    state.seal_tail();
                }
            } else {
                state.seal_tail();
                let before = state.end;
                state.entries.push_back(Entry::message(slice.clone(), charge, before));
                charge = 0;
            }
        }
        state.end = end;
        if state.tail.is_empty()
            && let Some(last) = state.entries.back_mut()
        {
            last.end = end;
        }
        drop(state);
        if idle {
            self.work.notify_one();
        }
        true
    }

    /// Forgets the oldest messages that wait until something more can be accepted. Gives how many.
    pub(crate) fn make_room(&self) -> usize {
        let mut state = self.state();
        state.seal_tail();
        let mut forgotten = 0;
        // The last one stays: with it, what was forgotten before it counts as written.
        while state.charged >= self.bytes_max && state.entries.len() > 1 {
            let Some(oldest) = state.entries.pop_front() else { break };
            state.charged = state.charged.saturating_sub(oldest.charge);
            forgotten += oldest.messages();
        }
        forgotten
    }

    /// Takes a command of the connection, ahead of the messages; lost when the peer does not read.
    pub(crate) fn push_control(&self, put: impl FnOnce(&mut BytesMut)) {
        let mut state = self.state();
        if state.control.len() < CONTROL_BYTES_MAX {
            put(&mut state.control);
        }
        drop(state);
        self.work.notify_one();
    }

    /// Takes a command that belongs behind the messages pushed before it.
    pub(crate) fn push_mark(&self, put: impl FnOnce(&mut BytesMut)) {
        let mut bytes = BytesMut::new();
        put(&mut bytes);
        let mut state = self.state();
        state.seal_tail();
        // It is charged to the message before it: messages are refused when marks have filled the queue.
        if let Some(before) = state.entries.back_mut().filter(|before| !before.control) {
            before.charge += MARK_BYTES;
            state.charged += MARK_BYTES;
        }
        state.entries.push_back(Entry::control(bytes));
        drop(state);
        self.work.notify_one();
    }

    /// Lets the writer look again: something besides the queue has changed.
    pub(crate) fn wake_writer(&self) {
        self.work.notify_one();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state().charged >= self.bytes_max
    }

    /// Bytes that wait to be written, counted as the memory they keep alive.
    pub(crate) fn bytes(&self) -> usize {
        self.state().charged
    }

    /// The offset up to which messages were taken.
    pub(crate) fn end(&self) -> u64 {
        self.state().end
    }

    /// The offset up to which they are written.
    pub(crate) fn written(&self) -> u64 {
        self.state().written
    }

    /// Waits until everything before `offset` is written.
    pub(crate) async fn written_up_to(&self, offset: u64) {
        self.until(|state| state.written >= offset).await;
    }

    /// Waits until something more can be accepted.
    pub(crate) async fn room(&self) {
        self.room_and(|| true).await;
    }

    /// Waits until something more can be accepted and `ready`; who changes that notifies.
    pub(crate) async fn room_and(&self, ready: impl Fn() -> bool) {
        self.until(|state| state.charged < self.bytes_max && ready()).await;
    }

    /// Waits until `done`; who changes that notifies.
    pub(crate) async fn notified_until(&self, done: impl Fn() -> bool) {
        self.until(|_| done()).await;
    }

    async fn until(&self, done: impl Fn(&State) -> bool) {
        loop {
            let mut progress = std::pin::pin!(self.progress.notified());
            progress.as_mut().enable();
            if done(&self.state()) {
                return;
            }
            progress.await;
        }
    }

    /// Everything before this offset is written.
    fn progressed(&self, offset: u64, charge: usize) {
        let mut state = self.state();
        state.written = state.written.max(offset);
        state.charged = state.charged.saturating_sub(charge);
        drop(state);
        self.progress.notify_waiters();
    }

    /// Lets those who wait for progress look again: something besides the queue has changed.
    pub(crate) fn notify_waiters(&self) {
        self.progress.notify_waiters();
    }

    /// Waits until there may be something to take.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }

    /// Wakes everybody who waits for progress: the queue is given up. Gives how many messages it had.
    pub(crate) fn abandon(&self) -> usize {
        let mut state = self.state();
        let lost = state.entries.iter().map(Entry::messages).sum::<usize>() + Spans::new(&state.tail).count();
        state.entries.clear();
        state.tail.clear();
        state.charged = 0;
        state.written = state.end;
        drop(state);
        self.progress.notify_waiters();
        lost
    }
}

#[cfg(test)]
mod tests;
