//! What a log holds, within its bounds, and by subject.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pushnote_core::rules::ChannelRules;
use pushnote_core::{Cursor, Position, Subject};
use tokio::time::Instant;

use super::forgotten::Forgotten;
use super::gaps::Gaps;
use super::sources::{Origin, Sources};
use crate::one_or_many::OneOrMany;
use crate::publication::{Content, Publication, subject_bytes};

/// What an entry takes besides its publication: its slot, allocations' heads, and the room that a queue has grown beyond
/// what it holds.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>() + 64;
/// What its offset takes in the list of a subject.
const OFFSET_BYTES: usize = 16;

/// How much a log keeps. What no shard has taken yet is kept in any case.
#[derive(Debug, Clone, Copy)]
pub struct LogOptions {
    /// Tells this log from others, in cursors: at random, or that of the log which it goes on with.
    pub epoch: u64,
    /// Memory, in bytes, with everything that belongs to a publication.
    pub bytes_max: usize,
    /// Publications.
    pub count_max: usize,
    /// How long each is kept.
    pub age_max: Duration,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) publication: Arc<Publication>,
    at: Instant,
    /// What all payloads before this one have taken together, since the start.
    pub(super) payload_before: u64,
    /// Where it is in the streams that have brought it.
    pub(super) positions: OneOrMany<Position>,
    bytes: usize,
}

/// The publications that concern a subject.
#[derive(Debug, Default)]
pub(super) struct Concerning {
    pub(super) offsets: VecDeque<u64>,
    /// Behind the last of them that has left the log, or later.
    pub(super) lost: u64,
    /// If the rule of a channel bounds them by their bytes.
    pub(super) window: Option<Box<Window>>,
}

/// The last publications of a subject that take no more than so many bytes of payload.
#[derive(Debug)]
pub(super) struct Window {
    bytes_max: u64,
    bytes: u64,
    /// The first of them, or later.
    pub(super) from: u64,
}

impl Window {
    /// The last of these has come.
    fn has_got(&mut self, offsets: &VecDeque<u64>, len_of: impl Fn(u64) -> u64) {
        self.bytes += offsets.back().map_or(0, |last| len_of(*last));
        let mut of_it = offsets.range(offsets.partition_point(|offset| *offset < self.from)..);
        while self.bytes > self.bytes_max
            && let Some(oldest) = of_it.next()
        {
            self.bytes -= len_of(*oldest);
            self.from = oldest + 1;
        }
    }

    /// What has so many bytes leaves the log.
    fn has_lost(&mut self, offset: u64, len: u64) {
        if offset >= self.from {
            self.bytes -= len;
        }
    }
}

impl Concerning {
    /// Those of a subject of which there were none.
    fn of(subject: &Subject, lost: u64, rules: &ChannelRules) -> Self {
        let bytes_max = match subject {
            Subject::Channel(channel) => rules.of(channel).history.bytes,
            Subject::Everyone | Subject::User(_) | Subject::Presence(_) => None,
        };
        let window =
            bytes_max.map(|bytes_max| Box::new(Window { bytes_max: bytes_max as u64, bytes: 0, from: 0 }));
        Self { offsets: VecDeque::new(), lost, window }
    }
}

#[derive(Debug)]
pub(crate) struct Entries {
    options: LogOptions,
    /// One moment, by both clocks: so that time, as people have it, never goes back.
    began: (Instant, Duration),
    /// By how much what an earlier run took for the time may differ from what this one does, in seconds.
    pub(super) times_differ_s: u64,
    pub(super) rules: Arc<ChannelRules>,
    pub(super) entries: VecDeque<Entry>,
    /// The offset of the first entry.
    first: u64,
    bytes: usize,
    payload: u64,
    pub(super) by_subject: HashMap<Subject, Concerning>,
    /// What it has nothing of any more.
    pub(super) forgotten: Forgotten,
    /// The gaps that everybody has, of whatever subject that was.
    pub(super) gaps: Gaps,
    pub(crate) sources: Sources,
    pub(super) marks: Arc<[Position]>,
    /// The marks at the first entry.
    first_marks: Arc<[Position]>,
}

impl Entry {
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.at)
    }

    pub(super) fn is_older(&self, age_s: u64, now: Instant) -> bool {
        now.saturating_duration_since(self.at).as_secs() >= age_s
    }
}

impl Entries {
    pub(super) fn new(options: LogOptions, rules: Arc<ChannelRules>) -> Self {
        let unix = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        Self {
            options,
            began: (Instant::now(), unix),
            times_differ_s: 0,
            rules,
            entries: VecDeque::new(),
            first: 0,
            bytes: 0,
            payload: 0,
            by_subject: HashMap::new(),
            forgotten: Forgotten::of_log(options.bytes_max),
            gaps: Gaps::default(),
            sources: Sources::default(),
            marks: Arc::default(),
            first_marks: Arc::default(),
        }
    }

    /// Begins behind what is known of an earlier run no more.
    pub(super) fn begin_at(&mut self, offset: u64) {
        self.first = offset;
        self.forgotten.all_before(offset);
        self.times_differ_s = 1;
    }

    /// When an entry was published, in Unix time.
    pub(super) fn published_at(&self, entry: &Entry) -> Duration {
        self.unix(entry.at)
    }

