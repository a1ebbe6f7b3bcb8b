//! Messages of several roads in one order: each once, none before the one it follows.
//!
//! Publishers that send to two forwarders make each message arrive twice, and not in step; one that connects again
//! makes what it sends then arrive beside the rest of what it sent before. Of each publisher that
//! numbers its messages the sequencer lets through the next number alone. What comes a second time is dropped; what
//! comes too early is held until those before it have come over the other road, or for the time allowed: then they are
//! counted as missed, and the rest goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::publication_id::PublicationId;

/// What is put in order.
pub trait Item {
    /// How many bytes it takes of what may be held.
    fn bytes_len(&self) -> usize;
    /// It will be held: lets go of memory that it shares and does not need.
    fn detach(&mut self);
}

/// What a [`Sequencer`] may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencerLimits {
    /// How long a message waits for those before it.
    pub patience: Duration,
    /// Bytes that may wait so. Above it, the publisher that went over does not wait.
    pub held_bytes_max: usize,
    /// Publishers that are remembered: the ones heard last.
    pub publishers_max: NonZeroUsize,
}

/// Since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SequencerCounts {
    /// Messages that had come before.
    pub duplicates: u64,
    /// Messages that never came, though later ones of their publisher did.
    pub missed: u64,
}

/// See the module's documentation. Drive it with [`accept`](Self::accept) and, at
/// [`poll_timeout`](Self::poll_timeout), [`handle_timeout`](Self::handle_timeout); both append to `out` what goes on.
#[derive(Debug)]
pub struct Sequencer<T> {
    limits: SequencerLimits,
    publishers: LruCache<Box<str>, Stream<T>>,
    /// Publishers of which something is held, in the order of their deadlines.
    gaps: BTreeSet<(Instant, Box<str>)>,
    held_bytes: usize,
    counts: SequencerCounts,
}

/// What is known of one publisher.
#[derive(Debug)]
struct Stream<T> {
    next: u64,
    held: BTreeMap<u64, T>,
    /// When the first of those held goes on, whatever is missing.
    deadline: Option<Instant>,
}

impl<T: Item> Sequencer<T> {
    /// A sequencer that knows no publisher.
    pub fn new(limits: SequencerLimits) -> Self {
        Self {
            limits,
            publishers: LruCache::new(limits.publishers_max),
            gaps: BTreeSet::new(),
            held_bytes: 0,
            counts: SequencerCounts::default(),
        }
    }

    /// A message came.
    pub fn accept(&mut self, id: &PublicationId, mut item: T, now: Instant, out: &mut Vec<T>) {
        let Some(stream) = self.publishers.get_mut(&id.publisher) else {
            self.first_of(id);
            out.push(item);
            return;
        };
        if id.number < stream.next || stream.held.contains_key(&id.number) {
            self.counts.duplicates += 1;
            return;
        }
        if id.number > stream.next {
            item.detach();
            self.held_bytes += item.bytes_len();
            stream.held.insert(id.number, item);
            self.wait(&id.publisher, now);
            if self.held_bytes > self.limits.held_bytes_max {
                self.skip_gap(&id.publisher, now, out);
            }
            return;
        }
        stream.next = id.number + 1;
        out.push(item);
        self.release(&id.publisher, now, out);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while nothing is held.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.gaps.first().map(|(deadline, _)| *deadline)
    }

    /// Time has passed: what waited too long goes on.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<T>) {
        while self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            let Some((_, publisher)) = self.gaps.pop_first() else { return };
            self.skip_gap(&publisher, now, out);
        }
    }

    /// What was counted since the start.
    pub fn counts(&self) -> SequencerCounts {
        self.counts
    }

    /// Where a publisher that is not known begins, nobody can say: what came before it is not missed.
    fn first_of(&mut self, id: &PublicationId) {
        let stream = Stream { next: id.number + 1, held: BTreeMap::new(), deadline: None };
        let forgotten = self.publishers.push(id.publisher.clone(), stream);
        if let Some((publisher, forgotten)) = forgotten {
            if let Some(deadline) = forgotten.deadline {
                self.gaps.remove(&(deadline, publisher));
            }
            // Its messages are late by now, and a publisher that is heard no more has no order to keep.
            self.held_bytes -= forgotten.held.values().map(Item::bytes_len).sum::<usize>();
            self.counts.missed = self.counts.missed.saturating_add(forgotten.held.len() as u64);
        }
    }

    fn wait(&mut self, publisher: &str, now: Instant) {
        let deadline = now + self.limits.patience;
        let Some(stream) = self.publishers.peek_mut(publisher) else { return };
        if stream.deadline.is_none() {
            stream.deadline = Some(deadline);
            self.gaps.insert((deadline, publisher.into()));
        }
    }

    /// Gives up on what is missing before the first message that is held.
    fn skip_gap(&mut self, publisher: &str, now: Instant, out: &mut Vec<T>) {
        let Some(stream) = self.publishers.peek_mut(publisher) else { return };
        if let Some((first, _)) = stream.held.first_key_value() {
            self.counts.missed = self.counts.missed.saturating_add(first - stream.next);
            stream.next = *first;
        }
        self.release(publisher, now, out);
    }

    /// Lets through what was held and is next now.
    fn release(&mut self, publisher: &str, now: Instant, out: &mut Vec<T>) {
        let Some(stream) = self.publishers.peek_mut(publisher) else { return };
        while let Some(item) = stream.held.remove(&stream.next) {
            self.held_bytes -= item.bytes_len();
            stream.next += 1;
            out.push(item);
        }
        let waited = stream.deadline.take();
        let waits = !stream.held.is_empty();
        if let Some(deadline) = waited {
            self.gaps.remove(&(deadline, publisher.into()));
        }
        if waits {
            self.wait(publisher, now);
        }
    }
}

#[cfg(test)]
#[path = "sequencer_tests.rs"]
mod tests;
