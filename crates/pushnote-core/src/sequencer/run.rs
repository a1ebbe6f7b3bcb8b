//! One count of one publisher's messages, and what of it is known.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::item::Item;

/// How far ahead of the next number a message may be to belong to the same count. Beyond it another count begins:
/// a number that somebody invented must not stand for all those before it.
pub(super) const JUMP_MAX: u64 = 100_000;
/// Messages whose contents are remembered besides the first.
const REMEMBERED_MAX: usize = 64;
/// Holes that are remembered, so that what comes late still goes on.
const HOLES_MAX: usize = 64;
/// Counts begin at 0 or 1; one that begins at 0 has nothing before it.
pub(super) const START_MAX: u64 = 1;

/// What a message is to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The one it waits for.
    Next,
    /// Given up already: it comes too late to be in order, and not too late to be delivered.
    Late,
    /// It was here: this message, by number and contents.
    Same,
    /// Its number was here; whether this message was, is not known any more.
    Passed,
    /// Ahead by so many.
    Ahead(u64),
    /// None of this run's: its number was here with other contents, or is too far off.
    Foreign,
}

#[derive(Debug)]
pub(super) struct Run<T> {
    first: u64,
    next: u64,
    /// What is before its first has never been here.
    open: bool,
    /// Where it begins is not known yet.
    unsettled: Option<Unsettled>,
    held: BTreeMap<u64, (u64, T)>,
    /// The numbers in `held` as they came, with the time; some of them may have gone on.
    waiting: VecDeque<(Instant, u64)>,
    /// First and last numbers that were given up and have not come since.
    holes: BTreeMap<u64, u64>,
    /// Numbers and fingerprints of the latest.
    remembered: VecDeque<(u64, u64)>,
    /// Fingerprints of the numbers at which a count begins.
    start: [Option<u64>; 1 + START_MAX as usize],
    /// Behind the last that each source has brought, by sources' numbers; empty where nobody says which one brings what.
    ways: Vec<u64>,
    /// When the last message came that was not here before.
    pub(super) heard: Instant,
}

/// A run before all sources have brought something of it.
#[derive(Debug)]
struct Unsettled {
    /// The number that came first.
    number: u64,
    /// How many times.
    times: usize,
}

impl<T: Item> Run<T> {
    /// A run that begins with `number`: what came before it, nobody can say; it is not missed. `open`: it has not been here,
    /// and goes on if it comes yet.
    pub(super) fn beginning_at(number: u64, fingerprint: u64, open: bool, now: Instant) -> Self {
        let mut run = Self::empty(open, now);
        run.begin(number);
        run.next += 1;
        run.remember(number, fingerprint);
        run
    }

    /// A run of which `number` came first. What is before it may come yet, from another source.
    pub(super) fn unsettled(number: u64, fingerprint: u64, item: T, open: bool, now: Instant) -> Self {
        let mut run = Self::empty(open, now);
        run.unsettled = Some(Unsettled { number, times: 1 });
        run.hold(number, fingerprint, item, now);
        run
    }

    fn empty(open: bool, now: Instant) -> Self {
        Self {
            first: 0,
            next: 0,
            open,
            unsettled: None,
            held: BTreeMap::new(),
            waiting: VecDeque::new(),
            holes: BTreeMap::new(),
            remembered: VecDeque::new(),
            start: Default::default(),
            ways: Vec::new(),
            heard: now,
        }
    }

    fn begin(&mut self, first: u64) {
        (self.first, self.next, self.unsettled) = (first, first, None);
        let from = first.saturating_sub(JUMP_MAX).max(START_MAX + 1);
        if self.open && from < first {
            self.holes.insert(from, first - 1);
        }
    }

    /// What is before its first may have been here.
    pub(super) fn close(&mut self) {
        self.open = false;
        let first = self.first;
        self.holes.retain(|from, _| *from >= first);
    }

    /// This source has brought this number.
    pub(super) fn came_over(&mut self, source: Option<usize>, number: u64) {
        let Some(source) = source else { return };
        if self.ways.len() <= source {
            self.ways.resize(source + 1, 0);
        }
        self.ways[source] = self.ways[source].max(number.saturating_add(1));
    }

    /// Whether that is where what this source brings of it goes on.
    pub(super) fn goes_on_over(&self, source: Option<usize>, number: u64) -> bool {
        number > 0 && source.is_some_and(|source| self.ways.get(source) == Some(&number))
    }

    /// Whether this source has yet to bring this number: it is behind the others.
    pub(super) fn is_to_come_over(&self, source: Option<usize>, number: u64) -> bool {
        let next = |source| self.ways.get(source).is_none_or(|next| *next <= number);
        !self.ways.is_empty() && source.is_some_and(next)
    }

