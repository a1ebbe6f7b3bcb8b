//! The SUB socket.

mod inlet;
mod upstream;

use crate::batch::{Batch, Multipart, Unread};
use crate::connections::{accept, dial, failed};
use crate::monitor::Monitor;
use crate::options::Options;
use crate::stats::Stats;
use crate::transport::{self, BindError};
pub use inlet::Beginning;
use inlet::Inlet;
use pushnote_zmtp_proto::endpoint::Endpoint;
use std::collections::HashMap;
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
    /// Endpoints it connects to.
    connecting: usize,
    tasks: JoinSet<()>,
}

impl Subscriber {
    /// A socket without endpoints: give it some with `bind_also` and `connect_also`.
    pub fn new(options: Options) -> Self {
        let (sender, batches) = mpsc::channel(BATCHES_MAX);
        let inlet = Arc::new(Inlet::new(sender, options));
        let (unread, listening, connecting, tasks) = Default::default();
        Subscriber { inlet, batches, unread, listening, connecting, tasks }
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
        self.connecting += 1;
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
    pub async fn recv(&mut self) -> Option<Multipart> {
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

    /// How many publishers it connects to; and where the streams begin of those that number them, by endpoint, as soon as
    /// they say so.
    pub fn streams(&self) -> (usize, watch::Receiver<HashMap<String, Beginning>>) {
        let mut streams = self.inlet.streams.subscribe();
        // What they have said already is news to who asks.
        streams.mark_changed();
        (self.connecting, streams)
    }

    /// Counters since the socket was made.
    pub fn stats(&self) -> Stats {
        self.inlet.counters.snapshot()
    }

    /// A view of this socket for whoever watches it.
    pub fn monitor(&self) -> Monitor {
        Monitor::of(Arc::clone(&self.inlet) as _)
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
            assert!(subscriber.streams().1.has_changed().unwrap(), "what was said before is not missed");
        }
    }
}
