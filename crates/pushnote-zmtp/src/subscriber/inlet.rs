//! What comes in, whichever connection brings it.

use crate::batch::{Batch, Sender};
use crate::connections::Role;
use crate::inbound::Inbound;
use crate::link::Link;
use crate::monitor::Watched;
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::send_filter::Everything;
use crate::stats::{CloseCause, Counters};
use bytes::{Bytes, BytesMut};
use pushnote_zmtp_proto::command::{Command, put_subscribe};
use pushnote_zmtp_proto::handshake::{SocketType, Version};
use pushnote_zmtp_proto::position::Position;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What the connections of a [`Subscriber`](super::Subscriber) share.
#[derive(Debug)]
pub(crate) struct Inlet {
    batches: mpsc::Sender<Batch>,
    pub(super) options: Options,
    pub(crate) counters: Counters,
    /// The endpoints we connect to whose publishers have had the subscription, each once.
    pub(crate) subscribed: watch::Sender<Vec<String>>,
    /// Where the streams begin of the publishers that number them, by endpoint.
    pub(super) streams: watch::Sender<HashMap<String, Beginning>>,
}

/// Where the stream of a publisher begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// The position of the first message: from there on all have come. A connection that breaks changes that only if
    /// the next one does not go on where it was.
    pub from: Position,
    /// What is before this number, the publisher had before it was asked for all that it keeps.
    pub live: u64,
}

impl Inlet {
    pub(super) fn new(batches: mpsc::Sender<Batch>, options: Options) -> Self {
        let (counters, subscribed, streams) = Default::default();
        Inlet { batches, options, counters, subscribed, streams }
    }

    pub(super) fn wants_all(&self) -> bool {
        self.options.topics.iter().any(Bytes::is_empty)
    }

    /// Publishers filter, save those of ZMTP 1.0.
    pub(super) fn pick(&self, batch: Batch) -> Batch {
        let topics = &self.options.topics;
        if self.wants_all() {
            return batch;
        }
        batch.keep(|topic| topics.iter().any(|prefix| topic.starts_with(prefix)))
    }
}

impl Watched for Inlet {
    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn subscribed(&self) -> Option<watch::Receiver<Vec<String>>> {
        Some(self.subscribed.subscribe())
    }
}

impl Role for Inlet {
    const LOCAL: SocketType = SocketType::Sub;

    fn options(&self) -> &Options {
        &self.options
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let sender = link.peer.key.map(Arc::new);
        let subscriptions = self.subscriptions(&link);
        self.receive(link, subscriptions, Accepted { inlet: self, sender }).await
    }
}

impl Inlet {
    /// What a connection begins with.
    pub(super) fn subscriptions(&self, link: &Link) -> BytesMut {
        let mut subscriptions = BytesMut::new();
        let silent = link.peer.version == Version::V1_0; // sends everything, understands nothing
        // Beside the subscription to everything the others mean nothing, and would come before a stream is resumable.
        let all = self.wants_all();
        for topic in self.options.topics.iter().filter(|topic| !silent && (topic.is_empty() || !all)) {
            put_subscribe(&mut subscriptions, topic, link.peer.version >= Version::V3_1);
        }
        subscriptions
    }

    /// Says `first`, and carries to `inbound` what comes.
    pub(super) async fn receive(&self, link: Link, first: BytesMut, inbound: impl Inbound) -> CloseCause {
        let outbox = Outbox::new(self.options.queue_bytes_max);
        let mut unsent = Unsent::beginning_with(first);
        link.run(&self.options, &outbox, &mut unsent, Everything, inbound).await
    }
}

impl Inlet {
    pub(super) async fn take(&self, batch: Batch) -> Result<(), CloseCause> {
        let batch = self.pick(batch);
        if batch.messages() == 0 {
            return Ok(());
        }
        // What is cut off while it waits for room was not received.
        let room = self.batches.reserve().await.map_err(|_| CloseCause::Local)?;
        self.counters.add_messages(batch.messages(), batch.bytes().len());
        room.send(batch);
        Ok(())
    }
}

/// A publisher that connected to us.
struct Accepted<'a> {
    inlet: &'a Inlet,
    sender: Sender,
}

impl Inbound for Accepted<'_> {
    async fn batch(&mut self, batch: Batch) -> Result<(), CloseCause> {
        self.inlet.take(batch.of(&self.sender)).await
    }

    fn command(&mut self, _: Command<'_>) -> Result<(), CloseCause> {
        Ok(()) // nothing to a SUB socket that listens
    }

    fn unread(&self, bytes: usize, peer: &str) {
        self.inlet.counters.add_unread(bytes, peer);
    }
}
