//! One shard: a share of the receivers, owned by one task, so that fan-out takes no lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pushnote_core::{CloseCode, Subject};
use tokio::sync::mpsc;
use tokio::time;

use crate::counters::Counters;
use crate::index::{Index, Key};
use crate::mask::Mask;
use crate::publication::{Batch, Publication};
use crate::receiver::{Delivery, Receiver};
use crate::window::Window;

/// Publications that may wait for a shard before whoever publishes has to wait too.
pub(crate) const WAITING_PUBLICATIONS_MAX: usize = 1024;

/// Most publications in one batch.
const BATCH_LEN_MAX: usize = Mask::LEN;

/// Most payload bytes in one batch (a single larger message still goes). Well below a receiver's outbox, so
/// that a burst alone makes nobody a slow consumer.
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// How long a shard may hold its thread before others get a turn.
const TURN: Duration = Duration::from_micros(500);

/// Receivers served between two looks at the clock.
const RECEIVERS_PER_LOOK: usize = 32;

/// Receivers closed per [`DRAIN_TICK`] when everyone has to leave: all at once would come back all at once.
const DRAINED_PER_TICK: usize = 100;
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// Names an attached receiver; never used twice.
pub(crate) type ReceiverId = u64;

type Encodings<R> = <R as Receiver>::Encodings;

/// What an attachment asks of its shard. Their number is bounded by the attachments: each sends one `Attach`,
/// one `Detach`, and one `Subscribe` or `Unsubscribe` for each change of what it has subscribed to.
pub(crate) enum ShardCommand<R> {
    Attach(ReceiverId, R),
    Subscribe(ReceiverId, Subject),
    Unsubscribe(ReceiverId, Subject),
    Detach(ReceiverId),
    CloseAll(CloseCode),
}

/// The ways into a shard.
pub(crate) struct ShardHandle<R: Receiver> {
    pub(crate) commands: mpsc::UnboundedSender<ShardCommand<R>>,
    pub(crate) publications: mpsc::Sender<Arc<Publication<Encodings<R>>>>,
}

pub(crate) struct Shard<R: Receiver> {
    index: Index<R>,
    keys: HashMap<ReceiverId, Key>,
    commands: mpsc::UnboundedReceiver<ShardCommand<R>>,
    publications: mpsc::Receiver<Arc<Publication<Encodings<R>>>>,
    drain: Option<Drain>,
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
    pub(crate) fn new(window: Option<Window>, counters: Arc<Counters>) -> (Self, ShardHandle<R>) {
        let (commands_in, commands) = mpsc::unbounded_channel();
        let (publications_in, publications) = mpsc::channel(WAITING_PUBLICATIONS_MAX);
        let (index, keys, drain) = (Index::new(), HashMap::new(), None);
        let shard = Self { index, keys, commands, publications, drain, window, counters };
        (shard, ShardHandle { commands: commands_in, publications: publications_in })
    }

    /// Runs until the hub and all attachments are gone.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return,
                },
                () = next_tick(&mut self.drain) => self.drain_some(),
                Some(first) = self.publications.recv() => {
                    if let Some(window) = &mut self.window {
                        window.open().await;
                    }
                    let waiting = self.take_waiting(first);
                    self.fan_out(waiting).await;
                }
            }
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
            ShardCommand::Subscribe(id, subject) => {
                if let Some(&key) = self.keys.get(&id) {
                    self.index.subscribe(key, subject);
                }
            }
            ShardCommand::Unsubscribe(id, subject) => {
                if let Some(&key) = self.keys.get(&id) {
                    self.index.unsubscribe(key, &subject);
                }
            }
            ShardCommand::Detach(id) => {
                if let Some(key) = self.keys.remove(&id) {
                    self.index.remove(key);
                }
            }
            ShardCommand::CloseAll(code) => {
                let remaining = self.index.iter().map(|(key, _)| key).collect();
                self.drain = Some(Drain { code, remaining, tick: time::interval(DRAIN_TICK) });
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

    /// Everything that waits, up to the limits of a batch.
    fn take_waiting(&mut self, first: Arc<Publication<Encodings<R>>>) -> Vec<Arc<Publication<Encodings<R>>>> {
        let mut bytes = first.data().len();
        let mut waiting = vec![first];
        while waiting.len() < BATCH_LEN_MAX && bytes < BATCH_BYTES_MAX {
            let Ok(next) = self.publications.try_recv() else { break };
            bytes += next.data().len();
            waiting.push(next);
        }
        // A subscription made before these messages were published must see them.
        while let Ok(command) = self.commands.try_recv() {
            self.handle(command);
        }
        waiting
    }

    async fn fan_out(&mut self, waiting: Vec<Arc<Publication<Encodings<R>>>>) {
        let mut turn = Turn::start();
        let (everyone, targeted) = self.plan(&waiting, &mut turn).await;
        let mut alike: HashMap<Mask, Vec<Key>> = HashMap::new();
        for (key, mask) in &targeted {
            let all = if self.index.hears_everyone(*key) { mask.union(everyone) } else { *mask };
            alike.entry(all).or_default().push(*key);
            turn.maybe_yield().await;
        }
        for (mask, keys) in alike {
            let batch = Batch::new(mask.select(&waiting));
            for receiver in keys.into_iter().filter_map(|key| self.index.get(key)) {
                deliver(receiver, &batch, &self.counters);
                turn.maybe_yield().await;
            }
        }
        if everyone == Mask::default() {
            return;
        }
        let batch = Batch::new(everyone.select(&waiting));
        for (key, receiver) in self.index.hearing_everyone() {
            if !targeted.contains_key(&key) {
                deliver(receiver, &batch, &self.counters);
            }
            turn.maybe_yield().await;
        }
    }

    /// Which of a turn's publications are for everyone, and which name a subject of a receiver's: for the receivers that
    /// some of them concern so. Those see the messages to everyone too, in the order of publication.
    async fn plan(
        &self,
        waiting: &[Arc<Publication<Encodings<R>>>],
        turn: &mut Turn,
    ) -> (Mask, HashMap<Key, Mask>) {
        let mut everyone = Mask::default();
        let mut targeted: HashMap<Key, Mask> = HashMap::new();
        for (at, publication) in waiting.iter().enumerate() {
            for subject in publication.audience().subjects() {
                turn.maybe_yield().await;
                if *subject == Subject::Everyone {
                    everyone.insert(at);
                }
                for key in self.index.subscribed_to(subject) {
                    targeted.entry(key).or_default().insert(at);
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

fn deliver<R: Receiver>(receiver: &R, batch: &Batch<R::Encodings>, counters: &Counters) {
    match receiver.deliver(batch) {
        Delivery::Accepted => counters.deliveries.add(batch.len() as u64),
        Delivery::Full => {
            // Without this batch the client would be behind without knowing.
            receiver.abort(CloseCode::SlowConsumer);
            counters.slow_consumers.add(1);
        }
        Delivery::Closed => {}
    }
}

/// Gives the thread away when a fan-out has held it long enough.
struct Turn {
    started: Instant,
    until_look: usize,
}

impl Turn {
    fn start() -> Self {
        Self { started: Instant::now(), until_look: RECEIVERS_PER_LOOK }
    }

    async fn maybe_yield(&mut self) {
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = RECEIVERS_PER_LOOK;
            if self.started.elapsed() >= TURN {
                tokio::task::yield_now().await;
                self.started = Instant::now();
            }
        }
    }
}
