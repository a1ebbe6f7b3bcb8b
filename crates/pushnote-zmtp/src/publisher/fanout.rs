//! What the connections of a publisher share: their queues and subscriptions.

mod confirmed;
mod gauges;
mod numbered;
mod outlet;
mod waiting;

pub(crate) use confirmed::Asked;
pub(crate) use outlet::Outlet;

use crate::batch::Batch;
use crate::options::Options;
use crate::outbox::Outbox;
use crate::publisher::confirm::Confirmations;
use crate::publisher::history::History;
use crate::roads::random;
use crate::stats::Counters;
use bytes::{Bytes, BytesMut};
use outlet::{LIVE, Start};
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::frame::Spans;
use pushnote_zmtp_proto::handshake::{Peer, Version};
use pushnote_zmtp_proto::topics::{PeerId, TooMany, Topics};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

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
            topics: Topics::new(options.subscription_bytes_max, options.subscriptions_bytes_max),
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

    /// The connection is gone, and with it what the peer had subscribed to. Gives how many messages are no longer kept.
    pub(crate) fn leave(&self, outlet: &Outlet) -> usize {
        let mut shared = self.shared();
        shared.topics.remove(outlet.id);
        shared.confirmations.leave(outlet.id);
        outlet.open.store(false, Relaxed);
        let lost = if outlet.kept {
            // Who flushes does not wait for it any more, if another one is there.
            outlet.outbox.stir();
            0
        } else {
            shared.outlets.remove(&outlet.id);
            outlet.cursor.store(LIVE, Relaxed); // nobody waits for what it was to catch up on
            outlet.outbox.abandon()
        };
        self.count(&shared);
        lost
    }

    /// A peer is here. One of ZMTP 1.0 cannot subscribe: it gets everything and picks.
    pub(crate) fn welcome(&self, outlet: &Outlet, peer: &Peer) {
        outlet.answers.store(peer.version >= Version::V3_1, Relaxed);
        if peer.version == Version::V1_0 {
            let _ = self.subscribe(outlet, b""); // never too many: everything takes no room
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

    /// Queues a batch for everybody concerned; false when we connect to peers and none of them has room.
    pub(crate) fn push(&self, batch: &Batch) -> bool {
        self.push_to(&mut self.shared(), batch)
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
}

#[cfg(test)]
mod tests;
