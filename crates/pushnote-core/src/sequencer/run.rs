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
/// Counts begin at 0 or 1.
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
    held: BTreeMap<u64, (u64, T)>,
    /// The numbers in `held` as they came, with the time; some of them may have gone on.
    waiting: VecDeque<(Instant, u64)>,
    /// First and last numbers that were given up and have not come since.
    holes: BTreeMap<u64, u64>,
    /// Numbers and fingerprints of the latest.
    remembered: VecDeque<(u64, u64)>,
    /// Fingerprints of the numbers at which a count begins.
    start: [Option<u64>; 1 + START_MAX as usize],
    /// When the last message came that was not here before.
    pub(super) heard: Instant,
}

impl<T: Item> Run<T> {
    /// A run that begins with `number`: what came before it, nobody can say; it is not missed.
    pub(super) fn beginning_at(number: u64, fingerprint: u64, now: Instant) -> Self {
        let mut run = Self {
            first: number,
            next: number + 1,
            held: BTreeMap::new(),
            waiting: VecDeque::new(),
            holes: BTreeMap::new(),
            remembered: VecDeque::new(),
            start: Default::default(),
            heard: now,
        };
        run.remember(number, fingerprint);
        run
    }

    pub(super) fn place(&self, number: u64, fingerprint: u64) -> Place {
        let seen = |known: u64| if known == fingerprint { Place::Same } else { Place::Foreign };
        if number == self.next {
            return Place::Next;
        }
        if number > self.next {
            let ahead = number - self.next;
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
            // Before the first that was heard may lie what another connection brings late.
            None if number > START_MAX && number + JUMP_MAX >= self.first => Place::Passed,
            None => Place::Foreign,
        }
    }

    /// Takes the message that is next, and what was held behind it.
    pub(super) fn advance(&mut self, fingerprint: u64, item: T, now: Instant, out: &mut Vec<T>) -> usize {
        self.heard = now;
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
        let Some((&first, _)) = self.held.first_key_value() else { return (0, 0) };
        let missed = first - self.next;
        if missed > 0 {
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
