//! What the connections of a publisher share: their queues and subscriptions.

mod confirmed;
mod gauges;
mod pipe;
mod resume;
mod waiting;

pub(crate) use confirmed::Asked;
pub(crate) use pipe::{Accepted, Pipe};

use crate::batch::Batch;
use crate::connections::random;
use crate::options::Options;
use crate::publisher::confirm::Confirmations;
use crate::publisher::history::History;
use crate::stats::Counters;
use bytes::{Bytes, BytesMut};
use pipe::{LIVE, Peered, Start};
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
    /// Peers that we connect to.
    dialled: Vec<Arc<Pipe>>,
    /// Peers that have connected to us.
    accepted: HashMap<PeerId, Arc<Accepted>>,
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
            dialled: Vec::new(),
            accepted: HashMap::new(),
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
    pub(crate) fn accept(&self, peer: &Peer, name: String) -> Arc<Accepted> {
        let resumable = Start::asked_by(peer).filter(|_| self.options.history_bytes_max > 0);
        let mut shared = self.shared();
        let accepted = Arc::new(Accepted {
            pipe: Pipe::new(shared.next_id(), name, self.options.queue_bytes_max),
            resumable,
            cursor: AtomicU64::new(LIVE),
            dropped: AtomicBool::new(false),
        });
        shared.accepted.insert(accepted.id, Arc::clone(&accepted));
        drop(shared);
        if self.welcome(&accepted, peer) {
            let _ = self.subscribe_accepted(&accepted, b""); // never too many: everything takes no room
        }
        accepted
    }

    /// A subscriber that we connect to.
    pub(crate) fn dial(&self, endpoint: &Endpoint) -> Arc<Pipe> {
        let mut shared = self.shared();
        let pipe = Arc::new(Pipe::new(shared.next_id(), endpoint.to_string(), self.options.queue_bytes_max));
        shared.dialled.push(Arc::clone(&pipe));
        pipe
    }

    /// The connection to a peer that we connect to stands.
    pub(crate) fn connected(&self, pipe: &Pipe, peer: &Peer) {
        if self.welcome(pipe, peer) {
            let _ = self.subscribe(pipe, b""); // as above
        }
    }

    /// A peer is here. One of ZMTP 1.0 cannot subscribe: it gets everything and picks.
    fn welcome(&self, pipe: &Pipe, peer: &Peer) -> bool {
        pipe.answers.store(peer.version >= Version::V3_1, Relaxed);
        peer.version == Version::V1_0
    }

    /// The connection that came to us is gone. Gives how many messages are no longer kept.
    pub(crate) fn leave(&self, accepted: &Accepted) -> usize {
        let mut shared = self.shared();
        shared.accepted.remove(&accepted.id);
        accepted.cursor.store(LIVE, Relaxed); // nobody waits for what it was to catch up on
        let lost = accepted.outbox.abandon();
        self.gone(&mut shared, accepted);
        lost
    }

    /// The connection that we made is gone; its queue stays.
    pub(crate) fn disconnected(&self, pipe: &Pipe) {
        self.gone(&mut self.shared(), pipe);
        // Who flushes does not wait for it any more, if another one is there.
        pipe.outbox.notify_waiters();
    }

    /// With the connection goes what the peer had subscribed to.
    fn gone(&self, shared: &mut Shared, pipe: &Pipe) {
        shared.topics.remove(pipe.id);
        shared.confirmations.leave(pipe.id);
        pipe.open.store(false, Relaxed);
        self.count(shared);
    }

    pub(crate) fn subscribe(&self, pipe: &Pipe, prefix: &[u8]) -> Result<(), TooMany> {
        let mut shared = self.shared();
        shared.topics.subscribe(pipe.id, prefix)?;
        self.subscribed_to(&shared, pipe);
        Ok(())
    }

    pub(crate) fn subscribe_accepted(&self, accepted: &Accepted, prefix: &[u8]) -> Result<(), TooMany> {
        let mut shared = self.shared();
        let begins = prefix.is_empty() && !shared.topics.wants_all(accepted.id);
        shared.topics.subscribe(accepted.id, prefix)?;
        if let Some(start) = accepted.resumable.filter(|_| begins) {
            self.begin(&shared.history, accepted, start);
        }
        self.subscribed_to(&shared, accepted);
        Ok(())
    }

    fn subscribed_to(&self, shared: &Shared, pipe: &Pipe) {
        pipe.open.store(true, Relaxed);
        pipe.outbox.wake_writer();
        self.count(shared);
    }

    pub(crate) fn cancel(&self, pipe: &Pipe, prefix: &[u8]) {
        let mut shared = self.shared();
        shared.topics.cancel(pipe.id, prefix);
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

    /// Queues a batch for everybody concerned, and gives the offset behind it; `None` when we connect to peers and none of
    /// them has room.
    pub(crate) fn push(&self, batch: &Batch) -> Option<u64> {
        self.push_to(&mut self.shared(), batch)
    }

    fn push_to(&self, shared: &mut Shared, batch: &Batch) -> Option<u64> {
        let (first, slices) = (shared.history.next(), std::slice::from_ref(batch.bytes()));
        let end = first + batch.messages() as u64;
        let push = |pipe: &Pipe| pipe.outbox.push_up_to(end, slices, batch.retained_bytes());
        let full: Vec<_> = shared.dialled.iter().filter(|pipe| !push(pipe)).collect();
        if !full.is_empty() && full.len() == shared.dialled.len() {
            return None;
        }
        self.counters.add_messages(batch.messages(), batch.bytes().len());
        shared.history.push(batch);
        // The others have had the oldest by now: the newest is what this one may be needed for.
        for pipe in full {
            let forgotten = pipe.outbox.make_room();
            let refused = if push(pipe) { 0 } else { batch.messages() };
            let why = "one of several peers is away or too slow";
            self.counters.add_dropped(forgotten + refused, &pipe.name, why);
        }
        for id in shared.topics.all() {
            let Some(peer) = shared.accepted.get(id) else { continue };
            if peer.is_behind() {
                continue; // the history has it
            }
            if peer.resumable.is_none() {
                self.offer(peer, end, slices, batch.messages(), batch.retained_bytes());
            } else if !push(peer) {
                peer.cursor.store(first, Relaxed);
                peer.outbox.wake_writer(); // it may have found nothing a moment ago
            }
        }
        if shared.topics.any_prefix() {
            self.push_matching(shared, batch, end);
        }
        Some(end)
    }

    fn offer(&self, peer: &Accepted, end: u64, slices: &[Bytes], messages: usize, retained: usize) {
        if peer.outbox.push_up_to(end, slices, retained) {
            peer.dropped.store(false, Relaxed);
        } else if peer.dropped.swap(true, Relaxed) {
            self.counters.add_dropped_again(messages);
        } else {
            self.counters.add_dropped(messages, &peer.name, "slow subscriber: its queue is full");
        }
    }

    /// Neighbouring messages for one subscriber leave as one slice.
    fn push_matching(&self, shared: &mut Shared, batch: &Batch, end: u64) {
        let Shared { accepted, topics, runs, .. } = shared;
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
            let Some(peer) = accepted.get(&id).filter(|_| !topics.wants_all(id)) else { continue };
            let slices: Vec<Bytes> = runs.into_iter().map(|run| batch.bytes().slice(run)).collect();
            let messages = slices.iter().map(|slice| Spans::new(slice).count()).sum();
            self.offer(peer, end, &slices, messages, batch.retained_bytes());
        }
    }

    /// What a peer that we connect to wants of a run that waited for it; `None`: all of it.
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
}

impl Shared {
    fn next_id(&mut self) -> PeerId {
        self.next += 1;
        self.next - 1
    }

    /// The queue of a peer.
    fn subscriber(&self, id: PeerId) -> Option<Peered> {
        let accepted = self.accepted.get(&id).cloned().map(Peered::Accepted);
        accepted.or_else(|| self.dialled.iter().find(|pipe| pipe.id == id).cloned().map(Peered::Dialled))
    }
}

#[cfg(test)]
mod tests;
