//! Messages that come over several connections in one order: each once, none before the one it follows.
//!
//! Publishers that send to two forwarders make each message arrive twice, and not in step; one that connects again
//! makes what it sends then arrive beside the rest of what it sent before. Of each publisher that
//! numbers its messages the sequencer lets through the next number. What comes a second time is dropped; what
//! comes too early is held until those before it have come over the other connection, but no longer than the time allowed
//! since it came: then they are counted as missed, and the rest goes on. One of them that comes yet goes on at once.
//!
//! Of a name that is not known, the first message need not be where it begins: where several sources bring the same, another may
//! be slower and have more. So it waits, unless its number is 0, until each has brought it, or for the time allowed. What is
//! before it and comes even later goes on at once, if no name has been forgotten.
//!
//! A name proves nothing: an application may count from the start again under the name it had, two may have the same
//! name, and anybody may send any number. So a name has *runs*, each a count of its own, and no message is dropped
//! but as a duplicate. A message begins a new run if
//!
//! * its number is more than 100,000 ahead of the next, or far before the first of every run; or
//! * its number came before, with other contents; or
//! * its number is 0 or 1, and nothing new came from the run for the time allowed, though its contents are the same: a
//!   connection that is behind brings the same while the other goes on. Where it is known which source brings it, one that has
//!   yet to bring that number is behind, however long; and what it brings goes on with the run in which it was. Nor is the same
//!   new under a name that was drawn at random, which nobody has a second time: its publisher asked anew, of a forwarder that
//!   was restarted.
//!
//! Whoever takes up names and runs can make the oldest be forgotten. What they hold is delivered first, their next
//! message begins a run again, and names of which one message came are forgotten before those that were heard on.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::publication_id::PublicationId;
use run::{Place, Run, START_MAX};

mod item;
mod run;

pub use item::Item;

/// Runs of one name that are remembered.
const RUNS_MAX: usize = 4;

/// What a [`Sequencer`] may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequencerLimits {
    /// How long a message waits for those before it.
    pub patience: Duration,
    /// Bytes that may wait so. Above it, the publisher that went over does not wait.
    pub held_bytes_max: usize,
    /// Publishers that are remembered: the ones heard last.
    pub publishers_max: NonZeroUsize,
    /// Sources that bring the same, each in order.
    pub sources: usize,
}

/// Since the start.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct SequencerCounts {
    /// Messages that had come before.
    pub duplicates: u64,
    /// Messages that had not come when later ones of their publisher had waited for them long enough.
    pub missed: u64,
    /// Times that a name that was known began to count anew.
    pub new_runs: u64,
}

/// What has become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It goes on.
    Passed,
    /// It waits for those before it, or has been taken in by the same that waits.
    Held,
    /// It came before.
    Duplicate,
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
    /// Each name that is unknown is new: what comes of it has not been here.
    knows_all: bool,
    counts: SequencerCounts,
}

/// What is known of one publisher.
#[derive(Debug)]
struct Stream<T> {
    /// One at least; the newest first.
    runs: VecDeque<Run<T>>,
    /// When the first of those held goes on, whatever is missing.
    deadline: Option<Instant>,
    /// More than one message came, since it was last considered for being forgotten.
    heard_on: bool,
}

/// What is done with a message, and by which run.
enum Fate {
    Duplicate(usize),
    Takes(usize, Place),
    NewRun,
}

/// What is known of a message besides itself.
#[derive(Clone, Copy)]
struct Mark {
    number: u64,
    fingerprint: u64,
    source: Option<usize>,
    /// With it its publisher may begin to count again under the name it had.
    begins_again: bool,
}

