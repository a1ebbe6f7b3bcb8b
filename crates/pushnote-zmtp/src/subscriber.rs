//! The SUB socket.

use crate::batch::{Batch, Message, Unread};
use crate::command::{Command, put_subscribe};
use crate::endpoint::Endpoint;
use crate::handshake::{SocketType, Version};
use crate::link::{Everything, Intake, Link};
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::roads::{Role, accept, dial};
use crate::stats::{CloseCause, Counters, Stats};
use crate::stream::{BindError, Listener};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Batches that may wait between the connections and the reader of the socket. When they do, connections are not
/// read: the publishers' own queues fill.
const BATCHES_MAX: usize = 16;

/// Receives what publishers send. Listens, connects, or both; dropping it closes all connections.
#[derive(Debug)]
pub struct Subscriber {
    inlet: Arc<Inlet>,
    batches: mpsc::Receiver<Batch>,
    unread: Unread,
    listening: Vec<Endpoint>,
    tasks: JoinSet<()>,
}

impl Subscriber {
    /// A socket without endpoints: give it some with `bind_also` and `connect_also`.
    pub fn new(options: Options) -> Self {
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        let inlet = Arc::new(Inlet { batches: sender, options, counters: Counters::default() });
        let (unread, listening, tasks) = Default::default();
        Subscriber { inlet, batches, unread, listening, tasks }
    }

    /// A socket that listens on `endpoint`. It does so when this returns.
    ///
    /// # Errors
    /// [`BindError`]: the port is in use, the address is not this machine's, the path cannot be made.
    pub async fn bind(endpoint: &Endpoint, options: Options) -> Result<Subscriber, BindError> {
        let mut subscriber = Self::new(options);
        subscriber.bind_also(endpoint).await?;
        Ok(subscriber)
    }

    /// A socket that connects to `endpoint`: at once, in the background, and again for ever.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(endpoint: Endpoint, options: Options) -> Subscriber {
        let mut subscriber = Self::new(options);
        subscriber.connect_also(endpoint);
        subscriber
    }

    /// Listens on a further endpoint.
    ///
    /// # Errors
    /// As [`Subscriber::bind`].
    pub async fn bind_also(&mut self, endpoint: &Endpoint) -> Result<(), BindError> {
        let (listener, endpoint) = Listener::bind(endpoint).await?;
        self.listening.push(endpoint);
        self.tasks.spawn(accept(listener, Arc::clone(&self.inlet)));
        Ok(())
    }

    /// Connects to a further endpoint.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_also(&mut self, endpoint: Endpoint) {
        self.tasks.spawn(dial(endpoint, Arc::clone(&self.inlet)));
    }

    /// The first endpoint it listens on, with its real port; `None` when it only connects.
    pub fn local_endpoint(&self) -> Option<&Endpoint> {
        self.listening.first()
    }

    /// All endpoints it listens on, with their real ports.
    pub fn local_endpoints(&self) -> &[Endpoint] {
        &self.listening
    }

    /// The next message; messages of one publisher come in order. `None` only after [`Subscriber::close`].
    ///
    /// Cancel-safe. While nobody calls it, publishers are slowed down, not buffered without bound.
    pub async fn recv(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.unread.next() {
                return Some(message);
            }
            self.unread = self.batches.recv().await?.into();
        }
    }

    /// Appends messages which are already here to `into`, at most `max`, without waiting. Returns how many.
    pub fn recv_many(&mut self, into: &mut Vec<Message>, max: usize) -> usize {
        let before = into.len();
        while into.len() - before < max {
            if let Some(message) = self.unread.next() {
                into.push(message);
            } else if let Ok(batch) = self.batches.try_recv() {
                self.unread = batch.into();
            } else {
                break;
            }
        }
        into.len() - before
    }

    /// The next run of messages of one publisher, as it came: for relays. Do not mix with [`Subscriber::recv`],
    /// which may have begun to take a run apart. Cancel-safe; `None` only after [`Subscriber::close`].
    pub async fn recv_batch(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }

    /// Ends all connections. What was received before can still be taken.
    pub fn close(&mut self) {
        self.tasks.abort_all();
        self.batches.close();
    }

    /// Counters since the socket was made.
    pub fn stats(&self) -> Stats {
        self.inlet.counters.snapshot()
    }
}

/// What the connections of a [`Subscriber`] share.
#[derive(Debug)]
struct Inlet {
    batches: mpsc::Sender<Batch>,
    options: Options,
    counters: Counters,
}

impl Inlet {
    /// Publishers filter, save those of ZMTP 1.0.
    fn pick(&self, batch: Batch) -> Batch {
        let topics = &self.options.topics;
        if topics.iter().any(Bytes::is_empty) {
            return batch;
        }
        batch.keep(|topic| topics.iter().any(|prefix| topic.starts_with(prefix)))
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
        let mut subscriptions = BytesMut::new();
        let silent = link.peer.version == Version::V1_0; // sends everything, understands nothing
        for topic in self.options.topics.iter().filter(|_| !silent) {
            put_subscribe(&mut subscriptions, topic, link.peer.version >= Version::V3_1);
        }
        let outbox = Outbox::new(self.options.queue_bytes_max);
        let mut unsent = Unsent::beginning_with(subscriptions);
        link.run(&self.options, &outbox, &mut unsent, Everything, self).await
    }
}

impl Intake for &Inlet {
    async fn batch(&mut self, batch: Batch) -> Result<(), CloseCause> {
        let batch = self.pick(batch);
        if batch.messages() == 0 {
            return Ok(());
        }
        self.counters.add_messages(batch.messages(), batch.bytes().len());
        self.batches.send(batch).await.map_err(|_| CloseCause::Local)
    }

    fn subscription(&mut self, _: Command<'_>) -> Result<(), CloseCause> {
        Ok(()) // nothing to a SUB socket
    }
}