    /// A moment, in Unix time.
    pub(super) fn unix(&self, at: Instant) -> Duration {
        let (began, unix) = self.began;
        match at.checked_duration_since(began) {
            Some(since) => unix + since,
            None => unix.saturating_sub(began.saturating_duration_since(at)),
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.options.epoch
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of payload from this offset on.
    pub(super) fn payload_since(&self, offset: u64) -> u64 {
        self.entry(offset).map_or(0, |entry| self.payload - entry.payload_before)
    }

    pub(super) fn entry(&self, offset: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(offset.checked_sub(self.first)?).ok()?)
    }

    pub(super) fn at(&self, offset: u64) -> Option<&Arc<Publication>> {
        self.entry(offset).map(|entry| &entry.publication)
    }

    /// Takes the next publication, and gives it back as it is kept.
    pub(super) fn push(
        &mut self,
        mut publication: Publication,
        origin: Origin,
        now: Instant,
    ) -> Arc<Publication> {
        let offset = self.end();
        let Origin { position, marks, old, .. } = origin;
        // What it was read with is much larger, and would be kept with it.
        publication.detach();
        publication.old = old;
        let marks = if marks.is_empty() { Arc::clone(&self.marks) } else { marks };
        let log = Position { epoch: self.options.epoch, sequence: offset + 1 };
        publication.cursor = Cursor { log, sources: Arc::clone(&marks) };
        let subjects = publication.audience().subjects().len();
        let mut bytes =
            ENTRY_BYTES + publication.bytes_len() + size_of_val(&*marks) + OFFSET_BYTES * subjects;
        if let Some(position) = position {
            self.sources.brings(position, offset);
            bytes += Sources::BROUGHT_BYTES;
        }
        if *publication.content() == Content::Gap && publication.audience().is_everyone() {
            self.sources.begin_anew();
            self.gaps.offsets.push_back(offset);
        }
        let (payload_before, positions) = (self.payload, position.map_or(OneOrMany::None, OneOrMany::One));
        self.payload += publication.data_len() as u64;
        self.bytes += bytes;
        self.marks = marks;
        let publication = Arc::new(publication);
        let kept = Arc::clone(&publication);
        self.entries.push_back(Entry { publication: kept, at: now, payload_before, positions, bytes });
        self.file(&publication, offset);
        publication
    }

    /// Takes note of the last publication where each of its subjects is.
    fn file(&mut self, publication: &Publication, offset: u64) {
        let Self { entries, first, by_subject, rules, forgotten, bytes, .. } = self;
        let len_of = |offset: u64| {
            let at = usize::try_from(offset - *first).ok();
            at.and_then(|at| entries.get(at)).map_or(0, |entry| entry.publication.data_len() as u64)
        };
        for subject in publication.audience().subjects() {
            if !by_subject.contains_key(subject) {
                *bytes += row_bytes(subject);
                by_subject.insert(subject.clone(), Concerning::of(subject, forgotten.before(subject), rules));
            }
            let Some(Concerning { offsets, window, .. }) = by_subject.get_mut(subject) else { continue };
            offsets.push_back(offset);
            if let Some(window) = window {
                window.has_got(offsets, len_of);
            }
        }
    }

    /// The publication has come over another source, too.
    pub(super) fn seen_again(&mut self, offset: u64, position: Position) {
        self.sources.brings(position, offset);
        let at = offset.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at))
            // One that an earlier run knew comes again.
            && !entry.positions.as_slice().contains(&position)
        {
            entry.positions.push(position);
            let bytes = 4 * size_of::<Position>() + Sources::BROUGHT_BYTES;
            entry.bytes += bytes;
            self.bytes += bytes;
        }
    }

    /// Lets go of what is beyond the bounds, but for what is at `needed` and behind it.
    pub(super) fn evict(&mut self, needed: u64, now: Instant) {
        let LogOptions { bytes_max, count_max, age_max, .. } = self.options;
        while self.first < needed
            && let Some(oldest) = self.entries.front()
            && (self.bytes > bytes_max
                || self.entries.len() > count_max
                || now.saturating_duration_since(oldest.at) > age_max)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(Entry { publication, positions, bytes, .. }) = self.entries.pop_front() else { return };
        self.gaps.left(self.first);
        self.first += 1;
        self.bytes -= bytes;
        for subject in publication.audience().subjects() {
            let Some(concerning) = self.by_subject.get_mut(subject) else { continue };
            concerning.offsets.pop_front();
            concerning.lost = self.first;
            if let Some(window) = &mut concerning.window {
                window.has_lost(self.first - 1, publication.data_len() as u64);
            }
            if concerning.offsets.is_empty() {
                self.by_subject.remove(subject);
                self.bytes -= row_bytes(subject);
                self.forgotten.forget(subject, self.first);
            }
        }
        positions.as_slice().iter().for_each(|position| self.sources.left(*position));
        self.first_marks = Arc::clone(&publication.cursor.sources);
    }

    /// The cursor of a place.
    pub(super) fn cursor(&self, place: u64) -> Cursor {
        let sources = match place.checked_sub(1).and_then(|before| self.at(before)) {
            Some(before) => &before.cursor.sources,
            None if place >= self.end() => &self.marks,
            None => &self.first_marks,
        };
        Cursor { log: Position { epoch: self.options.epoch, sequence: place }, sources: Arc::clone(sources) }
    }
}

/// What a subject takes in the index.
fn row_bytes(subject: &Subject) -> usize {
    subject_bytes(subject) + size_of::<Concerning>() + 64
}
