//! One shard: a share of the receivers, owned by one task, so that fan-out takes no lock.

mod behind;
mod places;
mod reading;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use pushnote_core::{CloseCode, Cursor, Subject};
use tokio::sync::mpsc;
use tokio::time;

use crate::counters::Counters;
use crate::index::{Index, Key};
use crate::log::Log;
use crate::mask::Mask;
use crate::publication::{Batch, Content, Encoded};
use crate::receiver::{Delivery, Receiver};
use crate::window::Window;
use behind::{Awake, Behind, FOLLOW_TICK, Past};
use places::Places;
use turn::Turn;

/// Most publications in one batch.
const BATCH_LEN_MAX: usize = Mask::LEN;

/// Most payload bytes in one batch (a single larger message still goes).
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// Commands handled before those get a turn who read on.
const COMMANDS_PER_TURN: usize = 64;

/// Receivers closed per [`DRAIN_TICK`] when everyone has to leave: all at once would come back all at once.
const DRAINED_PER_TICK: usize = 100;
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// Names an attached receiver; never used twice.
pub type ReceiverId = u64;

type Encodings<R> = <R as Receiver>::Encodings;
type Notice<R> = <R as Receiver>::Notice;

/// What an attachment asks of its shard. Their number is bounded by what clients ask for.
pub(crate) enum ShardCommand<R: Receiver> {
    Attach(ReceiverId, R),
    /// From now on, or since a place that it had; with the answer to who asked for it.
    Subscribe(ReceiverId, Subject, Option<Cursor>, Option<Notice<R>>),
    Unsubscribe(ReceiverId, Subject, Option<Notice<R>>),
    /// Go on from this place, or from where it attached, with all its subscriptions, and this answer first.
    Resume(ReceiverId, Option<Cursor>, Notice<R>),
    /// The last so many publications of a subject, in an answer.
    History(ReceiverId, Subject, usize, Notice<R>),
    Tell(ReceiverId, Notice<R>),
    /// What waited for its client is written.
    Room(ReceiverId),
    Detach(ReceiverId),
    /// All that have subscribed to this.
    Close(Subject, CloseCode),
    CloseAll(CloseCode),
}

/// A piece of the log: the offsets in it, what those who read it have had of what follows, and the batch that all share
/// who read just this.
type Piece<R> = (Vec<u64>, Option<Box<Cursor>>, Arc<Batch<Encodings<R>>>);

/// The way into a shard.
pub(crate) type ShardHandle<R> = mpsc::UnboundedSender<ShardCommand<R>>;

pub(crate) struct Shard<R: Receiver> {
    /// Its number.
    number: usize,
    log: Arc<Log<Encodings<R>>>,
    /// It has fanned out everything before this offset.
    next: u64,
    index: Index<R>,
    keys: HashMap<ReceiverId, Key>,
    behind: HashMap<Key, Behind<R>>,
    /// Of those behind: who may read on.
    ready: VecDeque<Key>,
    /// Of those behind: who has read to the end, and needs to see what comes before it is fanned out to again.
    following: Vec<Key>,
    /// Pieces of the log that were read last, by their offsets: who comes back often comes with many others.
    pieces: VecDeque<Piece<R>>,
    commands: mpsc::UnboundedReceiver<ShardCommand<R>>,
    drain: Option<Drain>,
    awake: Awake,
    places: Places,
    window: Option<Window>,
    counters: Arc<Counters>,
}

/// The receivers still to be told to leave.
struct Drain {
    code: CloseCode,
    remaining: Vec<Key>,
    tick: time::Interval,
}

impl<R: Receiver> Shard<R> {
    pub(crate) fn new(
        number: usize,
        log: Arc<Log<Encodings<R>>>,
        window: Option<Window>,
        counters: Arc<Counters>,
    ) -> (Self, ShardHandle<R>) {
        let (handle, commands) = mpsc::unbounded_channel();
        let (index, keys, behind, ready, following, pieces, drain) = (
            Index::new(),
            HashMap::new(),
            HashMap::new(),
            VecDeque::new(),
            Vec::new(),
            VecDeque::new(),
            None,
        );
        let next = log.end();
        let shard = Self {
            number,
            next,
            log,
            index,
            keys,
            behind,
            ready,
            following,
            pieces,
            commands,
            drain,
            awake: Awake::new(),
            places: Places::from(next),
            window,
            counters,
        };
        (shard, handle)
    }

