//! Reading on: from a place, what concerns a reader.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use pushnote_core::rules::{HistoryRule, SlowPolicy};
use pushnote_core::{Cursor, Subject};
use tokio::time::Instant;

use super::entries::{Entries, Entry};
use super::sources::has_had;
use crate::publication::{Content, Publication};

/// Publications in one piece at most.
const CHUNK_LEN_MAX: usize = 1024;
/// Publications that are looked at in one go, under the log's lock, whether the reader has had them or not.
const LOOKED_AT_MAX: usize = 8 * CHUNK_LEN_MAX;
/// Bytes of payload in one piece, about: less than a socket takes at once.
const CHUNK_BYTES: u64 = 64 * 1024;
/// Pieces end where the payloads since the log's start pass a multiple of this, if they are large enough, so that readers
/// who began at different places have the same pieces soon, and share their encodings.
const PART_BYTES: u64 = 64 * 1024;

/// What only one source has brought for so long, the others will not bring.
const SETTLED: Duration = Duration::from_secs(1);

/// Publications that come with a subscription at most, and the bytes of these, and of those of a history.
const SINCE_LEN_MAX: usize = 1000;
const SINCE_BYTES_MAX: usize = 1 << 20;

/// Publications of one subject, for who is attached to nothing, and between them the gaps that everybody has: what did not
/// come may have been of this subject.
#[derive(Debug, Default)]
pub struct Excerpt {
    /// Oldest first.
    pub publications: Vec<Dated>,
    /// Nothing of it, from where was asked for on, has left the log, and no gap.
    pub complete: bool,
    /// Behind the last gap that everybody has, wherever that is.
    pub gap: u64,
    /// The place behind what was looked at: the next excerpt begins there.
    pub next: u64,
}

/// A publication, and where it is in the log.
#[derive(Debug, Clone)]
pub struct Dated {
    /// Its offset.
    pub offset: u64,
    /// When it was published, since the Unix epoch. Of those that follow it never goes back.
    pub at: Duration,
    /// It.
    pub publication: Arc<Publication>,
}

/// Who reads, and from where.
pub(crate) struct Reading<'a> {
    /// What is before it, the reader has had, or it concerns it no more.
    pub(crate) place: u64,
    /// Up to here, and no further.
    pub(crate) limit: u64,
    /// The subjects that concern it, each from its place on.
    pub(crate) subjects: &'a [(Subject, u64)],
    /// What it has had already of what the sources have brought, if it comes from another server.
    pub(crate) seen: Option<&'a Cursor>,
}

/// A subject of which a reader has not had everything, and cannot have it any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) subject: Subject,
    /// From here on it is there.
    pub(crate) from: u64,
    /// The last of it that is there; `from` if there is none.
    pub(crate) last: u64,
    /// What the rule of a channel wants then.
    pub(crate) policy: SlowPolicy,
}

/// Where somebody reads on who comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resumed {
    pub(crate) place: u64,
    /// Nothing is missing, as far as the log knows.
    pub(crate) complete: bool,
    /// Which of what follows was had already, if it comes from another server.
    pub(crate) seen: Option<Cursor>,
    /// Nothing tells where it was: it is of no log that is known here.
    pub(crate) unknown: bool,
}

impl Resumed {
    /// Of a cursor that is of no log that is known here.
    pub(crate) const NOWHERE: Self = Self { place: u64::MAX, complete: false, seen: None, unknown: true };
}

