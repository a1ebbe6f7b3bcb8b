//! The PUB socket.

mod confirm;
pub(crate) mod fanout;
mod history;
mod peers;

use crate::batch::Batch;
use crate::connections::{accept, dial, failed};
use crate::monitor::Monitor;
use crate::options::Options;
use crate::stats::Stats;
use crate::transport::{self, BindError};
use fanout::{Asked, Fanout};
use peers::{Acceptor, Dialled};
use pushnote_net::timeout_awake;
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::position::Position;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::task::JoinSet;

/// A message that was not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue is full: the peer is away, or slower than this publisher.
    #[error("the queue is full: the peer is away or too slow")]
    Full,
    /// Longer than [`Options::frame_bytes_max`].
    #[error("message of {bytes} bytes, {max} are allowed")]
    TooLarge {
        /// Bytes it has.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
}

/// What became of a message that subscribers were asked to confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message's place in this publisher's stream.
    pub position: Position,
    /// Peers that had subscribed to it.
    pub subscribers: usize,
    /// How many of them have said in time that they have read it. Peers older than ZMTP 3.1 cannot.
    pub confirmed: usize,
}

/// The answers to come of subscribers that were asked to confirm a message.
#[derive(Debug)]
pub struct Confirmation(Asked);

impl Confirmation {
    /// Waits until all have answered or are gone, for `patience` at most. Who has let that pass is not waited for again
    /// until it has answered something, as long as there are others to wait for: one that never answers slows nobody.
    pub async fn within(self, patience: Duration) -> Delivery {
        let Confirmation(asked) = self;
        if timeout_awake(patience, asked.settled()).await.is_err() {
            asked.give_up(); // who has not answered by then is not counted
        }
        let (position, subscribers) = (asked.position, asked.subscribers);
        Delivery { position, subscribers, confirmed: asked.confirmed() }
    }
}

/// Sends to whoever subscribes. Listens, connects, or both; dropping it closes all connections and forgets what was
/// not written: [`Publisher::flush`] first.
///
/// A peer it connects *to* has a queue of its own that outlives the connection: while the peer is away, or has not
/// yet subscribed, messages wait there; when it is full and another peer's is not, the newest do. A peer that connects to *it* gets what comes while it is there.
#[derive(Debug)]
pub struct Publisher {
    fanout: Arc<Fanout>,
    listening: Vec<Endpoint>,
    tasks: JoinSet<()>,
}

impl Publisher {
    /// A socket without endpoints: give it some with `bind_also` and `connect_also`.
    pub fn new(options: Options) -> Self {
        Publisher { fanout: Arc::new(Fanout::new(options)), listening: Vec::new(), tasks: JoinSet::new() }
    }

    /// A socket that listens on `endpoint`. It does so when this returns.
    ///
    /// # Errors
    /// [`BindError`]: the port is in use, the address is not this machine's, the path cannot be made.
    pub async fn bind(endpoint: &Endpoint, options: Options) -> Result<Publisher, BindError> {
        let mut publisher = Self::new(options);
        publisher.bind_also(endpoint).await?;
        Ok(publisher)
    }

