//! Receivers that are not at the end of the log: who was away, and whose client is slow. Each has a place, and reads on
//! from there when there is room. It is fanned out to again when it is where its shard is: both are steps of one task, so
//! that nothing can come twice or be left out in between.

use std::sync::Arc;
use std::time::Duration;

use pushnote_core::rules::SlowPolicy;
use pushnote_core::{CloseCode, Cursor, Subject};

use super::behind::{Behind, Past, Seen, Waiting};
use super::turn::Turn;
use super::{Encodings, Notice, Piece, Shard};
use crate::index::Key;
use crate::log::{Lost, Reading, Resumed};
use crate::publication::{Batch, Publication};
use crate::receiver::{Delivery, Place, Receiver};

/// Answers that may wait for one client: it asks, and does not read.
const NOTICES_MAX: usize = 64;

/// How long somebody from another server waits for this one to have heard as much of each source. One that does not bring it
/// within that may be no more.
const ALL_CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// How long for this one to have heard as much of any source; and how long what comes later is known as had.
const CATCH_UP_MAX: Duration = Duration::from_secs(6);

/// Pieces of the log that are kept with their encodings.
const PIECES_MAX: usize = 8;

/// What became of a step.
enum Step {
    /// There may be more to do for it.
    More,
    /// It is at the end, and is fanned out to again.
    Live,
    /// It is at the end, and has to look at what comes next.
    Follows,
    /// Nothing until its client has read.
    Full,
    /// It is closed, and will detach.
    Closed,
}

impl From<Delivery> for Step {
    fn from(delivery: Delivery) -> Self {
        match delivery {
            Delivery::Accepted => Self::More,
            Delivery::Full => Self::Full,
            Delivery::Closed => Self::Closed,
        }
    }
}

impl<R: Receiver> Shard<R> {
    /// Subscribes a receiver from now on; with the answer comes what there was since a place that it had.
    pub(super) fn subscribe(
        &mut self,
        key: Key,
        subject: &Subject,
        since: Option<Cursor>,
        notice: Option<Notice<R>>,
    ) {
        let renewed = self.index.is_subscribed(key, subject);
        let from = self.behind.get(&key).map_or(self.next, |behind| behind.place.max(self.next));
        self.index.subscribe(key, subject.clone(), from);
        let Some(notice) = notice else { return };
        let past = since.map(|cursor| Past::Since { subject: subject.clone(), cursor, renewed });
        self.tell(key, notice, past.unwrap_or(Past::Nothing));
    }

    /// Goes on from where it was, with all that it has subscribed to.
    pub(super) fn resume(&mut self, key: Key, cursor: Option<Cursor>, notice: Notice<R>) {
        let begun = self.index.subscriptions(key).iter().map(|(_, since)| *since).min().unwrap_or(self.next);
        let now = self.awake.time();
        let behind = self.behind_at(key, begun);
        behind.place = begun;
        behind.cursor = cursor.map(|cursor| (cursor, now));
        // Before what else it is told: it says whether something is missing.
        behind.notices.push_front(Waiting { notice, past: Past::Nothing, complete: true });
        self.is_ready(key);
    }

    /// Tells a receiver something, behind what it has been given.
    pub(super) fn tell(&mut self, key: Key, notice: Notice<R>, past: Past) {
        let behind = self.behind_at(key, self.next);
        behind.notices.push_back(Waiting { notice, past, complete: true });
        if behind.notices.len() <= NOTICES_MAX {
            self.is_ready(key);
        } else if let Some(receiver) = self.index.get(key) {
            self.give_up(receiver);
        }
    }

    /// Its client does not take what comes: it stays at its place.
    pub(super) fn falls_behind(&mut self, key: Key, place: u64) {
        self.counters.fell_behind.add(1);
        self.behind_at(key, place).full = true;
    }

    /// What waited for its client is written.
    pub(super) fn has_room(&mut self, key: Key) {
        if let Some(behind) = self.behind.get_mut(&key) {
            behind.full = false;
            self.ready.push_back(key);
        }
    }

    /// Who follows looks at what is new.
    pub(super) fn follow(&mut self) {
        self.ready.extend(self.following.drain(..));
    }

    fn behind_at(&mut self, key: Key, place: u64) -> &mut Behind<R> {
        self.index.set_behind(key, true);
        self.behind.entry(key).or_insert_with(|| Behind::at(place))
    }

