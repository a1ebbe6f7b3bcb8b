//! What the connections of a publisher share: their queues and subscriptions.

mod gauges;

use crate::batch::Batch;
use crate::command::{put_ping, put_position};
use crate::confirm::{Confirmations, Context};
use crate::endpoint::Endpoint;
use crate::frame::Spans;
use crate::handshake::{Peer, Version};
use crate::history::History;
use crate::options::{Options, SlowSubscriber};
use crate::outbox::Outbox;
use crate::position::{self, Position};
use crate::roads::random;
use crate::stats::Counters;
use crate::topics::{PeerId, TooMany, Topics};
use bytes::{Bytes, BytesMut};
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// One subscriber's queue.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) id: PeerId,
    /// For log lines and metrics.
    pub(crate) name: String,
    pub(crate) outbox: Outbox,
    /// We connect to it: it keeps its queue while it is away.
    kept: bool,
    /// It has subscribed since it connected.
    open: AtomicBool,
    /// It answers PINGs: a peer of ZMTP 3.1.
    answers: AtomicBool,
    numbered: Option<Start>,
    /// The number of the first message which the peer has to get from the history, [`LIVE`] when there is none.
    /// Changes only while [`Fanout::shared`] is held.
    cursor: AtomicU64,
    /// Its log line about dropped messages was written: they may be millions a second.
    dropped: AtomicBool,
}

/// Where a peer wants its numbered stream to begin.
#[derive(Clone, Copy, Debug)]
enum Start {
    Now,
    From(Position),
}

impl Start {
    /// What a peer asks for; `None` when it does not know of numbers.
    fn asked_by(peer: &Peer) -> Option<Self> {
        let value = peer.property(position::PROPERTY)?;
        Some(Position::from_bytes(value).map_or(Start::Now, Start::From))
    }
}

const LIVE: u64 = u64::MAX;
/// What is taken from the history at a time, so that nobody holds up the others.
const CATCH_UP_BYTES: usize = 256 << 10;

impl Outlet {
    fn is_behind(&self) -> bool {
        self.cursor.load(Relaxed) != LIVE
    }