    /// A socket that connects to `endpoint`: at once, in the background, and again for ever.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(endpoint: Endpoint, options: Options) -> Publisher {
        let mut publisher = Self::new(options);
        publisher.connect_also(endpoint);
        publisher
    }

    /// Listens on a further endpoint.
    ///
    /// # Errors
    /// As [`Publisher::bind`].
    pub async fn bind_also(&mut self, endpoint: &Endpoint) -> Result<(), BindError> {
        let (listener, endpoint) = transport::listen(endpoint).await?;
        self.listening.push(endpoint);
        self.tasks.spawn(accept(listener, Arc::new(Acceptor(Arc::clone(&self.fanout)))));
        Ok(())
    }

    /// Connects to a further endpoint.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_also(&mut self, endpoint: Endpoint) {
        let pipe = self.fanout.dial(&endpoint);
        let dialled = Dialled::new(&self.fanout, pipe);
        self.tasks.spawn(dial(endpoint, Arc::new(dialled)));
    }

    /// The first endpoint it listens on, with its real port; `None` when it only connects.
    pub fn local_endpoint(&self) -> Option<&Endpoint> {
        self.listening.first()
    }

    /// All endpoints it listens on, with their real ports.
    pub fn local_endpoints(&self) -> &[Endpoint] {
        &self.listening
    }

    /// Queues one message for every peer concerned. A listener's slow subscribers are treated as
    /// [`Options::slow_subscriber`] says and are no error.
    ///
    /// # Errors
    /// [`QueueError::Full`] when it connects and no peer it connects to has room; [`QueueError::TooLarge`].
    pub fn try_send(&self, payload: impl AsRef<[u8]>) -> Result<(), QueueError> {
        self.send_batch(&self.frame(payload.as_ref())?).map(|_| ())
    }

    /// As [`Publisher::try_send`], but waits for room. Cancel-safe: cancelled, it has sent nothing.
    ///
    /// # Errors
    /// [`QueueError::TooLarge`].
    pub async fn send(&self, payload: impl AsRef<[u8]>) -> Result<(), QueueError> {
        let batch = self.frame(payload.as_ref())?;
        loop {
            self.ready().await;
            match self.send_batch(&batch) {
                Err(QueueError::Full) => {}
                sent => return sent.map(|_| ()),
            }
        }
    }

    /// As [`Publisher::try_send`] for a run of messages as it came from a peer: for relays. Gives the offset behind it:
    /// how many messages were sent until then.
    ///
    /// # Errors
    /// [`QueueError::Full`] as there.
    pub fn send_batch(&self, batch: &Batch) -> Result<u64, QueueError> {
        self.fanout.push(batch).ok_or(QueueError::Full)
    }

    /// As [`Publisher::try_send`], and asks the subscribers concerned to say that they have read the message.
    ///
    /// # Errors
    /// As [`Publisher::try_send`].
    pub fn try_send_confirmed(&self, payload: impl AsRef<[u8]>) -> Result<Confirmation, QueueError> {
        let batch = self.frame(payload.as_ref())?;
        self.fanout.push_confirmed(&batch).map(Confirmation).ok_or(QueueError::Full)
    }

    /// Never ends, but for the panic of a task of the socket, which becomes the caller's: for those who would rather
    /// end than publish to nobody. Cancel-safe.
    ///
    /// # Panics
    /// When a task of the socket did.
    pub async fn failed(&mut self) -> Infallible {
        failed(&mut self.tasks).await
    }

    /// Waits until a peer it connects to has room, and with [`SlowSubscriber::Wait`](crate::SlowSubscriber::Wait)
    /// all peers that connect to it.
    pub async fn ready(&self) {
        self.fanout.ready().await;
    }

    /// Waits until a peer is connected and has subscribed to something: what is sent before, a listener forgets.
    pub async fn subscribed(&self) {
        self.fanout.subscribed().await;
    }

    /// Whether a peer is connected and has subscribed to something.
    pub fn is_subscribed(&self) -> bool {
        self.fanout.is_subscribed()
    }

    /// Waits until everything accepted so far is written to the sockets of the peers concerned, or these are gone.
    /// Where it connects to several peers, those that are away are not waited for as long as one is there; where none
    /// is, it waits: give it a timeout. Written does not mean read.
    pub async fn flush(&self) {
        self.fanout.flush().await;
    }

    /// The offset before which everything is written to the socket of one of the peers it connects to.
    pub fn written(&self) -> u64 {
        self.fanout.written()
    }

    /// Waits until everything before this offset is written to the socket of one of the peers it connects to.
    pub async fn written_up_to(&self, offset: u64) {
        self.fanout.written_by_one(offset).await;
    }

    /// Forgets what waits for peers it connects to, but for what is being written; it counts as written.
    pub fn forget(&self) {
        self.fanout.forget();
    }

    /// Bytes that wait to be written to the peer it connects to that is furthest, counted as the memory they keep alive.
    pub fn waiting_bytes(&self) -> usize {
        self.fanout.waiting_bytes()
    }

    /// Counters since the socket was made.
    pub fn stats(&self) -> Stats {
        self.fanout.counters.snapshot()
    }

    /// A view of this socket for whoever watches it.
    pub fn monitor(&self) -> Monitor {
        Monitor::of(Arc::clone(&self.fanout) as _)
    }

    fn frame(&self, payload: &[u8]) -> Result<Batch, QueueError> {
        let (bytes, max) = (payload.len(), self.fanout.options.frame_bytes_max);
        if bytes > max { Err(QueueError::TooLarge { bytes, max }) } else { Ok(Batch::single(payload)) }
    }
}
