//! What the log has of a subject within narrower bounds than its own, for who names messages by times and offsets.

use std::collections::VecDeque;
use std::time::Duration;

use pushnote_core::Subject;
use tokio::time::Instant;

use super::entries::Entries;

/// What of a subject's publications counts.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// None before this place.
    pub floor: u64,
    /// So many of the last do, however old they are.
    pub count_min: usize,
    /// At most so many of the last.
    pub count_max: usize,
    /// Others for so long; `None` for as long as the log has them.
    pub age_max: Option<Duration>,
}

/// What a client has had: all up to a publication, in the order of times, in whole seconds, and offsets.
#[derive(Debug, Clone, Copy)]
pub struct Had {
    /// When that was published, in seconds since the Unix epoch.
    pub time_s: u64,
    /// Its offset; `None`: what was before this second.
    pub offset: Option<u64>,
}

/// What of a subject is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// How many publications count.
    pub count: usize,
    /// The place where the client reads on.
    pub from: u64,
    /// Nothing that it has not had is before that place, as far as can be told.
    pub complete: bool,
}

impl Entries {
    /// What there is of a subject before `limit`, and where a client reads on: behind what it has had, or at the oldest.
    pub(super) fn stored(
        &self,
        subject: &Subject,
        limit: u64,
        bounds: &Bounds,
        had: Option<Had>,
        now: Instant,
    ) -> Stored {
        let readable = self.readable_from(subject, now).max(bounds.floor);
        let none = VecDeque::new();
        let offsets = self.by_subject.get(subject).map_or(&none, |concerning| &concerning.offsets);
        let end = offsets.partition_point(|offset| *offset < limit);
        let first = offsets.partition_point(|offset| *offset < readable).min(end);
        let aged = bounds.age_max.map_or(first, |age_max| {
            let is_old = |offset: &u64| self.entry(*offset).is_none_or(|entry| entry.age(now) > age_max);
            offsets.partition_point(is_old).min(end.saturating_sub(bounds.count_min))
        });
        let begin = first.max(aged).max(end.saturating_sub(bounds.count_max)).min(end);
        let (next, told) = match had {
            None => (begin, true),
            Some(had) => match self.place_behind(had) {
                // Its offset is one of this log's.
                Some(place) => (offsets.partition_point(|offset| *offset < place), place >= readable),
                None => {
                    // Another log's offset tells nothing here.
                    let is_had = |offset: &u64| {
                        self.entry(*offset)
                            .is_none_or(|entry| self.published_at(entry).as_secs() < had.time_s)
                    };
                    let next = offsets.partition_point(is_had);
                    // Without the offset only times tell whether something may have been before; what is still to come,
                    // nobody has missed.
                    let tells = had.offset.is_none() && (readable == 0 || self.reaches_back_to(had.time_s));
                    (next, tells || had.time_s > self.unix(now).as_secs())
                }
            },
        };
        let from = offsets.get(next.max(begin)).copied().map_or(limit, |offset| offset.min(limit));
        let gap = had.is_some_and(|had| self.is_gap_behind(had, from));
        Stored { count: end - begin, from, complete: told && !gap && next >= begin.min(end) }
    }

    /// Whether everybody has a gap between what was had and a place, as far as can be told.
    fn is_gap_behind(&self, had: Had, from: u64) -> bool {
        if let Some(place) = self.place_behind(had) {
            return self.gaps.is_one_between(place, from);
        }
        let is_since = |offset: u64| {
            self.entry(offset).is_some_and(|entry| self.published_at(entry).as_secs() >= had.time_s)
        };
        let is_lost = self.gaps.lost > 0 && !self.reaches_back_to(had.time_s);
        is_lost || self.gaps.between(0, from).any(is_since)
    }

    /// The place behind a publication that is in this log, or has left it.
    fn place_behind(&self, Had { time_s, offset }: Had) -> Option<u64> {
        let offset = offset.filter(|offset| *offset < self.end())?;
        let is_here = match self.entry(offset) {
            // A log that goes on after a restart has its times by another clock's reading.
            Some(entry) => self.published_at(entry).as_secs().abs_diff(time_s) <= self.times_differ_s,
            None => self.reaches_behind(time_s),
        };
        is_here.then_some(offset + 1)
    }

    /// Whether its first entry is at or behind a time.
    fn reaches_behind(&self, time_s: u64) -> bool {
        self.entry(self.first())
            .is_none_or(|first| self.published_at(first).as_secs() + self.times_differ_s >= time_s)
    }

