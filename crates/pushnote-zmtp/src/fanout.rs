//! What the connections of a publisher share: their queues and subscriptions.

use crate::batch::Batch;
use crate::frame::Spans;
use crate::handshake::Version;
use crate::options::{Options, SlowSubscriber};
use crate::outbox::Outbox;
use crate::stats::Counters;
use crate::topics::{PeerId, TooMany, Topics};
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::watch;
use tokio::time::sleep;

/// One subscriber's queue.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) id: PeerId,
    pub(crate) outbox: Outbox,
    /// We connect to it: it keeps its queue while it is away.
    kept: bool,
    /// It has subscribed since it connected.
    open: AtomicBool,
}

impl Outlet {
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
            full = if self.outbox.is_full() { full + 1 } else { 0 };
        }
    }
}

#[derive(Debug)]
pub(crate) struct Fanout {
    pub(crate) options: Options,
    pub(crate) counters: Counters,
    shared: Mutex<Shared>,
    subscribed: watch::Sender<usize>,
}

#[derive(Debug)]
struct Shared {
    next: PeerId,
    outlets: HashMap<PeerId, Arc<Outlet>>,
    topics: Topics,
    /// Scratch: who wants which runs of the batch at hand.
    runs: HashMap<PeerId, Vec<Range<usize>>>,
}

impl Fanout {
    pub(crate) fn new(options: Options) -> Self {
        let topics = Topics::new(options.subscription_bytes_max);
        let shared = Shared { next: 0, outlets: HashMap::new(), topics, runs: HashMap::new() };
        let subscribed = watch::Sender::new(0);
        Fanout { options, counters: Counters::default(), shared: Mutex::new(shared), subscribed }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new subscriber: `kept` when we connect to it.
    pub(crate) fn add(&self, kept: bool) -> Arc<Outlet> {
        let mut shared = self.shared();
        let id = shared.next;
        shared.next += 1;
        let outbox = Outbox::new(self.options.queue_bytes_max);
        let outlet = Arc::new(Outlet { id, outbox, kept, open: AtomicBool::new(false) });
        shared.outlets.insert(id, Arc::clone(&outlet));
        outlet
    }

    /// The connection is gone, and with it what the peer had subscribed to.
    pub(crate) fn leave(&self, outlet: &Outlet) {
        let mut shared = self.shared();
        shared.topics.remove(outlet.id);
        outlet.open.store(false, Relaxed);
        if !outlet.kept {
            shared.outlets.remove(&outlet.id);
            outlet.outbox.abandon();
        }
        self.count(&shared);
    }

    /// A peer is here. One of ZMTP 1.0 cannot subscribe: it gets everything and picks.
    pub(crate) fn welcome(&self, outlet: &Outlet, version: Version) {
        if version == Version::V1_0 {
            let _ = self.subscribe(outlet, b""); // never too many: it is the first
        }
    }

    pub(crate) fn subscribe(&self, outlet: &Outlet, prefix: &[u8]) -> Result<(), TooMany> {
        let mut shared = self.shared();
        shared.topics.subscribe(outlet.id, prefix)?;
        outlet.open.store(true, Relaxed);
        outlet.outbox.nudge();
        self.count(&shared);
        Ok(())
    }

    pub(crate) fn cancel(&self, outlet: &Outlet, prefix: &[u8]) {
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

    /// Queues a batch for everybody concerned; false when we connect to peers and none of them has room.
    pub(crate) fn push(&self, batch: &Batch) -> bool {
        let shared = &mut *self.shared();
        let (mut kept, mut took) = (0, 0);
        for outlet in shared.outlets.values().filter(|outlet| outlet.kept) {
            kept += 1;
            took +=
                usize::from(outlet.outbox.push(std::slice::from_ref(batch.bytes()), batch.retained_bytes()));
        }
        if kept > 0 && took == 0 {
            return false;
        }
        self.counters.add_messages(batch.messages(), batch.bytes().len());
        if took < kept {
            self.counters.add_dropped(batch.messages(), "one of several peers is away or too slow");
        }
        for id in shared.topics.all() {
            let Some(outlet) = shared.outlets.get(id).filter(|outlet| !outlet.kept) else { continue };
            self.offer(outlet, std::slice::from_ref(batch.bytes()), batch.messages(), batch.retained_bytes());
        }
        if shared.topics.any_prefix() {
            self.push_matching(shared, batch);
        }
        true
    }

    fn offer(&self, outlet: &Outlet, slices: &[Bytes], messages: usize, retained: usize) {
        if !outlet.outbox.push(slices, retained) {
            self.counters.add_dropped(messages, "slow subscriber: its queue is full");
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
        let (kept, passing): (Vec<_>, Vec<_>) = self.outlets().into_iter().partition(|outlet| outlet.kept);
        let mut rooms: Vec<_> = kept.iter().map(|outlet| Box::pin(outlet.outbox.room())).collect();
        if !rooms.is_empty() {
            poll_fn(|context| {
                let any = rooms.iter_mut().any(|room| room.as_mut().poll(context).is_ready());
                if any { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        if self.options.slow_subscriber == SlowSubscriber::Wait {
            for outlet in passing {
                outlet.outbox.room().await;
            }
        }
    }

    pub(crate) async fn flush(&self) {
        let marks: Vec<_> =
            self.outlets().into_iter().map(|outlet| (outlet.outbox.accepted(), outlet)).collect();
        for (mark, outlet) in marks {
            outlet.outbox.flushed(mark).await;
        }
    }
}