    fn has_room(&self) -> bool {
        !self.outbox.is_full() && !self.is_behind()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    /// Returns when the queue was full each time it was looked at for as long as is tolerated.
    pub(crate) async fn stayed_full(&self, policy: SlowSubscriber) {
        const LOOKS: u32 = 8;
        let SlowSubscriber::Disconnect(after) = policy else { return std::future::pending().await };
        let mut full = 0;
        while full < LOOKS {
            sleep(after / LOOKS).await;
            full = if self.has_room() { 0 } else { full + 1 };
        }
    }
}

#[derive(Debug)]
pub(crate) struct Fanout {
    pub(crate) options: Options,
    pub(crate) counters: Counters,
    shared: Mutex<Shared>,
    subscribed: watch::Sender<usize>,
    epoch: u64,
}

#[derive(Debug)]
struct Shared {
    next: PeerId,
    outlets: HashMap<PeerId, Arc<Outlet>>,
    topics: Topics,
    history: History,
    confirmations: Confirmations,
    /// Scratch: who wants which runs of the batch at hand.
    runs: HashMap<PeerId, Vec<Range<usize>>>,
}

impl Fanout {
    pub(crate) fn new(options: Options) -> Self {
        let shared = Shared {
            next: 0,
            outlets: HashMap::new(),
            topics: Topics::new(options.subscription_bytes_max),
            history: History::new(options.history_bytes_max),
            confirmations: Confirmations::default(),
            runs: HashMap::new(),
        };
        let subscribed = watch::Sender::new(0);
        let counters = Counters::default();
        Fanout { options, counters, shared: Mutex::new(shared), subscribed, epoch: random() }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A subscriber that has connected to us.
    pub(crate) fn add(&self, peer: &Peer, name: String) -> Arc<Outlet> {
        let numbered = Start::asked_by(peer).filter(|_| self.options.history_bytes_max > 0);
        let outlet = self.insert(false, numbered, name);
        self.welcome(&outlet, peer);
        outlet
    }

    /// A subscriber that we connect to.
    pub(crate) fn add_kept(&self, endpoint: &Endpoint) -> Arc<Outlet> {
        self.insert(true, None, endpoint.to_string())
    }

    fn insert(&self, kept: bool, numbered: Option<Start>, name: String) -> Arc<Outlet> {
        let mut shared = self.shared();
        let id = shared.next;
        shared.next += 1;
        let outlet = Arc::new(Outlet {
            id,
            name,
            outbox: Outbox::new(self.options.queue_bytes_max),
            kept,
            open: AtomicBool::new(false),
            answers: AtomicBool::new(false),
            numbered,
            cursor: AtomicU64::new(LIVE),
            dropped: AtomicBool::new(false),
        });
        shared.outlets.insert(id, Arc::clone(&outlet));
        outlet
    }

    /// The connection is gone, and with it what the peer had subscribed to.
    pub(crate) fn leave(&self, outlet: &Outlet) {
        let mut shared = self.shared();
        shared.topics.remove(outlet.id);
        shared.confirmations.leave(outlet.id);
        outlet.open.store(false, Relaxed);
        if outlet.kept {
            // Who flushes does not wait for it any more, if another one is there.
            outlet.outbox.stir();
        } else {
            shared.outlets.remove(&outlet.id);
            outlet.cursor.store(LIVE, Relaxed); // nobody waits for what it was to catch up on
            outlet.outbox.abandon();
        }
        self.count(&shared);
    }

    /// A peer is here. One of ZMTP 1.0 cannot subscribe: it gets everything and picks.
    pub(crate) fn welcome(&self, outlet: &Outlet, peer: &Peer) {
        outlet.answers.store(peer.version >= Version::V3_1, Relaxed);
        if peer.version == Version::V1_0 {
            let _ = self.subscribe(outlet, b""); // never too many: it is the first
        }
    }

    pub(crate) fn subscribe(&self, outlet: &Outlet, prefix: &[u8]) -> Result<(), TooMany> {
        let shared = &mut *self.shared();
        let begins = prefix.is_empty() && !shared.topics.wants_all(outlet.id);
        shared.topics.subscribe(outlet.id, prefix)?;
        if let Some(start) = outlet.numbered.filter(|_| begins) {
            self.begin(&shared.history, outlet, start);
        }
        outlet.open.store(true, Relaxed);
        outlet.outbox.nudge();
        self.count(shared);
        Ok(())
    }

    pub(crate) fn cancel(&self, outlet: &Outlet, prefix: &[u8]) {
        if prefix.is_empty() && outlet.numbered.is_some() {
            return; // a numbered stream has no holes: it begins once, and ends with the connection
        }
        let mut shared = self.shared();
        shared.topics.cancel(outlet.id, prefix);
        self.count(&shared);
    }

    fn count(&self, shared: &Shared) {
        let peers = shared.topics.peers();
        self.subscribed.send_if_modified(|known| std::mem::replace(known, peers) != peers);
    }

    pub(crate) async fn subscribed(&self) {
        // Fails only when the sender is gone, and it is here.
        let _ = self.subscribed.subscribe().wait_for(|peers| *peers > 0).await;
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        *self.subscribed.borrow() > 0
    }

    /// A numbered stream begins: at what the peer has not had, as far as it is here.
    fn begin(&self, history: &History, outlet: &Outlet, start: Start) {
        let from = match start {
            Start::Now => history.next(),
            Start::From(position) if position.epoch == self.epoch => position.sequence.min(history.next()),
            // It knows another run of this publisher, and has had nothing of this one.
            Start::From(_) => 0,
        };
        let from = from.max(history.start());
        self.tell_position(outlet, from);
        outlet.cursor.store(if from < history.next() { from } else { LIVE }, Relaxed);
    }

    fn tell_position(&self, outlet: &Outlet, sequence: u64) {
        outlet.outbox.push_mark(|out| put_position(out, Position { epoch: self.epoch, sequence }));
    }

    /// Queues what a peer that is behind has missed, a piece of it; false when it is not behind. Its queue is empty.
    pub(crate) fn catch_up(&self, outlet: &Outlet) -> bool {
        if !outlet.is_behind() {
            return false;
        }
        let Shared { history, .. } = &*self.shared();
        let mut from = outlet.cursor.load(Relaxed);
        if from < history.start() {
            let lost = history.start() - from;
            let why = "slow subscriber: the history does not reach back to it";
            self.counters.add_dropped(lost as usize, &outlet.name, why);
            from = history.start();
            self.tell_position(outlet, from);
        }
        let mut bytes = 0;
        while let Some((batch, next)) = history.read(from).filter(|_| bytes < CATCH_UP_BYTES) {
            if !outlet.outbox.push(std::slice::from_ref(batch.bytes()), batch.retained_bytes()) {
                break;
            }
            bytes += batch.bytes().len();
            from = next;
        }
        outlet.cursor.store(if from < history.next() { from } else { LIVE }, Relaxed);
        outlet.outbox.stir();
        true
    }

    /// Queues a batch for everybody concerned; false when we connect to peers and none of them has room.
    pub(crate) fn push(&self, batch: &Batch) -> bool {
        self.push_to(&mut self.shared(), batch)
    }

    /// As [`Fanout::push`] for one message, and asks the peers concerned to confirm it. Gives what the message's number
    /// is, how many peers it concerns, and what to wait for.
    pub(crate) fn push_confirmed(self: &Arc<Self>, batch: &Batch) -> Option<Asked> {
        let shared = &mut *self.shared();
        let sequence = shared.history.next();
        let topic =
            batch.spans().next().map_or(&b""[..], |span| &batch.bytes()[span.topic_start..span.topic_end]);
        let concerned = shared.outlets.values().filter(|outlet| shared.topics.wants(outlet.id, topic));
        let concerned: Vec<_> =
            concerned.map(|outlet| (outlet.outbox.accepted(), Arc::clone(outlet))).collect();
        if !self.push_to(shared, batch) {
            return None;
        }
        let Shared { confirmations, .. } = shared;
        let context = confirmations.context();
        let mut asked = HashSet::new();
        for (before, outlet) in concerned.iter().filter(|(_, outlet)| outlet.answers.load(Relaxed)) {
            // A PING that does not follow the message would be answered all the same.
            if outlet.outbox.accepted() > *before {
                outlet.outbox.push_mark(|out| put_ping(out, 0, &context));
                asked.insert(outlet.id);
            }
        }
        self.counters.add_confirmations_asked(asked.len());
        let settled = confirmations.expect(asked);
        let position = Position { epoch: self.epoch, sequence };
        Some(Asked { fanout: Arc::clone(self), context, settled, position, subscribers: concerned.len() })
    }

    /// A peer has answered a PING.
    pub(crate) fn pong(&self, outlet: &Outlet, context: &[u8]) {
        if self.shared().confirmations.pong(outlet.id, context) {
            self.counters.add_confirmed();
        }
    }

    fn push_to(&self, shared: &mut Shared, batch: &Batch) -> bool {
        let push =
            |outlet: &Outlet| outlet.outbox.push(std::slice::from_ref(batch.bytes()), batch.retained_bytes());
        let (mut kept, mut full) = (0, Vec::new());
        for outlet in shared.outlets.values().filter(|outlet| outlet.kept) {
            kept += 1;
            if !push(outlet) {
                full.push(outlet);
            }
        }
        if kept > 0 && full.len() == kept {
            return false;
        }
        self.counters.add_messages(batch.messages(), batch.bytes().len());
        let first = shared.history.push(batch);
        // The others have had the oldest by now: the newest is what this one may be needed for.
        for outlet in full {
            let forgotten = outlet.outbox.make_room();
            let refused = if push(outlet) { 0 } else { batch.messages() };
            let why = "one of several peers is away or too slow";
            self.counters.add_dropped(forgotten + refused, &outlet.name, why);
        }
        for id in shared.topics.all() {
            let Some(outlet) = shared.outlets.get(id).filter(|outlet| !outlet.kept) else { continue };
            if outlet.is_behind() {
                continue; // the history has it
            }
            let slices = std::slice::from_ref(batch.bytes());
            if outlet.numbered.is_none() {
                self.offer(outlet, slices, batch.messages(), batch.retained_bytes());
            } else if !outlet.outbox.push(slices, batch.retained_bytes()) {
                outlet.cursor.store(first, Relaxed);
                outlet.outbox.nudge(); // its writer may have found nothing a moment ago
            }
        }
        if shared.topics.any_prefix() {
            self.push_matching(shared, batch);
        }
        true
    }

    fn offer(&self, outlet: &Outlet, slices: &[Bytes], messages: usize, retained: usize) {
        if !outlet.outbox.push(slices, retained) {
            if outlet.dropped.swap(true, Relaxed) {
                self.counters.add_dropped_again(messages);
            } else {
                self.counters.add_dropped(messages, &outlet.name, "slow subscriber: its queue is full");
            }
        }
    }

    /// Neighbouring messages for one subscriber leave as one slice.
    fn push_matching(&self, shared: &mut Shared, batch: &Batch) {
        let Shared { outlets, topics, runs, .. } = shared;
        for span in batch.spans() {
            topics.matching(&batch.bytes()[span.topic_start..span.topic_end], |id| {
                let runs = runs.entry(id).or_default();
                match runs.last_mut() {
                    Some(last) if last.end == span.end => {}
                    Some(last) if last.end == span.start => last.end = span.end,
                    _ => runs.push(span.start..span.end),
                }
            });
        }
        for (id, runs) in runs.drain() {
            let Some(outlet) = outlets.get(&id).filter(|outlet| !outlet.kept && !topics.wants_all(id)) else {
                continue;
            };
            let slices: Vec<Bytes> = runs.into_iter().map(|run| batch.bytes().slice(run)).collect();
            let messages = slices.iter().map(|slice| Spans::new(slice).count()).sum();
            self.offer(outlet, &slices, messages, batch.retained_bytes());
        }
    }

    /// What a kept peer wants of a run that waited for it; `None`: all of it.
    pub(crate) fn pick(&self, id: PeerId, run: &Bytes) -> Option<Bytes> {
        let shared = self.shared();
        if shared.topics.wants_all(id) {
            return None;
        }
        let mut wanted = BytesMut::new();
        for span in Spans::new(run) {
            if shared.topics.wants(id, &run[span.topic_start..span.topic_end]) {
                wanted.extend_from_slice(&run[span.start..span.end]);
            }
        }
        Some(wanted.freeze())
    }

    fn outlets(&self) -> Vec<Arc<Outlet>> {
        self.shared().outlets.values().cloned().collect()
    }

    pub(crate) async fn ready(&self) {
        let kept: Vec<_> = self.outlets().into_iter().filter(|outlet| outlet.kept).collect();
        let mut rooms: Vec<_> = kept.iter().map(|outlet| Box::pin(outlet.outbox.room())).collect();
        if !rooms.is_empty() {
            poll_fn(|context| {
                let any = rooms.iter_mut().any(|room| room.as_mut().poll(context).is_ready());
                if any { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        if self.options.slow_subscriber == SlowSubscriber::Wait {
            // Also for those who came, or fell behind, while others were waited for.
            let waits = |outlet: &&Arc<Outlet>| !outlet.kept && !outlet.has_room();
            let next = || self.shared().outlets.values().find(waits).cloned();
            while let Some(outlet) = next() {
                outlet.outbox.room_and(|| !outlet.is_behind()).await;
            }
        }
    }

    /// Waits until those who connect to us have everything, and of those we connect to one and all others that are
    /// there: the others bring the same.
    pub(crate) async fn flush(&self) {
        let marked: Vec<_> =
            self.outlets().into_iter().map(|outlet| (outlet.outbox.accepted(), outlet)).collect();
        let next = self.shared().history.next();
        let (kept, passing): (Vec<_>, Vec<_>) = marked.iter().partition(|(_, outlet)| outlet.kept);
        for (_, outlet) in passing {
            // First it gets what it missed.
            outlet.outbox.stirred_until(|| outlet.cursor.load(Relaxed) >= next).await;
            outlet.outbox.flushed(outlet.outbox.accepted()).await;
        }
        if kept.is_empty() {
            return;
        }
        let mut flushing: Vec<_> =
            kept.iter().map(|(mark, outlet)| Some(Box::pin(outlet.outbox.flushed(*mark)))).collect();
        poll_fn(|context| {
            let (mut done, mut awaited) = (0, 0);
            for (flush, (_, outlet)) in flushing.iter_mut().zip(&kept) {
                if flush.as_mut().is_none_or(|flush| flush.as_mut().poll(context).is_ready()) {
                    *flush = None;
                    done += 1;
                } else if outlet.is_open() {
                    awaited += 1;
                }
            }
            if done > 0 && awaited == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A message that subscribers were asked to confirm. Dropping it ends the waiting.
#[derive(Debug)]
pub(crate) struct Asked {
    fanout: Arc<Fanout>,
    context: Context,
    settled: Arc<Notify>,
    pub(crate) position: Position,
    /// Peers that the message concerns, also those that cannot confirm.
    pub(crate) subscribers: usize,
}

impl Asked {
    /// Waits until all that were asked have answered or are gone.
    pub(crate) async fn settled(&self) {
        self.settled.notified().await;
    }

    /// How many have confirmed.
    pub(crate) fn confirmed(self) -> usize {
        self.fanout.shared().confirmations.close(self.context)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.fanout.shared().confirmations.close(self.context);
    }
}

#[cfg(test)]
mod tests;