impl Entries {
    /// The next piece for a reader: adds its offsets to `offsets`, and gives where the reader is when it has had them.
    pub(super) fn plan(&self, reading: &Reading<'_>, offsets: &mut Vec<u64>) -> u64 {
        let &Reading { place, limit, subjects, seen } = reading;
        let place = place.max(self.first());
        let limit = limit.min(self.end());
        let mut lists: Vec<Waiting<'_>> = subjects
            .iter()
            .filter_map(|(subject, since)| self.waiting(subject, place.max(*since), limit))
            .collect();
        // Who hears everyone's has them there.
        if let Some(since) = hears_only_others(subjects) {
            lists.extend(Waiting::of(&self.gaps.offsets, place.max(since), limit));
        }
        let (mut bytes, mut part, mut looked_at) = (0, None, 0);
        while let Some(offset) = lists.iter().map(Waiting::first).min() {
            let Some(entry) = self.entry(offset) else { break };
            let here = entry.payload_before / PART_BYTES;
            let is_new_part = part.replace(here).is_some_and(|before| before != here);
            let enough = if is_new_part { CHUNK_BYTES / 4 } else { CHUNK_BYTES + PART_BYTES / 2 };
            looked_at += 1;
            if bytes >= enough || offsets.len() >= CHUNK_LEN_MAX || looked_at > LOOKED_AT_MAX {
                return offset;
            }
            let had = match seen {
                Some(cursor) => has_had(cursor, entry.positions.as_slice()),
                None => entry.publication.old,
            };
            if !had {
                offsets.push(offset);
                bytes += entry.publication.data_len() as u64;
            }
            lists.retain_mut(|list| list.pass(offset));
        }
        limit.max(place)
    }

