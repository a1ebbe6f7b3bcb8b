//! The last publications, in the order in which they were accepted: everybody has a place here.
//!
//! Shards take what is new at the end of it. A receiver that is slow, or was away, reads on from its place.

mod entries;
mod forgotten;
mod gaps;
mod reading;
mod sources;
mod stored;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pushnote_core::rules::ChannelRules;
use pushnote_core::{Cursor, Position, Subject};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::kept::{self, Keep, KeptLog, Recovered};
use crate::publication::{Encoded, Publication};
use entries::Entries;
pub use entries::LogOptions;
pub use reading::{Dated, Excerpt};
pub(crate) use reading::{Lost, Reading, Resumed};
pub use sources::Origin;
pub use stored::{Bounds, Had, Stored};

/// Publications that may wait for a shard before whoever publishes has to wait too.
const WAITING_MAX: u64 = 1024;

/// Bytes of payload that may.
const WAITING_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Log<E> {
    epoch: u64,
    state: Mutex<State<E>>,
    /// The offset behind the last publication that shards may have: to see without the lock whether there are any.
    end: AtomicU64,
    /// Where who lets them have what is kept waits for what is new.
    appended: Notify,
    /// Where the shards wait for what is new.
    news: Box<[Notify]>,
    /// Where those who publish wait for the shards.
    room: Notify,
    /// What sources had before this server was there is here, as far as it comes.
    filled: AtomicBool,
    /// Keeps it beyond the process.
    keep: Option<Arc<dyn Keep>>,
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
    pub(crate) fn new(
        options: LogOptions,
        rules: Arc<ChannelRules>,
        shards: usize,
        kept: Option<KeptLog>,
    ) -> Self {
        let mut entries = Entries::new(options, rules);
        let keep = kept.map(|kept| {
            let KeptLog { keep, next_offset, recovered } = kept;
            let now = Instant::now();
            entries.begin_at(next_offset - recovered.len() as u64);
            for Recovered { publication, origin, age } in recovered {
                entries.push(publication, origin, now.checked_sub(age).unwrap_or(now));
            }
            entries.evict(next_offset, now);
            keep
        });
        let end = entries.end();
        let state = State { entries, fresh: Default::default(), taken: vec![end; shards].into() };
        Self {
            epoch: options.epoch,
            state: Mutex::new(state),
            end: AtomicU64::new(end),
            appended: Notify::new(),
            news: (0..shards).map(|_| Notify::new()).collect(),
            room: Notify::new(),
            filled: AtomicBool::new(true),
            keep,
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

    /// Appends a publication and gives its offset. Waits while a shard is too far behind, or the disk, never for a receiver.
    pub(crate) async fn append(&self, publication: Publication, origin: Origin) -> u64 {
        let kept = self.keep.as_ref().map(|keep| (keep, kept::record(&publication, &origin)));
        loop {
            let full = {
                let mut state = self.state();
                // Under the lock, so that it is kept in this order.
                match &kept {
                    // From here on it is woken: shards make room under this lock, and tell that afterwards.
                    _ if !state.has_room() => Err(self.room.notified()),
                    Some((keep, record)) if !keep.keep(state.entries.end(), record) => Ok(keep),
                    _ => return self.append_locked(&mut state, publication, origin),
                }
            };
            match full {
                Ok(keep) => keep.room().await,
                Err(room) => room.await,
            }
        }
    }

    /// Whether something keeps it beyond the process.
    pub(crate) fn keeps(&self) -> bool {
        self.keep.is_some()
    }

    /// Waits until everything before `place` is kept, if something keeps it.
    pub(crate) async fn kept(&self, place: u64) -> Result<(), String> {
        match &self.keep {
            Some(keep) => keep.kept(place).await,
            None => Ok(()),
        }
    }

    /// The offset behind the last publication, which shards may not have yet.
    pub(crate) fn appended(&self) -> u64 {
        self.state().entries.end()
    }

    fn append_locked(&self, state: &mut State<E>, publication: Publication, origin: Origin) -> u64 {
        let publication = state.entries.push(publication, origin, Instant::now());
        let offset = publication.cursor.log.sequence - 1;
        state.fresh.push_back(Arc::new(Encoded::from(publication)));
        let needed = state.slowest();
        state.entries.evict(needed, Instant::now());
        match self.keep {
            None => self.release(offset + 1),
            Some(_) => self.appended.notify_one(),
        }
        offset
    }

    /// Shards may have everything before `end`.
    fn release(&self, end: u64) {
        self.end.store(end, Relaxed);
        for news in &self.news {
            news.notify_one();
        }
    }

    /// Lets shards have what is kept, as soon as it is: so nobody is ever at a place that a crash takes away. What cannot
    /// be kept is delivered all the same.
    pub(crate) async fn release_what_is_kept(&self) {
        loop {
            self.appended.notified().await;
            let end = self.appended();
            // Why not, whoever keeps it says.
            let _ = self.kept(end).await;
            self.release(end);
        }
    }

    /// A source's stream begins here.
    pub(crate) fn source_begins(&self, from: Position) {
        let entries = &mut self.state().entries;
        let end = entries.end();
        entries.sources.begins(from, end);
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
        let count_max = count_max.min((self.end() - from) as usize);
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

    /// The offset behind the last publication that shards may have.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Relaxed)
    }

    /// The offset half-way from what has left the log to its end.
    pub(crate) fn middle(&self) -> u64 {
        let entries = &self.fresh_state().entries;
        entries.first().midpoint(entries.end())
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
        self.fresh_state().entries.resume(&self.of_this_run(cursor), Instant::now())
    }

    /// The cursor of an earlier run as one of this run, which has gone on with its offsets. Where sources tell places, it is
    /// these that count: they may have brought something while no server was there.
    fn of_this_run<'a>(&self, cursor: &'a Cursor) -> Cow<'a, Cursor> {
        let Position { epoch, sequence } = cursor.log;
        match &self.keep {
            Some(keep) if cursor.sources.is_empty() && keep.holds(epoch, sequence) => {
                let log = Position { epoch: self.epoch, sequence };
                Cow::Owned(Cursor { log, sources: Arc::default() })
            }
            _ => Cow::Borrowed(cursor),
        }
    }

    /// Where in this log a position is that it has told, or the one before, which it goes on with. `None` of any other, and of
    /// one beyond the end.
    pub(crate) fn place(&self, position: Position) -> Option<u64> {
        let Position { epoch, sequence } = position;
        let is_ours =
            epoch == self.epoch || self.keep.as_ref().is_some_and(|keep| keep.holds(epoch, sequence));
        (is_ours && sequence <= self.end()).then_some(sequence)
    }

    /// Whether the log is so far that it can tell what is before a cursor and what is not: by all sources that the cursor
    /// names, or by any of them.
    pub(crate) fn can_tell(&self, cursor: &Cursor, by_all: bool) -> bool {
        let cursor = &*self.of_this_run(cursor);
        let entries = &self.state().entries;
        let has_come = if by_all { entries.has_all_of(cursor) } else { entries.has_come_to(cursor) };
        entries.epoch() == cursor.log.epoch || (self.is_filled() && has_come)
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
    /// What is at `limit` or behind it, who asks is still to get.
    pub(crate) fn last(&self, subject: &Subject, count: usize, limit: u64) -> (Vec<Arc<Publication>>, bool) {
        self.fresh_state().entries.last(subject, count, limit, Instant::now())
    }

    /// What there is of a subject from a place on, up to so many and so many bytes.
    pub(crate) fn excerpt(&self, subject: &Subject, from: u64, most: (usize, usize)) -> Excerpt {
        let limit = self.end();
        self.fresh_state().entries.excerpt(subject, from, limit, most, Instant::now())
    }

    /// What there is of a subject within bounds, and where a client reads on.
    pub(crate) fn stored(&self, subject: &Subject, bounds: &Bounds, had: Option<Had>) -> Stored {
        let limit = self.end();
        self.fresh_state().entries.stored(subject, limit, bounds, had, Instant::now())
    }

    /// Tells this log from others.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What there was of a subject from a cursor up to `place`, but for what the others have brought; whether that is all, and
    /// from which place on.
    pub(crate) fn since(
        &self,
        subject: &Subject,
        cursor: &Cursor,
        place: u64,
        others: &[(Subject, u64)],
    ) -> (Vec<Arc<Publication>>, bool, u64) {
        let cursor = self.of_this_run(cursor);
        // What sources had before comes to nobody here: who was elsewhere may miss some of that.
        let is_there = cursor.log.epoch == self.epoch || self.is_filled();
        let entries = &self.fresh_state().entries;
        let (publications, complete, from) = entries.since(subject, &cursor, place, others, Instant::now());
        (publications, complete && is_there, from)
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