    fn is_ready(&mut self, key: Key) {
        if self.behind.get(&key).is_some_and(|behind| !behind.full) {
            self.ready.push_back(key);
        }
    }

    /// Lets those read on who can, one piece each in turn, for as long as a turn is.
    pub(super) async fn read_on(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        let turn = Turn::of_reading();
        while let Some(key) = self.ready.pop_front() {
            let Some(mut behind) = self.behind.remove(&key) else { continue };
            match self.step(key, &mut behind) {
                Step::Live => {
                    self.index.set_behind(key, false);
                    continue;
                }
                Step::More => self.ready.push_back(key),
                Step::Follows => self.following.push(key),
                Step::Full => behind.full = true,
                Step::Closed => {}
            }
            self.behind.insert(key, behind);
            if turn.is_over() {
                return tokio::task::yield_now().await;
            }
        }
        self.pieces.clear();
    }

    /// One piece for one receiver.
    fn step(&mut self, key: Key, behind: &mut Behind<R>) -> Step {
        if behind.full {
            return Step::Full;
        }
        if let Some((cursor, since)) = behind.cursor.take() {
            let waited = self.awake.time() - since;
            let can_tell = self.log.can_tell(&cursor, waited < ALL_CATCH_UP_MAX);
            if !can_tell && waited < CATCH_UP_MAX {
                behind.cursor = Some((cursor, since));
                return Step::Follows;
            }
            // Who is said to have had what never comes is at no place that is known here.
            self.find_place(key, behind, &cursor, can_tell);
        }
        let Some(receiver) = self.index.get(key) else { return Step::Closed };
        let Some(Waiting { notice, past, complete }) = behind.notices.front() else {
            return self.read_piece(key, behind);
        };
        let cursor = self.cursor(behind, behind.place);
        let (publications, all, from) = self.past(key, behind.place, past);
        let place = Place { cursor, complete: *complete && all, publications };
        let step = receiver.tell(notice, &place).into();
        if matches!(step, Step::More)
            && let Some(told) = behind.notices.pop_front()
            && let (Past::Since { subject, renewed: false, .. }, Some(from)) = (told.past, from)
        {
            // Up to its place it has been told all of that, and the rest it reads.
            self.index.change_since(key, |other, since| if *other == subject { from } else { since });
        }
        step
    }

    /// The cursor of a receiver's place: with what it has had of what follows, as long as that counts.
    fn cursor(&self, behind: &Behind<R>, place: u64) -> Cursor {
        let cursor = self.log.cursor(place);
        behind.seen.as_ref().map_or_else(|| cursor.clone(), |seen| cursor.and(&seen.cursor))
    }

    /// What was asked for from the past, and whether that is all; of a subscription, the place from which on it is.
    fn past(&self, key: Key, place: u64, past: &Past) -> (Vec<Arc<Publication>>, bool, Option<u64>) {
        match past {
            Past::Nothing => (Vec::new(), true, None),
            // The subscription may have ended meanwhile.
            Past::Last(subject, _) if !self.index.is_subscribed(key, subject) => (Vec::new(), false, None),
            Past::Last(subject, count) => {
                let (publications, complete) = self.log.last(subject, *count, self.next);
                (publications, complete, None)
            }
            Past::Since { subject, cursor, renewed } => {
                let mut others = self.index.subscriptions(key);
                let own = others.iter().position(|(other, _)| other == subject);
                let own = own.map(|own| others.swap_remove(own).1);
                // What it is subscribed to already, it has had from there on.
                let place = own.filter(|_| *renewed).map_or(place, |own| own.min(place));
                let (publications, complete, from) = self.log.since(subject, cursor, place, &others);
                (publications, complete, Some(if complete { from } else { place }))
            }
        }
    }

    fn find_place(&mut self, key: Key, behind: &mut Behind<R>, cursor: &Cursor, can_tell: bool) {
        let resumed = if can_tell { self.log.resume(cursor) } else { Resumed::NOWHERE };
        // Else it gets what came since it attached.
        if !resumed.unknown {
            behind.place = resumed.place;
            self.index.change_since(key, |_, _| resumed.place);
        }
        let lost = self.log.lost(behind.place, &self.index.subscriptions(key));
        self.pass_over(key, &lost);
        if let Some(first) = behind.notices.front_mut() {
            first.complete &= resumed.complete && lost.iter().all(|lost| lost.policy == SlowPolicy::Latest);
        }
        behind.seen = resumed.seen.map(|cursor| Seen {
            cursor: Box::new(cursor),
            old: self.log.appended(),
            until: self.awake.time() + CATCH_UP_MAX,
        });
    }

