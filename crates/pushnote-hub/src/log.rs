//! The last publications, in the order in which they were accepted: everybody has a place here.
//!
//! Shards take what is new at the end of it. A receiver that is slow, or was away, reads on from its place.

mod entries;
mod reading;
mod sources;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pushnote_core::rules::ChannelRules;
use pushnote_core::{Cursor, Position, Subject};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::publication::{Encoded, Publication};
use entries::Entries;
pub use entries::LogOptions;
pub(crate) use reading::{Lost, Reading, Resumed};
pub use sources::Origin;

/// Publications that may wait for a shard before whoever publishes has to wait too.
const WAITING_MAX: u64 = 1024;

/// Bytes of payload that may.
const WAITING_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Log<E> {
    state: Mutex<State<E>>,
    /// The offset behind the last publication: to see without the lock whether there are any.
    end: AtomicU64,
    /// Where the shards wait for what is new.
    news: Box<[Notify]>,
    /// Where those who publish wait for the shards.
    room: Notify,
    /// What sources had before this server was there is here, as far as it comes.
    filled: AtomicBool,
}

#[derive(Debug)]
struct State<E> {
    entries: Entries,
    /// The last publications, with their encodings, as long as a shard has not fanned them out.
    fresh: std::collections::VecDeque<Arc<Encoded<E>>>,
    /// How far each shard is.
    taken: Box<[u64]>,
}

impl<E: Default> Log<E> {
    pub(crate) fn new(options: LogOptions, rules: Arc<ChannelRules>, shards: usize) -> Self {
        let state = State {
            entries: Entries::new(options, rules),
            fresh: Default::default(),
            taken: vec![0; shards].into(),
        };
        Self {
            state: Mutex::new(state),
            end: AtomicU64::new(0),
            news: (0..shards).map(|_| Notify::new()).collect(),
            room: Notify::new(),
            filled: AtomicBool::new(true),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without what has become too old.
    fn fresh_state(&self) -> MutexGuard<'_, State<E>> {
        let mut state = self.state();
        let needed = state.slowest();
        state.entries.evict(needed, Instant::now());
        state
    }

    /// Appends a publication and gives its offset. Waits while a shard is too far behind, never for a receiver.
    pub(crate) async fn append(&self, publication: Publication, origin: Origin) -> u64 {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            {
                let mut state = self.state();
                if state.has_room() {
                    return self.append_locked(&mut state, publication, origin);
                }
            }
            room.await;
        }
    }

    fn append_locked(&self, state: &mut State<E>, publication: Publication, origin: Origin) -> u64 {
        let publication = state.entries.push(publication, origin, Instant::now());
        let offset = publication.cursor.log.sequence - 1;
        state.fresh.push_back(Arc::new(Encoded::from(publication)));
        let needed = state.slowest();
        state.entries.evict(needed, Instant::now());
        self.end.store(offset + 1, Relaxed);
        for news in &self.news {
            news.notify_one();
        }
        offset
    }

    /// A source's stream begins here.
    pub(crate) fn source_begins(&self, from: Position) {
        self.state().entries.sources.begins(from);
    }

    /// The publication at `offset` has come over another source, too.
    pub(crate) fn seen_again(&self, offset: u64, position: Position) {
        self.state().entries.seen_again(offset, position);
    }

    /// The places in the streams of the sources, up to which everything is here.
    pub(crate) fn sources_are_at(&self, marks: Arc<[Position]>) {
        self.state().entries.marks = marks;
    }

    /// The next publications for a shard.
    pub(crate) fn take(&self, from: u64, count_max: usize, bytes_max: usize) -> Vec<Arc<Encoded<E>>> {
        let state = self.state();
        let skipped = (from - state.slowest()) as usize;
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for encoded in state.fresh.iter().skip(skipped).take(count_max) {
            bytes += encoded.publication().data_len();
            taken.push(Arc::clone(encoded));
            if bytes >= bytes_max {
                break;
            }
        }
        taken
    }

    /// A shard has fanned out all before `next`. The encodings go of what all shards have fanned out.
    pub(crate) fn done(&self, shard: usize, next: u64) {
        let mut state = self.state();
        let before = state.slowest();
        state.taken[shard] = next;
        let done = (state.slowest() - before) as usize;
        let gone: Vec<_> = state.fresh.drain(..done).collect();
        drop(state);
        if done > 0 {
            self.room.notify_waiters();
        }
        drop(gone); // not under the lock
    }

    /// The offset behind the last publication.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Relaxed)
    }

    /// Waits until there may be something to take that was not there before.
    pub(crate) async fn news(&self, shard: usize) {
        self.news[shard].notified().await;
    }

    /// What the sources had before is still to come.
    pub(crate) fn is_filling(&self, filling: bool) {
        self.filled.store(!filling, Relaxed);
        for news in &self.news {
            news.notify_one();
        }
    }

    /// Whether all that sources had before is here.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Relaxed)
    }

    /// Where a client reads on that comes back with `cursor`.
    pub(crate) fn resume(&self, cursor: &Cursor) -> Resumed {
        self.fresh_state().entries.resume(cursor)
    }

    /// Whether the log is so far that it can tell what is before a cursor and what is not.
    pub(crate) fn can_tell(&self, cursor: &Cursor) -> bool {
        let entries = &self.state().entries;
        entries.epoch() == cursor.log.epoch || (self.is_filled() && entries.has_all_of(cursor))
    }

    /// The cursor of a place.
    pub(crate) fn cursor(&self, place: u64) -> Cursor {
        self.state().entries.cursor(place)
    }

    /// What comes next for a reader: adds its offsets to `offsets`, and gives where the reader is when it has had them; or
    /// what it has lost.
    pub(crate) fn plan(&self, reading: &Reading<'_>, offsets: &mut Vec<u64>) -> Result<u64, Vec<Lost>> {
        let entries = &self.fresh_state().entries;
        let lost = entries.lost(reading.place, reading.subjects, Instant::now());
        if lost.is_empty() { Ok(entries.plan(reading, offsets)) } else { Err(lost) }
    }

    /// Of which of these subjects something, from this place on, is not there any more.
    pub(crate) fn lost(&self, place: u64, subjects: &[(Subject, u64)]) -> Vec<Lost> {
        self.fresh_state().entries.lost(place, subjects, Instant::now())
    }

    /// The publications at these offsets; `None` if some have left the log meanwhile.
    pub(crate) fn fetch(&self, offsets: &[u64]) -> Option<Vec<Arc<Publication>>> {
        let state = self.state();
        offsets.iter().map(|offset| state.entries.at(*offset).cloned()).collect()
    }

    /// The last publications of a subject, oldest first, and whether they are as many as asked for or all there were.
    pub(crate) fn last(&self, subject: &Subject, count: usize) -> (Vec<Arc<Publication>>, bool) {
        self.fresh_state().entries.last(subject, count, Instant::now())
    }

    /// Whether everything that `cursor` knows of the sources has come here, too.
    pub(crate) fn has_all_of(&self, cursor: &Cursor) -> bool {
        self.state().entries.has_all_of(cursor)
    }

    /// Publications in it, and the bytes they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state();
        (state.entries.len(), state.entries.bytes())
    }
}

impl<E> State<E> {
    /// How far the shard is that is furthest behind.
    fn slowest(&self) -> u64 {
        self.taken.iter().copied().min().unwrap_or_default()
    }

    fn has_room(&self) -> bool {
        let slowest = self.slowest();
        self.entries.end() - slowest < WAITING_MAX && self.entries.payload_since(slowest) < WAITING_BYTES_MAX
    }
}

#[cfg(test)]
mod tests;
