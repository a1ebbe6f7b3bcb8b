//! A publisher's subscribers, each with its queue.

use crate::options::SlowSubscriber;
use crate::outbox::Outbox;
use pushnote_zmtp_proto::handshake::Peer;
use pushnote_zmtp_proto::position::{self, Position};
use pushnote_zmtp_proto::topics::PeerId;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use tokio::time::sleep;

/// One subscriber and its queue. Of one that we connect to, both outlive the connection.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) id: PeerId,
    /// For log lines and metrics.
    pub(crate) name: String,
    pub(crate) outbox: Outbox,
    /// It has subscribed since it connected.
    pub(super) open: AtomicBool,
    /// It answers PINGs: a peer of ZMTP 3.1.
    pub(super) answers: AtomicBool,
}

impl Pipe {
    pub(super) fn new(id: PeerId, name: String, queue_bytes_max: usize) -> Self {
        let outbox = Outbox::new(queue_bytes_max);
        Pipe { id, name, outbox, open: AtomicBool::new(false), answers: AtomicBool::new(false) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }
}

/// A subscriber that has connected to us: it may have a place in the history.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(super) pipe: Pipe,
    pub(super) resumable: Option<Start>,
    /// The number of the first message which the peer has to get from the history, [`LIVE`] when there is none.
    /// Changes only while [`Fanout::shared`] is held.
    pub(super) cursor: AtomicU64,
    /// Its log line about dropped messages was written: they may be millions a second.
    pub(super) dropped: AtomicBool,
}

impl Deref for Accepted {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        &self.pipe
    }
}

/// A subscriber of either kind.
pub(super) enum Peered {
    Accepted(Arc<Accepted>),
    Dialled(Arc<Pipe>),
}

impl Deref for Peered {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        match self {
            Peered::Accepted(accepted) => accepted,
            Peered::Dialled(pipe) => pipe,
        }
    }
}

/// Where a peer wants its resumable stream to begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    Now,
    From(Position),
}

impl Start {
    /// What a peer asks for; `None` when it does not know of numbers.
    pub(super) fn asked_by(peer: &Peer) -> Option<Self> {
        let value = peer.property(position::PROPERTY)?;
        Some(Position::from_bytes(value).map_or(Start::Now, Start::From))
    }
}

/// Where a peer is that gets messages as they come.
pub(super) const LIVE: u64 = u64::MAX;

impl Accepted {
    pub(super) fn is_behind(&self) -> bool {
        self.cursor.load(Relaxed) != LIVE
    }

    /// Whether it asks for what it missed when it comes again.
    pub(crate) fn is_resumable(&self) -> bool {
        self.resumable.is_some()
    }

    pub(super) fn has_room(&self) -> bool {
        !self.outbox.is_full() && !self.is_behind()
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
