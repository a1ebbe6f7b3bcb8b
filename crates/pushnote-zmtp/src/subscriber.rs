//! The SUB socket.

mod upstream;

use crate::batch::{Batch, Message, Sender, Unread};
use crate::link::{Everything, Intake, Link};
use crate::monitor::Monitor;
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::roads::{Role, accept, dial, failed};
use crate::stats::{CloseCause, Counters, Stats};
use crate::transport::{self, BindError};
use bytes::{Bytes, BytesMut};
use pushnote_zmtp_proto::command::{Command, put_subscribe};
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::handshake::{SocketType, Version};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use upstream::Upstream;

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
        let (counters, subscribed) = Default::default();
        let inlet = Arc::new(Inlet { batches: sender, options, counters, subscribed });
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
        let (listener, endpoint) = transport::listen(endpoint).await?;
        self.listening.push(endpoint);
        self.tasks.spawn(accept(listener, Arc::clone(&self.inlet)));
        Ok(())
    }

    /// Connects to a further endpoint.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_also(&mut self, endpoint: Endpoint) {
        let name = endpoint.to_string();
        let upstream = Upstream::new(Arc::clone(&self.inlet), name);
        self.tasks.spawn(dial(endpoint, Arc::new(upstream)));
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
    ///
    /// # Panics
    /// When a task of the socket did.
    pub async fn recv(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.unread.next() {
                return Some(message);
            }
            self.unread = self.recv_batch().await?.into();
        }
    }

    /// The next run of messages of one publisher, as it came: for relays. Do not mix with [`Subscriber::recv`],
    /// which may have begun to take a run apart. Cancel-safe; `None` only after [`Subscriber::close`].
    ///
    /// # Panics
    /// When a task of the socket did.
    pub async fn recv_batch(&mut self) -> Option<Batch> {
        tokio::select! {
            biased; // where there is something to do, nothing else is looked at
            batch = self.batches.recv() => batch,
            never = failed(&mut self.tasks) => match never {},
        }
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

    /// A view of this socket for whoever watches it.
    pub fn monitor(&self) -> Monitor {
        Monitor::of_subscriber(&self.inlet)
    }
}

/// What the connections of a [`Subscriber`] share.
#[derive(Debug)]
pub(crate) struct Inlet {
    batches: mpsc::Sender<Batch>,
    options: Options,
    pub(crate) counters: Counters,
    /// The endpoints we connect to whose publishers have had the subscription, each once.
    pub(crate) subscribed: watch::Sender<Vec<String>>,
}

impl Inlet {
    fn wants_all(&self) -> bool {
        self.options.topics.iter().any(Bytes::is_empty)
    }

    /// Publishers filter, save those of ZMTP 1.0.
    fn pick(&self, batch: Batch) -> Batch {
        let topics = &self.options.topics;
        if self.wants_all() {
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
        let sender = link.peer.key.map(Arc::new);
        let subscriptions = self.subscriptions(&link);
        self.receive(link, subscriptions, Accepted { inlet: self, sender }).await
    }
}

impl Inlet {
    /// What a connection begins with.
    fn subscriptions(&self, link: &Link) -> BytesMut {
        let mut subscriptions = BytesMut::new();
        let silent = link.peer.version == Version::V1_0; // sends everything, understands nothing
        // Beside the subscription to everything the others mean nothing, and would come before a stream is numbered.
        let all = self.wants_all();
        for topic in self.options.topics.iter().filter(|topic| !silent && (topic.is_empty() || !all)) {
            put_subscribe(&mut subscriptions, topic, link.peer.version >= Version::V3_1);
        }
        subscriptions
    }

    /// Says `first`, and carries to `intake` what comes.
    async fn receive(&self, link: Link, first: BytesMut, intake: impl Intake) -> CloseCause {
        let outbox = Outbox::new(self.options.queue_bytes_max);
        let mut unsent = Unsent::beginning_with(first);
        link.run(&self.options, &outbox, &mut unsent, Everything, intake).await
    }
}

impl Inlet {
    async fn take(&self, batch: Batch) -> Result<(), CloseCause> {
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

impl Intake for Accepted<'_> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_whose_ear_has_crashed_is_not_deaf_in_silence() {
        let mut subscriber = Subscriber::new(Options::default());
        subscriber.tasks.spawn(async { panic!("a fault of ours") });
        let heard = tokio::spawn(async move { subscriber.recv().await.is_some() });
        assert!(heard.await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn what_is_published_once_it_has_subscribed_is_heard() {
        for history_bytes_max in [0, 1 << 20] {
            let options = Options { history_bytes_max, ..Options::default() };
            let any = "tcp://127.0.0.1:*".parse().unwrap();
            let publisher = crate::Publisher::bind(&any, options).await.unwrap();
            let endpoint = publisher.local_endpoint().unwrap().clone();
            let mut subscriber = Subscriber::connect(endpoint.clone(), Options::default());
            assert_eq!(subscriber.monitor().subscribed(0).await, [endpoint.to_string()]);
            publisher.try_send("heard").unwrap();
            assert_eq!(subscriber.recv().await.unwrap().topic(), b"heard");
        }
    }
}
