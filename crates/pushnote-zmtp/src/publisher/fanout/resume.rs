//! Streams that are resumable: where they begin, and how a subscriber that is behind catches up.

use super::pipe::{Accepted, LIVE, Start};
use super::{Fanout, Shared};
use crate::publisher::history::History;
use pushnote_zmtp_proto::command::{put_live, put_position};
use pushnote_zmtp_proto::position::Position;
use std::sync::atomic::Ordering::Relaxed;

/// What is taken from the history at a time, so that nobody holds up the others.
const CATCH_UP_BYTES: usize = 256 << 10;

impl Fanout {
    /// A resumable stream begins: at what the peer has not had, as far as it is here.
    pub(super) fn begin(&self, history: &History, accepted: &Accepted, start: Start) {
        let from = match start {
            Start::Now => history.next(),
            Start::From(position) if position.epoch == self.epoch => position.sequence.min(history.next()),
            // It knows another run of this publisher, and has had nothing of this one.
            Start::From(_) => 0,
        };
        let from = from.max(history.start());
        self.tell_position(accepted, from);
        let live = Position { epoch: self.epoch, sequence: history.next() };
        accepted.outbox.push_mark(|out| put_live(out, live));
        accepted.cursor.store(if from < history.next() { from } else { LIVE }, Relaxed);
    }

    fn tell_position(&self, accepted: &Accepted, sequence: u64) {
        accepted.outbox.push_mark(|out| put_position(out, Position { epoch: self.epoch, sequence }));
    }

    /// Queues what a peer that is behind has missed, a piece of it; false when it is not behind. Its queue is empty.
    pub(crate) fn catch_up(&self, accepted: &Accepted) -> bool {
        if !accepted.is_behind() {
            return false;
        }
        let Shared { history, .. } = &*self.shared();
        let mut from = accepted.cursor.load(Relaxed);
        if from < history.start() {
            let lost = history.start() - from;
            let why = "slow subscriber: the history does not reach back to it";
            self.counters.add_dropped(lost as usize, &accepted.name, why);
            from = history.start();
            self.tell_position(accepted, from);
        }
        let mut bytes = 0;
        while let Some((batch, next)) = history.read(from).filter(|_| bytes < CATCH_UP_BYTES) {
            let slices = std::slice::from_ref(batch.bytes());
            if !accepted.outbox.push_up_to(next, slices, batch.retained_bytes()) {
                break;
            }
            bytes += batch.bytes().len();
            from = next;
        }
        accepted.cursor.store(if from < history.next() { from } else { LIVE }, Relaxed);
        accepted.outbox.notify_waiters();
        true
    }
}