    fn read_piece(&mut self, key: Key, behind: &mut Behind<R>) -> Step {
        let subjects = self.index.subscriptions(key);
        let mut offsets = Vec::new();
        let reading = Reading {
            place: behind.place,
            limit: self.next,
            subjects: &subjects,
            seen: behind.seen.as_ref().map(|seen| &*seen.cursor),
        };
        let next = match self.log.plan(&reading, &mut offsets) {
            Ok(next) => next,
            Err(lost) => return self.lose(key, behind, &lost),
        };
        if !offsets.is_empty() {
            let Some(piece) = self.piece(offsets, behind) else { return Step::More };
            let Some(receiver) = self.index.get(key) else { return Step::Closed };
            match receiver.deliver(&piece) {
                Delivery::Accepted => self.counters.deliveries.add(piece.len() as u64),
                refused => return refused.into(),
            }
        }
        behind.place = next;
        if behind.place < self.next {
            return Step::More;
        }
        let now = self.awake.time();
        let counts =
            |seen: &Seen| behind.place < seen.old || (!self.log.has_all_of(&seen.cursor) && now < seen.until);
        behind.seen = behind.seen.take().filter(counts);
        if behind.seen.is_some() || behind.place > self.next { Step::Follows } else { Step::Live }
    }

    /// What it has not had is not there any more.
    fn lose(&mut self, key: Key, behind: &Behind<R>, lost: &[Lost]) -> Step {
        let Some(receiver) = self.index.get(key) else { return Step::Closed };
        let of = |policy| lost.iter().filter(move |lost| lost.policy == policy);
        if of(SlowPolicy::Disconnect).next().is_some() {
            self.give_up(receiver);
            return Step::Closed;
        }
        if of(SlowPolicy::Gap).next().is_some() {
            let channel = of(SlowPolicy::Gap).map(|lost| match &lost.subject {
                Subject::Channel(channel) | Subject::Presence(channel) => Some(channel),
                Subject::Everyone | Subject::User(_) => None,
            });
            // Of several, one word says it.
            let channel = channel.reduce(|one, other| one.filter(|_| one == other)).flatten();
            let from = of(SlowPolicy::Gap).map(|lost| lost.from).min().unwrap_or(behind.place);
            let cursor = self.cursor(behind, from.max(behind.place).min(self.next));
            let Some(told) = receiver.gap(channel, &cursor) else {
                // It would be behind without knowing.
                self.give_up(receiver);
                return Step::Closed;
            };
            if told != Delivery::Accepted {
                return told.into();
            }
            self.counters.gaps.add(1);
        }
        self.pass_over(key, lost);
        Step::More
    }

    /// Of these subjects it goes on with what is there; of some, with the newest alone.
    fn pass_over(&mut self, key: Key, lost: &[Lost]) {
        self.index.change_since(key, |subject, since| {
            let lost = lost.iter().find(|lost| lost.subject == *subject);
            lost.map_or(since, |lost| {
                since.max(if lost.policy == SlowPolicy::Latest { lost.last } else { lost.from })
            })
        });
    }

    /// The publications at these offsets in one batch, which all share who read the same; `None` if some have left the
    /// log meanwhile.
    fn piece(&mut self, offsets: Vec<u64>, behind: &Behind<R>) -> Option<Arc<Batch<Encodings<R>>>> {
        let had = behind.seen.as_ref().map(|seen| &seen.cursor);
        let same = |known: &&Piece<R>| known.0 == offsets && known.1.as_ref() == had;
        if let Some((_, _, piece)) = self.pieces.iter().find(same) {
            return Some(Arc::clone(piece));
        }
        let stamped = |one: Arc<Publication>| match had {
            Some(had) => Arc::new(one.and_had(had)),
            None => one,
        };
        let publications = self.log.fetch(&offsets)?.into_iter().map(stamped);
        let piece = Arc::new(Batch::new(publications.map(|one| Arc::new(one.into())).collect()));
        if self.pieces.len() == PIECES_MAX {
            self.pieces.pop_front();
        }
        self.pieces.push_back((offsets, had.cloned(), Arc::clone(&piece)));
        Some(piece)
    }

    fn give_up(&self, receiver: &R) {
        receiver.abort(CloseCode::SlowConsumer);
        self.counters.slow_consumers.add(1);
    }
}