    /// What a message of this source is to it.
    pub(super) fn place(&self, number: u64, fingerprint: u64, source: Option<usize>) -> Place {
        let seen = |known: u64| if known == fingerprint { Place::Same } else { Place::Foreign };
        if number == self.next {
            return Place::Next;
        }
        if number > self.next {
            let ahead =
                self.unsettled.as_ref().map_or(self.next, |unsettled| unsettled.number).abs_diff(number);
            return match self.held.get(&number) {
                Some((known, _)) => seen(*known),
                None if ahead <= JUMP_MAX => Place::Ahead(ahead),
                None => Place::Foreign,
            };
        }
        if self.hole_of(number).is_some() {
            return Place::Late;
        }
        let start = usize::try_from(number).ok().and_then(|number| *self.start.get(number)?);
        let latest =
            || self.remembered.iter().rev().find(|(known, _)| *known == number).map(|(_, known)| *known);
        match start.or_else(latest) {
            Some(known) => seen(known),
            None if number + JUMP_MAX < self.first => Place::Foreign,
            // Before the first that was heard may lie what another connection brings late.
            None if number > START_MAX => Place::Passed,
            None if !self.is_to_come_over(source, number) => Place::Foreign,
            None => {
                if self.open {
                    Place::Late
                } else {
                    Place::Passed
                }
            }
        }
    }

    /// Takes the message that is next, and what was held behind it.
    pub(super) fn advance(&mut self, fingerprint: u64, item: T, now: Instant, out: &mut Vec<T>) -> usize {
        self.heard = now;
        // Nothing is before number 0.
        self.unsettled = None;
        self.remember(self.next, fingerprint);
        self.next += 1;
        out.push(item);
        self.release(out)
    }

    /// Takes one that was given up.
    pub(super) fn fill(&mut self, number: u64, fingerprint: u64, now: Instant) {
        self.heard = now;
        if let Some((from, to)) = self.hole_of(number) {
            self.holes.remove(&from);
            if from < number {
                self.holes.insert(from, number - 1);
            }
            if number < to {
                self.holes.insert(number + 1, to);
            }
        }
        self.remember(number, fingerprint);
    }

    pub(super) fn hold(&mut self, number: u64, fingerprint: u64, item: T, now: Instant) {
        self.heard = now;
        self.held.insert(number, (fingerprint, item));
        self.waiting.push_back((now, number));
    }

    /// The same came again.
    pub(super) fn take_in(&mut self, number: u64, duplicate: T) {
        if let Some((_, held)) = self.held.get_mut(&number) {
            held.take_in(duplicate);
        }
        if let Some(first) = self.unsettled.as_mut().filter(|first| first.number == number) {
            first.times += 1;
        }
    }

    /// Whether each of the sources has brought what came first: nothing before that can come.
    pub(super) fn is_brought_by(&self, sources: usize) -> bool {
        self.unsettled.as_ref().is_some_and(|first| first.times >= sources)
    }

    pub(super) fn holds(&self, number: u64, fingerprint: u64) -> bool {
        self.held.get(&number).is_some_and(|(held, _)| *held == fingerprint)
    }

    /// Since when the one that came first of those held waits.
    pub(super) fn waits_since(&mut self) -> Option<Instant> {
        while self.waiting.front().is_some_and(|(_, number)| *number < self.next) {
            self.waiting.pop_front();
        }
        self.waiting.front().map(|(since, _)| *since)
    }

    /// Lets go on what has waited for `patience`, with all that it follows. Returns what is missing, and the bytes
    /// held no more.
    pub(super) fn give_up_waiting(
        &mut self,
        patience: Duration,
        now: Instant,
        out: &mut Vec<T>,
    ) -> (u64, usize) {
        let (mut missed, mut bytes) = (0, 0);
        while self.waits_since().is_some_and(|since| since + patience <= now) {
            let (hole, released) = self.give_up_hole(out);
            (missed, bytes) = (missed + hole, bytes + released);
        }
        (missed, bytes)
    }

    /// Gives up what is missing before the first message that is held.
    pub(super) fn give_up_hole(&mut self, out: &mut Vec<T>) -> (u64, usize) {
        let Some(&first) = self.held.keys().next() else { return (0, 0) };
        if self.unsettled.is_some() {
            self.begin(first);
        }
        let missed = first - self.next;
        if missed > 0 {
            self.held.values_mut().next().into_iter().for_each(|(_, item)| item.follows_missing());
            self.holes.insert(self.next, first - 1);
            if self.holes.len() > HOLES_MAX {
                self.holes.pop_first();
            }
        }
        self.next = first;
        (missed, self.release(out))
    }

    /// Gives up everything that is missing.
    pub(super) fn give_up_all(&mut self, out: &mut Vec<T>) -> (u64, usize) {
        let (mut missed, mut bytes) = (0, 0);
        while !self.held.is_empty() {
            let (hole, released) = self.give_up_hole(out);
            (missed, bytes) = (missed + hole, bytes + released);
        }
        (missed, bytes)
    }

    fn release(&mut self, out: &mut Vec<T>) -> usize {
        let mut bytes = 0;
        while let Some((fingerprint, item)) = self.held.remove(&self.next) {
            bytes += item.bytes_len();
            self.remember(self.next, fingerprint);
            self.next += 1;
            out.push(item);
        }
        bytes
    }

    fn hole_of(&self, number: u64) -> Option<(u64, u64)> {
        let (&from, &to) = self.holes.range(..=number).next_back()?;
        (number <= to).then_some((from, to))
    }

    fn remember(&mut self, number: u64, fingerprint: u64) {
        if let Some(start) = usize::try_from(number).ok().and_then(|number| self.start.get_mut(number)) {
            *start = Some(fingerprint);
            return;
        }
        if self.remembered.len() == REMEMBERED_MAX {
            self.remembered.pop_front();
        }
        self.remembered.push_back((number, fingerprint));
    }
}