    fn waiting<'a>(&'a self, subject: &Subject, from: u64, limit: u64) -> Option<Waiting<'a>> {
        Waiting::of(&self.by_subject.get(subject)?.offsets, from, limit)
    }

    /// Of which of these subjects, each from its place on, something is not there any more.
    pub(super) fn lost(&self, place: u64, subjects: &[(Subject, u64)], now: Instant) -> Vec<Lost> {
        let gap = hears_only_others(subjects).map_or(0, |_| self.gaps.lost);
        let lost = |(subject, since): &(Subject, u64)| {
            let from = self.readable_from(subject, now).max(gap);
            let last = self.by_subject.get(subject).and_then(|concerning| concerning.offsets.back());
            let (last, policy) = (last.map_or(from, |last| from.max(*last)), self.policy(subject));
            (from > place.max(*since)).then(|| Lost { subject: subject.clone(), from, last, policy })
        };
        subjects.iter().filter_map(lost).collect()
    }

    /// The first place from which on all of a subject is there, as far as its rule lets it.
    pub(super) fn readable_from(&self, subject: &Subject, now: Instant) -> u64 {
        let Some(concerning) = self.by_subject.get(subject) else { return self.forgotten.before(subject) };
        let lost = concerning.lost;
        let Subject::Channel(channel) = subject else { return lost };
        let HistoryRule { count, age_s, .. } = self.rules.of(channel).history;
        let offsets = &concerning.offsets;
        let mut kept = count.map_or(offsets.len(), |count| count.min(offsets.len()));
        if let Some(age_s) = age_s {
            let is_old = |offset: &u64| self.entry(*offset).is_none_or(|entry| entry.is_older(age_s, now));
            kept = kept.min(offsets.len() - offsets.partition_point(is_old));
        }
        let lost = concerning.window.as_ref().map_or(lost, |window| lost.max(window.from));
        match offsets.len() - kept {
            0 => lost,
            gone => lost.max(offsets[gone - 1] + 1),
        }
    }

    fn policy(&self, subject: &Subject) -> SlowPolicy {
        match subject {
            Subject::Channel(channel) => self.rules.of(channel).slow,
            Subject::Everyone | Subject::User(_) | Subject::Presence(_) => SlowPolicy::Gap,
        }
    }

    /// Where somebody reads on who comes back with `cursor`.
    pub(super) fn resume(&self, cursor: &Cursor, now: Instant) -> Resumed {
        let end = self.end();
        if cursor.log.epoch == self.epoch() {
            let place = cursor.log.sequence;
            // Beyond the end is one that somebody has made up, or of a log that was cut.
            return Resumed { place: place.min(end), complete: place <= end, seen: None, unknown: false };
        }
        match self.sources.reach_back_to(cursor) {
            Some(complete) => {
                let seen = self.sources.with_those_before(cursor);
                // A server that does not hear one of the sources has sent it on. What that one alone had brought before, it had
                // from elsewhere, or not at all: it does not come again, and is a gap.
                let settled = self.entries.partition_point(|entry| entry.age(now) > SETTLED) as u64;
                let here = self.sources.here(&seen).min(self.first() + settled);
                let from = self.sources.first_unseen(&seen, here).unwrap_or(end).clamp(self.first(), end);
                let others = self.sources.first_of_others(&seen).unwrap_or(from);
                let complete = complete && !self.is_something_unseen_between(others, from, &seen);
                // The place is a cursor, too, which does not say what behind it was had: as little as can be.
                let was_had = |offset: &u64| {
                    self.entry(*offset).is_some_and(|entry| has_had(&seen, entry.positions.as_slice()))
                };
                let had = (from..end).take(LOOKED_AT_MAX).take_while(was_had).count();
                let place = from + had as u64;
                let complete = complete && self.sources.has_passed(cursor, self.gaps.end());
                Resumed { place, complete, seen: Some(seen), unknown: false }
            }
            None => Resumed::NOWHERE,
        }
    }

    /// Whether sources have brought something there that is not known to be had.
    fn is_something_unseen_between(&self, from: u64, to: u64, seen: &Cursor) -> bool {
        let at = |offset: u64| offset.saturating_sub(self.first()) as usize;
        let between = at(from).min(at(to))..at(to);
        let is_unseen = |entry: &Entry| {
            let positions = entry.positions.as_slice();
            !positions.is_empty() && !has_had(seen, positions)
        };
        between.len() > LOOKED_AT_MAX || self.entries.range(between).any(is_unseen)
    }

    /// What there was of a subject from a cursor up to `place`, but for what concerned one of the others, too, each from its
    /// place on; whether that is all, and from which place on.
    pub(super) fn since(
        &self,
        subject: &Subject,
        cursor: &Cursor,
        place: u64,
        others: &[(Subject, u64)],
        now: Instant,
    ) -> (Vec<Arc<Publication>>, bool, u64) {
        let resumed = self.resume(cursor, now);
        let from = resumed.place.max(self.readable_from(subject, now));
        // What everybody has missed was of this subject, too, perhaps.
        let mut complete = resumed.complete && from == resumed.place && self.gaps.end() <= resumed.place;
        let none = VecDeque::new();
        let offsets = self.by_subject.get(subject).map_or(&none, |concerning| &concerning.offsets);
        let first = offsets.partition_point(|offset| *offset < from);
        let was_had = |offset: u64, entry: &Entry| {
            let subjects = entry.publication.audience().subjects();
            others.iter().any(|(other, since)| *since <= offset && subjects.contains(other))
                || resumed.seen.as_ref().is_some_and(|seen| has_had(seen, entry.positions.as_slice()))
        };
        let (mut publications, mut bytes) = (Vec::new(), 0);
        // The newest first: if there are too many, those count.
        let up_to = offsets.partition_point(|offset| *offset < place).max(first);
        if up_to - first > LOOKED_AT_MAX {
            complete = false;
        }
        for offset in offsets.range(first..up_to).rev().take(LOOKED_AT_MAX).copied() {
            let Some(entry) = self.entry(offset).filter(|entry| !was_had(offset, entry)) else { continue };
            if *entry.publication.content() == Content::Gap {
                complete = false;
                continue;
            }
            bytes += entry.publication.data_len();
            if publications.len() == SINCE_LEN_MAX || bytes > SINCE_BYTES_MAX {
                complete = false;
                break;
            }
            publications.push(Arc::clone(&entry.publication));
        }
        publications.reverse();
        (publications, complete, from)
    }

    /// Whether everything that `cursor` knows of the sources has come, and was published or came to nothing; but for sources
    /// that are unknown, from which nothing will.
    pub(super) fn has_all_of(&self, cursor: &Cursor) -> bool {
        self.known(cursor).all(|has_come| has_come)
    }

    /// Whether that is so of any of them: each brings everything. One that is no more may have brought some to another server
    /// only; what of that has come from no other yet to who has the cursor, comes to it twice.
    pub(super) fn has_come_to(&self, cursor: &Cursor) -> bool {
        let mut known = self.known(cursor).peekable();
        known.peek().is_none() || known.any(|has_come| has_come)
    }

    /// Of each source that the cursor and the log know, whether what the cursor knows of it has come.
    fn known<'a>(&'a self, cursor: &'a Cursor) -> impl Iterator<Item = bool> + 'a {
        cursor.sources.iter().filter_map(|place| {
            let mark = self.marks.iter().find(|mark| mark.epoch == place.epoch);
            let up_to = mark.map(|mark| mark.sequence).or_else(|| self.sources.next(place.epoch));
            up_to.map(|up_to| up_to >= place.sequence)
        })
    }

    /// What there is of a subject from a place on and before `limit`, up to so many and, but for the first, so many bytes.
    pub(super) fn excerpt(
        &self,
        subject: &Subject,
        from: u64,
        limit: u64,
        (count_max, bytes_max): (usize, usize),
        now: Instant,
    ) -> Excerpt {
        let readable = self.readable_from(subject, now);
        let none = VecDeque::new();
        let offsets = self.by_subject.get(subject).map_or(&none, |concerning| &concerning.offsets);
        let first = offsets.partition_point(|offset| *offset < from.max(readable));
        let (mut found, mut bytes, mut next) = (Vec::new(), 0, limit.max(from));
        for offset in offsets.range(first..).copied().take_while(|offset| *offset < limit) {
            bytes += self.at(offset).map_or(0, |publication| publication.data_len());
            if found.len() == count_max || (bytes > bytes_max && !found.is_empty()) {
                next = offset;
                break;
            }
            found.push(offset);
        }
        if *subject != Subject::Everyone {
            found.extend(self.gaps.between(from, next.min(limit)));
            found.sort_unstable();
        }
        let dated = |offset: u64| {
            let entry = self.entry(offset)?;
            let publication = Arc::clone(&entry.publication);
            Some(Dated { offset, at: self.published_at(entry), publication })
        };
        let publications = found.into_iter().filter_map(dated).collect();
        let complete = from >= readable.max(self.gaps.lost);
        Excerpt { publications, complete, gap: self.gaps.end(), next }
    }

    /// The last publications of a subject, oldest first, and whether they are as many as asked for or all there were.
    pub(super) fn last(
        &self,
        subject: &Subject,
        count: usize,
        limit: u64,
        now: Instant,
    ) -> (Vec<Arc<Publication>>, bool) {
        let none = VecDeque::new();
        let offsets = self.by_subject.get(subject).map_or(&none, |concerning| &concerning.offsets);
        let from = self.readable_from(subject, now);
        let to = offsets.partition_point(|offset| *offset < limit);
        let of_subject = offsets.range(to.saturating_sub(count)..to);
        let mut bytes = 0;
        let fits = |publication: &Arc<Publication>| {
            bytes += publication.data_len();
            bytes <= SINCE_BYTES_MAX
        };
        let there = of_subject.rev().take_while(|offset| **offset >= from);
        let mut last: Vec<_> =
            there.filter_map(|offset| self.at(*offset).cloned()).take_while(fits).collect();
        last.reverse();
        let complete = last.len() == count || (from == 0 && self.gaps.end() == 0 && bytes <= SINCE_BYTES_MAX);
        let found = last.len();
        last.retain(|publication| *publication.content() != Content::Gap);
        let is_whole = last.len() == found;
        (last, complete && is_whole)
    }
}

/// Since when it counts what somebody has subscribed to, if that is not everyone's.
fn hears_only_others(subjects: &[(Subject, u64)]) -> Option<u64> {
    let everyone = subjects.iter().any(|(subject, _)| *subject == Subject::Everyone);
    subjects.iter().map(|(_, since)| *since).min().filter(|_| !everyone)
}

/// What is still to be read of a subject.
struct Waiting<'a> {
    offsets: &'a VecDeque<u64>,
    at: usize,
    limit: u64,
}

impl<'a> Waiting<'a> {
    /// What there is of these from a place on; `None` if nothing.
    fn of(offsets: &'a VecDeque<u64>, from: u64, limit: u64) -> Option<Self> {
        let waiting = Self { offsets, at: offsets.partition_point(|offset| *offset < from), limit };
        (waiting.first() < limit).then_some(waiting)
    }

    /// Its next offset; none is `u64::MAX`.
    fn first(&self) -> u64 {
        self.offsets.get(self.at).copied().unwrap_or(u64::MAX)
    }

    /// Goes behind `offset`; false when nothing is left.
    fn pass(&mut self, offset: u64) -> bool {
        if self.first() == offset {
            self.at += 1;
        }
        self.first() < self.limit
    }
}