impl<T: Item> Stream<T> {
    fn fate(&self, mark: Mark, patience: Duration, now: Instant) -> Fate {
        let Mark { number, fingerprint, source, begins_again } = mark;
        let place = |run: &Run<T>| run.place(number, fingerprint, source);
        let is_behind = |run: &Run<T>| run.is_to_come_over(source, number) && place(run) == Place::Same;
        // The oldest first: what is behind comes in order.
        if let Some(at) = self.runs.iter().rposition(is_behind) {
            return Fate::Duplicate(at);
        }
        let goes_on = self.runs.iter().position(|run| run.goes_on_over(source, number));
        let others = (0..self.runs.len()).filter(|at| Some(*at) != goes_on);
        let (mut passed, mut nearest) = (None, None);
        for at in goes_on.into_iter().chain(others) {
            let run = &self.runs[at];
            match place(run) {
                place @ (Place::Next | Place::Late) => return Fate::Takes(at, place),
                Place::Same if begins_again && now.saturating_duration_since(run.heard) > patience => {
                    return Fate::NewRun;
                }
                Place::Same => return Fate::Duplicate(at),
                Place::Passed => passed = passed.or(Some(at)),
                Place::Ahead(by) if nearest.is_none_or(|(_, nearest)| by < nearest) => {
                    nearest = Some((at, by));
                }
                Place::Ahead(_) | Place::Foreign => {}
            }
        }
        match (passed, nearest) {
            (Some(at), _) => Fate::Duplicate(at),
            (None, Some((at, by))) => Fate::Takes(at, Place::Ahead(by)),
            (None, None) => Fate::NewRun,
        }
    }

    /// The run that holds the same.
    fn holder(&mut self, number: u64, fingerprint: u64) -> Option<&mut Run<T>> {
        self.runs.iter_mut().find(|run| run.holds(number, fingerprint))
    }
}

impl<T: Item> Sequencer<T> {
    /// A sequencer that knows no publisher. `knows_all`: none has been heard before.
    pub fn new(limits: SequencerLimits, knows_all: bool) -> Self {
        Self {
            limits,
            publishers: LruCache::new(limits.publishers_max),
            gaps: BTreeSet::new(),
            held_bytes: 0,
            knows_all,
            counts: SequencerCounts::default(),
        }
    }

    /// So many sources bring the same from now on.
    pub fn set_sources(&mut self, sources: usize) {
        self.limits.sources = sources;
    }

    /// Of the publishers that it knows, more may have come than it does.
    pub fn close(&mut self) {
        for (_, stream) in &mut self.publishers {
            stream.runs.iter_mut().for_each(Run::close);
        }
    }

    /// A message came, over this source, if that is known: they are numbered from 0.
    pub fn accept(
        &mut self,
        id: &PublicationId,
        source: Option<usize>,
        mut item: T,
        now: Instant,
        out: &mut Vec<T>,
    ) -> Taken {
        let (number, fingerprint) = (id.number, item.fingerprint());
        let begins_again = number <= START_MAX && !id.is_drawn();
        let mark = Mark { number, fingerprint, source, begins_again };
        let Some(stream) = self.publishers.get_mut(&id.publisher) else {
            return self.accept_first(id, mark, item, now, out);
        };
        stream.heard_on = true;
        let mut taken = Taken::Passed;
        let fate = stream.fate(mark, self.limits.patience, now);
        if let Fate::Duplicate(at) | Fate::Takes(at, _) = fate {
            stream.runs[at].came_over(source, number);
        }
        let (missed, released) = match fate {
            Fate::Duplicate(_) => {
                self.counts.duplicates += 1;
                let Some(run) = stream.holder(number, fingerprint) else { return Taken::Duplicate };
                run.take_in(number, item);
                taken = Taken::Held;
                if run.is_brought_by(self.limits.sources) { run.give_up_hole(out) } else { (0, 0) }
            }
            Fate::Takes(at, Place::Next) => (0, stream.runs[at].advance(fingerprint, item, now, out)),
            Fate::Takes(at, Place::Ahead(_)) => {
                item.detach();
                self.held_bytes += item.bytes_len();
                let run = &mut stream.runs[at];
                run.hold(number, fingerprint, item, now);
                let given_up =
                    if self.held_bytes > self.limits.held_bytes_max { run.give_up_hole(out) } else { (0, 0) };
                if run.holds(number, fingerprint) {
                    taken = Taken::Held;
                }
                given_up
            }
            Fate::Takes(at, _) => {
                stream.runs[at].fill(number, fingerprint, now);
                out.push(item);
                (0, 0)
            }
            Fate::NewRun => {
                self.counts.new_runs += 1;
                let oldest = if stream.runs.len() == RUNS_MAX { stream.runs.pop_back() } else { None };
                let given_up = oldest.map_or((0, 0), |mut oldest| oldest.give_up_all(out));
                let mut run = Run::beginning_at(number, fingerprint, false, now);
                run.came_over(source, number);
                stream.runs.push_front(run);
                out.push(item);
                given_up
            }
        };
        self.count(missed, released);
        self.rearm(&id.publisher);
        taken
    }