    /// Runs until the hub and all attachments are gone.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.handle_all(command),
                    None => return,
                },
                () = next_tick(&mut self.drain) => self.drain_some(),
                () = self.places.due() => self.tell_places().await,
                () = until_due(self.log.end() > self.next, self.log.news(self.number)) => self.fan_out_next().await,
                () = time::sleep(FOLLOW_TICK), if !self.following.is_empty() => self.follow(),
                () = until_due(!self.ready.is_empty(), std::future::pending()) => {}
            }
            self.read_on().await;
        }
    }

    /// This command, and others that wait.
    fn handle_all(&mut self, command: ShardCommand<R>) {
        self.handle(command);
        for _ in 1..COMMANDS_PER_TURN {
            let Ok(command) = self.commands.try_recv() else { return };
            self.handle(command);
        }
    }

    fn handle(&mut self, command: ShardCommand<R>) {
        match command {
            ShardCommand::Attach(id, receiver) => {
                if let Some(drain) = &self.drain {
                    receiver.close(drain.code);
                }
                let key = self.index.insert(receiver);
                self.keys.insert(id, key);
            }
            ShardCommand::Detach(id) => {
                if let Some(key) = self.keys.remove(&id) {
                    self.index.remove(key);
                    self.behind.remove(&key);
                }
            }
            ShardCommand::Close(subject, code) => {
                for key in self.index.subscribed_to(&subject) {
                    self.index.get(key).into_iter().for_each(|receiver| receiver.close(code));
                }
            }
            ShardCommand::CloseAll(code) => {
                let remaining = self.index.iter().map(|(key, _)| key).collect();
                self.drain = Some(Drain { code, remaining, tick: time::interval(DRAIN_TICK) });
            }
            ShardCommand::Subscribe(id, subject, since, notice) => {
                if let Some(&key) = self.keys.get(&id) {
                    self.subscribe(key, &subject, since, notice);
                }
            }
            ShardCommand::Unsubscribe(id, subject, notice) => {
                if let Some(&key) = self.keys.get(&id) {
                    self.index.unsubscribe(key, &subject);
                    notice.into_iter().for_each(|notice| self.tell(key, notice, Past::Nothing));
                }
            }
            ShardCommand::Resume(id, cursor, notice) => {
                if let Some(&key) = self.keys.get(&id) {
                    self.resume(key, cursor, notice);
                }
            }
            ShardCommand::History(id, subject, count, notice) => {
                if let Some(&key) = self.keys.get(&id) {
                    self.tell(key, notice, Past::Last(subject, count));
                }
            }
            ShardCommand::Tell(id, notice) => {
                if let Some(&key) = self.keys.get(&id) {
                    self.tell(key, notice, Past::Nothing);
                }
            }
            ShardCommand::Room(id) => {
                if let Some(&key) = self.keys.get(&id) {
                    self.has_room(key);
                }
            }
        }
    }

    fn drain_some(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        let rest = drain.remaining.len().saturating_sub(DRAINED_PER_TICK);
        for key in drain.remaining.drain(rest..) {
            // A key may name a later receiver by now; that one has been told to leave too, on attaching.
            if let Some(receiver) = self.index.get(key) {
                receiver.close(drain.code);
            }
        }
    }

    /// Tells all where they are, if it is time for that.
    async fn tell_places(&mut self) {
        if !self.places.are_old(self.log.middle(), self.next) {
            return;
        }
        let cursor = self.log.cursor(self.next);
        let mut turn = Turn::of_fan_out();
        for receiver in self.index.live() {
            receiver.place(&cursor);
            turn.maybe_yield().await;
        }
    }

    /// Fans out what is new in the log, up to the limits of a batch.
    async fn fan_out_next(&mut self) {
        if let Some(window) = &mut self.window
            && self.log.end() > self.next
        {
            window.open().await;
        }
        let fresh = self.log.take(self.next, BATCH_LEN_MAX, BATCH_BYTES_MAX);
        // A subscription made before these messages were published must see them.
        while let Ok(command) = self.commands.try_recv() {
            self.handle(command);
        }
        // Who was only told something is fanned out to: it is not slow.
        self.read_on().await;
        let full = self.fan_out(&fresh).await;
        self.next += fresh.len() as u64;
        self.log.done(self.number, self.next);
        for (key, place) in full {
            self.falls_behind(key, place);
        }
        self.follow();
    }

    /// Delivers to each receiver once what concerns it. Gives those whose client does not take it, each with its place.
    async fn fan_out(&self, fresh: &[Arc<Encoded<Encodings<R>>>]) -> Vec<(Key, u64)> {
        let mut turn = Turn::of_fan_out();
        let mut full = Vec::new();
        let (everyone, targeted) = self.plan(fresh, &mut turn).await;
        let mut alike: HashMap<Mask, Vec<Key>> = HashMap::new();
        for (key, mask) in &targeted {
            let all = if self.index.hears_everyone(*key) { mask.union(everyone) } else { *mask };
            alike.entry(all).or_default().push(*key);
            turn.maybe_yield().await;
        }
        for (mask, keys) in alike {
            let batch = Batch::new(mask.select(fresh));
            for (key, receiver) in keys.into_iter().filter_map(|key| Some((key, self.index.get(key)?))) {
                self.deliver(key, receiver, &batch, &mut full);
                turn.maybe_yield().await;
            }
        }
        if everyone == Mask::default() {
            return full;
        }
        let batch = Batch::new(everyone.select(fresh));
        for (key, receiver) in self.index.hearing_everyone() {
            if !targeted.contains_key(&key) {
                self.deliver(key, receiver, &batch, &mut full);
            }
            turn.maybe_yield().await;
        }
        full
    }

    fn deliver(&self, key: Key, receiver: &R, batch: &Batch<Encodings<R>>, full: &mut Vec<(Key, u64)>) {
        match receiver.deliver(batch) {
            Delivery::Accepted => self.counters.deliveries.add(batch.len() as u64),
            Delivery::Full => full.extend(batch.first().map(|place| (key, place))),
            Delivery::Closed => {}
        }
    }

    /// Which of a turn's publications are for everyone, and which name a subject of a receiver's: for the receivers that
    /// some of them concern so. Those see the messages to everyone too, in the order of publication. Who is behind reads
    /// them in the log.
    async fn plan(
        &self,
        fresh: &[Arc<Encoded<Encodings<R>>>],
        turn: &mut Turn,
    ) -> (Mask, HashMap<Key, Mask>) {
        let mut everyone = Mask::default();
        let mut targeted: HashMap<Key, Mask> = HashMap::new();
        for (at, encoded) in fresh.iter().enumerate().filter(|(_, encoded)| !encoded.publication().old) {
            for subject in encoded.publication().audience().subjects() {
                turn.maybe_yield().await;
                if *subject == Subject::Everyone {
                    everyone.insert(at);
                    if *encoded.publication().content() == Content::Gap {
                        // What did not come may have been of any subject.
                        for key in self.index.hearing_only_others() {
                            targeted.entry(key).or_default().insert(at);
                            turn.maybe_yield().await;
                        }
                    }
                }
                for key in self.index.subscribed_to(subject) {
                    if !self.index.is_behind(key) {
                        targeted.entry(key).or_default().insert(at);
                    }
                    turn.maybe_yield().await;
                }
            }
        }
        (everyone, targeted)
    }
}

/// The next moment to close some more; never, without a drain.
async fn next_tick(drain: &mut Option<Drain>) {
    match drain {
        Some(drain) if !drain.remaining.is_empty() => {
            drain.tick.tick().await;
        }
        _ => std::future::pending().await,
    }
}

/// At once if something is due, else when `otherwise` is over.
async fn until_due(due: bool, otherwise: impl Future<Output = ()>) {
    if !due {
        otherwise.await;
    }
}