    /// Whether it has all since a time.
    fn reaches_back_to(&self, time_s: u64) -> bool {
        self.entry(self.first()).is_some_and(|first| self.published_at(first).as_secs() < time_s)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use pushnote_core::ChannelName;
    use pushnote_core::rules::ChannelRules;

    use super::super::entries::LogOptions;
    use super::super::reading::Excerpt;
    use super::super::sources::Origin;
    use super::*;
    use crate::publication::Publication;

    const ALL: Bounds = Bounds { floor: 0, count_min: 0, count_max: usize::MAX, age_max: None };

    fn subject(name: &str) -> Subject {
        ChannelName::new(name).unwrap().into()
    }

    /// Ten of `a` at even offsets and ten of `b` at odd ones, one each second.
    fn entries(count_max: usize) -> (Entries, Instant) {
        let age_max = Duration::from_secs(1000);
        let options = LogOptions { epoch: 1, bytes_max: 1 << 20, count_max, age_max };
        let mut entries = Entries::new(options, Arc::new(ChannelRules::default()));
        let began = Instant::now();
        for number in 0..20 {
            let audience = [subject(if number % 2 == 0 { "a" } else { "b" })].into_iter().collect();
            let publication = Publication::new(Bytes::from_static(b"1"), None, audience);
            entries.push(publication, Origin::default(), began + Duration::from_secs(number));
        }
        entries.evict(20, began);
        (entries, began + Duration::from_secs(19))
    }

    fn at_s(entries: &Entries, offset: u64) -> u64 {
        entries.published_at(entries.entry(offset).unwrap()).as_secs()
    }

    #[test]
    fn bounds_are_within_the_logs() {
        let (entries, now) = entries(16);
        let stored = |bounds| entries.stored(&subject("a"), 20, &bounds, None, now);
        assert_eq!(stored(ALL), Stored { count: 8, from: 4, complete: true });
        assert_eq!(stored(Bounds { count_max: 3, ..ALL }), Stored { count: 3, from: 14, complete: true });
        let aged = Bounds { age_max: Some(Duration::from_secs(5)), ..ALL };
        assert_eq!(stored(aged), Stored { count: 3, from: 14, complete: true });
        assert_eq!(stored(Bounds { count_min: 5, ..aged }), Stored { count: 5, from: 10, complete: true });
        assert_eq!(stored(Bounds { count_min: 5, count_max: 2, ..aged }).count, 2);
        assert_eq!(stored(Bounds { floor: 17, ..ALL }), Stored { count: 1, from: 18, complete: true });
        assert_eq!(stored(Bounds { floor: 20, ..ALL }), Stored { count: 0, from: 20, complete: true });
        assert_eq!(stored(Bounds { count_max: 0, ..ALL }), Stored { count: 0, from: 20, complete: true });
        let none = entries.stored(&subject("c"), 20, &ALL, None, now);
        assert_eq!(none, Stored { count: 0, from: 20, complete: true });
    }

    #[test]
    fn a_client_reads_on_behind_what_it_has_had_and_is_told_what_it_missed() {
        let (entries, now) = entries(16);
        let behind = |time_s, offset, bounds: &Bounds| {
            let Stored { from, complete, .. } =
                entries.stored(&subject("a"), 20, bounds, Some(Had { time_s, offset }), now);
            (from, complete)
        };
        let six_s = at_s(&entries, 6);
        assert_eq!(behind(six_s, Some(6), &ALL), (8, true));
        assert_eq!(behind(six_s, None, &ALL), (6, true));
        assert_eq!(behind(six_s, Some(5), &ALL), (6, false), "another log's: by its time");
        assert_eq!(behind(six_s + 12, Some(500), &ALL), (18, false), "a log that is no more");
        assert_eq!(behind(six_s + 100, Some(500), &ALL), (20, true), "what is still to come");
        assert_eq!(behind(six_s - 5, Some(1), &ALL), (4, false), "2 has left the log");
        assert_eq!(behind(six_s, Some(6), &Bounds { count_max: 3, ..ALL }), (14, false));
        assert_eq!(behind(six_s, Some(6), &Bounds { floor: 9, ..ALL }), (10, false));
        assert_eq!(behind(at_s(&entries, 18), Some(18), &ALL), (20, true));
        assert_eq!(behind(at_s(&entries, 18), Some(18), &Bounds { count_max: 0, ..ALL }), (20, true));
    }

    #[test]
    fn a_gap_that_everybody_has_is_in_between_as_long_as_anybody_names_what_was_before() {
        let (mut entries, now) = entries(16);
        let push = |entries: &mut Entries, publication| {
            let after = Duration::from_secs(entries.end() - 19);
            entries.push(publication, Origin::default(), now + after);
        };
        let a = || Publication::new(Bytes::from_static(b"1"), None, [subject("a")].into_iter().collect());
        push(&mut entries, Publication::gap());
        push(&mut entries, a());
        let complete = |entries: &Entries, limit, time_s, offset| {
            let had = Some(Had { time_s, offset });
            entries.stored(&subject("a"), limit, &ALL, had, now + Duration::from_secs(60)).complete
        };
        let (before, behind) = (at_s(&entries, 18), at_s(&entries, 21));
        assert!(complete(&entries, 20, before, Some(18)), "nothing of it was seen");
        assert!(!complete(&entries, 22, before, Some(18)) && complete(&entries, 22, behind, Some(21)));
        let then = at_s(&entries, 20);
        assert!(!complete(&entries, 22, then, None) && complete(&entries, 22, behind, None));
        assert!(complete(&entries, 22, before, None), "it reads on from 18, and comes to that");
        let read = |entries: &Entries, name: Subject, from| {
            let Excerpt { publications, complete, .. } = entries.excerpt(&name, from, 22, (1, 0), now);
            (publications.iter().map(|dated| dated.offset).collect::<Vec<_>>(), complete)
        };
        assert_eq!(read(&entries, subject("a"), 18), (vec![18, 20], true), "and then 21");
        assert_eq!(read(&entries, subject("a"), 19), (vec![20, 21], true));
        assert_eq!(read(&entries, subject("a"), 21), (vec![21], true));
        assert_eq!(read(&entries, subject("nothing"), 0), (vec![20], true));
        assert_eq!(read(&entries, Subject::Everyone, 0), (vec![20], true), "once");

        // When it has left the log, too.
        (0..16).for_each(|_| push(&mut entries, a()));
        entries.evict(38, now);
        assert!(entries.first() > 21);
        assert!(!complete(&entries, 38, before, Some(18)) && !complete(&entries, 38, before, None));
        let (_, told) = read(&entries, subject("nothing"), 18);
        assert!(!told && read(&entries, subject("nothing"), 21).1);
    }
}