    /// The first of a name that is not known.
    fn accept_first(
        &mut self,
        id: &PublicationId,
        mark: Mark,
        mut item: T,
        now: Instant,
        out: &mut Vec<T>,
    ) -> Taken {
        self.make_room(out);
        let Mark { number, fingerprint, source, .. } = mark;
        let waits = number > 0 && self.limits.sources > 1 && self.held_bytes < self.limits.held_bytes_max;
        let mut run = if waits {
            item.detach();
            self.held_bytes += item.bytes_len();
            Run::unsettled(number, fingerprint, item, self.knows_all, now)
        } else {
            out.push(item);
            Run::beginning_at(number, fingerprint, self.knows_all, now)
        };
        run.came_over(source, number);
        let stream = Stream { runs: [run].into(), deadline: None, heard_on: false };
        self.publishers.push(id.publisher.clone(), stream);
        self.rearm(&id.publisher);
        if waits { Taken::Held } else { Taken::Passed }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while nothing is held.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.gaps.first().map(|(deadline, _)| *deadline)
    }

    /// Time has passed: what waited too long goes on.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<T>) {
        while let Some((_, publisher)) = self.gaps.first().filter(|(deadline, _)| *deadline <= now).cloned() {
            let Some(stream) = self.publishers.peek_mut(&publisher) else { return };
            let (mut missed, mut released) = (0, 0);
            for run in &mut stream.runs {
                let given_up = run.give_up_waiting(self.limits.patience, now, out);
                (missed, released) = (missed + given_up.0, released + given_up.1);
            }
            self.count(missed, released);
            self.rearm(&publisher);
        }
    }

    /// Nothing is waited for any more: all that is held goes on.
    pub fn give_up(&mut self, out: &mut Vec<T>) {
        while let Some((_, publisher)) = self.gaps.pop_first() {
            let Some(stream) = self.publishers.peek_mut(&publisher) else { continue };
            stream.deadline = None;
            let (mut missed, mut released) = (0, 0);
            for run in &mut stream.runs {
                let given_up = run.give_up_all(out);
                (missed, released) = (missed + given_up.0, released + given_up.1);
            }
            self.count(missed, released);
        }
    }

    /// What was counted since the start.
    pub fn counts(&self) -> SequencerCounts {
        self.counts
    }

    /// Forgets one publisher if there are as many as may be; what it holds goes on.
    fn make_room(&mut self, out: &mut Vec<T>) {
        if self.publishers.len() < self.limits.publishers_max.get() {
            return;
        }
        while let Some((publisher, mut oldest)) = self.publishers.pop_lru() {
            if std::mem::take(&mut oldest.heard_on) {
                // Not before those of which one message came; and if there are none, then on the second look.
                self.publishers.push(publisher, oldest);
                continue;
            }
            self.knows_all = false;
            for run in &mut oldest.runs {
                let (missed, released) = run.give_up_all(out);
                self.count(missed, released);
            }
            if let Some(deadline) = oldest.deadline {
                self.gaps.remove(&(deadline, publisher));
            }
            return;
        }
    }

    fn count(&mut self, missed: u64, released: usize) {
        self.counts.missed = self.counts.missed.saturating_add(missed);
        self.held_bytes -= released;
    }

    /// Sets the publisher's deadline by what it holds now.
    fn rearm(&mut self, publisher: &str) {
        let Some(stream) = self.publishers.peek_mut(publisher) else { return };
        let since = stream.runs.iter_mut().filter_map(Run::waits_since).min();
        let deadline = since.map(|since| since + self.limits.patience);
        let before = std::mem::replace(&mut stream.deadline, deadline);
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.gaps.remove(&(before, publisher.into()));
        }
        if let Some(deadline) = deadline {
            self.gaps.insert((deadline, publisher.into()));
        }
    }
}

#[cfg(test)]
#[path = "sequencer_tests.rs"]
mod tests;
