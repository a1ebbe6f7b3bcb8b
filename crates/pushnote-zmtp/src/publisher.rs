//! The PUB socket.

mod confirm;
pub(crate) mod fanout;
mod history;

use crate::batch::Batch;
use crate::inbound::Inbound;
use crate::link::Link;
use crate::monitor::Monitor;
use crate::options::{Options, SlowSubscriber};
use crate::outbox::Unsent;
use crate::roads::{Role, accept, dial, failed};
use crate::send_filter::SendFilter;
use crate::stats::{CloseCause, Counters, Stats};
use crate::transport::{self, BindError};
use bytes::Bytes;
use fanout::{Accepted, Asked, Fanout, Pipe};
use pushnote_net::timeout_awake;
use pushnote_zmtp_proto::command::{Command, subscription_message};
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::handshake::SocketType;
use pushnote_zmtp_proto::position::Position;
use pushnote_zmtp_proto::topics::TooMany;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// A message that was not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SendError {
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
        let dialled = Dialled { fanout: Arc::clone(&self.fanout), pipe, unsent: Mutex::default() };
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
    /// [`SendError::Full`] when it connects and no peer it connects to has room; [`SendError::TooLarge`].
    pub fn try_send(&self, payload: impl AsRef<[u8]>) -> Result<(), SendError> {
        self.send_batch(&self.frame(payload.as_ref())?).map(|_| ())
    }

    /// As [`Publisher::try_send`], but waits for room. Cancel-safe: cancelled, it has sent nothing.
    ///
    /// # Errors
    /// [`SendError::TooLarge`].
    pub async fn send(&self, payload: impl AsRef<[u8]>) -> Result<(), SendError> {
        let batch = self.frame(payload.as_ref())?;
        loop {
            self.ready().await;
            match self.send_batch(&batch) {
                Err(SendError::Full) => {}
                sent => return sent.map(|_| ()),
            }
        }
    }

    /// As [`Publisher::try_send`] for a run of messages as it came from a peer: for relays. Gives the offset behind it:
    /// how many messages were sent until then.
    ///
    /// # Errors
    /// [`SendError::Full`] as there.
    pub fn send_batch(&self, batch: &Batch) -> Result<u64, SendError> {
        self.fanout.push(batch).ok_or(SendError::Full)
    }

    /// As [`Publisher::try_send`], and asks the subscribers concerned to say that they have read the message.
    ///
    /// # Errors
    /// As [`Publisher::try_send`].
    pub fn try_send_confirmed(&self, payload: impl AsRef<[u8]>) -> Result<Confirmation, SendError> {
        let batch = self.frame(payload.as_ref())?;
        self.fanout.push_confirmed(&batch).map(Confirmation).ok_or(SendError::Full)
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

    fn frame(&self, payload: &[u8]) -> Result<Batch, SendError> {
        let (bytes, max) = (payload.len(), self.fanout.options.frame_bytes_max);
        if bytes > max { Err(SendError::TooLarge { bytes, max }) } else { Ok(Batch::single(payload)) }
    }
}

/// Subscribers that connect to us: each has a queue while it is here.
struct Acceptor(Arc<Fanout>);

impl Role for Acceptor {
    const LOCAL: SocketType = SocketType::Pub;

    fn options(&self) -> &Options {
        &self.0.options
    }

    fn counters(&self) -> &Counters {
        &self.0.counters
    }

    fn write_timeout(&self) -> Option<Duration> {
        let options = &self.0.options;
        (options.slow_subscriber != SlowSubscriber::Wait).then_some(options.write_timeout)
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let peer = self.0.accept(&link.peer, transport::peer_name(&link.stream));
        let leave = LeaveOnDrop(|| self.0.leave(&peer));
        let subscriptions = Subscriptions { fanout: &self.0, subscriber: &*peer };
        let stream = LiveStream { fanout: &self.0, peer: &peer };
        let mut unsent = Unsent::default();
        let run = link.run(&self.0.options, &peer.outbox, &mut unsent, stream, subscriptions);
        let cause = tokio::select! {
            cause = run => cause,
            () = peer.stayed_full(self.0.options.slow_subscriber) => CloseCause::SlowSubscriber,
        };
        let given_up = unsent.rewind(&peer.outbox);
        let lost = leave.now() + given_up;
        // Who goes wants nothing more, and who counts comes back for it.
        if lost > 0 && !cause.is_the_peers() && !peer.is_numbered() {
            let why = "its connection was closed before they were written";
            self.0.counters.add_dropped(lost, &peer.name, why);
        }
        cause
    }
}

/// What a subscriber gets: what is queued for it as it comes, and what it missed.
struct LiveStream<'a> {
    fanout: &'a Fanout,
    peer: &'a Accepted,
}

impl SendFilter for LiveStream<'_> {
    fn is_open(&self) -> bool {
        true
    }

    fn pick(&self, _: &Bytes) -> Option<Bytes> {
        None
    }

    fn catch_up(&self) -> bool {
        self.fanout.catch_up(self.peer)
    }
}

/// A subscriber we connect to: its queue outlives the connection.
struct Dialled {
    fanout: Arc<Fanout>,
    pipe: Arc<Pipe>,
    unsent: Mutex<Unsent>,
}

impl Role for Dialled {
    const LOCAL: SocketType = SocketType::Pub;

    fn options(&self) -> &Options {
        &self.fanout.options
    }

    fn counters(&self) -> &Counters {
        &self.fanout.counters
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let pipe = &*self.pipe;
        let _leave = LeaveOnDrop(|| self.fanout.disconnected(pipe));
        let subscriptions = Subscriptions { fanout: &self.fanout, subscriber: pipe };
        let mut unsent = self.unsent.lock().await;
        self.fanout.connected(pipe, &link.peer);
        let cause = link.run(&self.fanout.options, &pipe.outbox, &mut unsent, self, subscriptions).await;
        let given_up = unsent.rewind(&pipe.outbox);
        if given_up > 0 {
            self.fanout.counters.add_dropped(given_up, &pipe.name, "the peer hangs up on it each time");
        }
        cause
    }
}

impl SendFilter for &Dialled {
    /// Held until the peer has subscribed: before, it would throw messages away.
    fn is_open(&self) -> bool {
        self.pipe.is_open()
    }

    fn pick(&self, run: &Bytes) -> Option<Bytes> {
        self.fanout.pick(self.pipe.id, run)
    }
}

/// A connection stands for as long as this lives; then something is to be done about it.
struct LeaveOnDrop<T, F: FnMut() -> T>(F);

impl<T, F: FnMut() -> T> LeaveOnDrop<T, F> {
    /// Twice does no harm.
    fn now(mut self) -> T {
        (self.0)()
    }
}

impl<T, F: FnMut() -> T> Drop for LeaveOnDrop<T, F> {
    fn drop(&mut self) {
        let _ = (self.0)();
    }
}

/// What a subscriber sends us.
struct Subscriptions<'a, S> {
    fanout: &'a Fanout,
    subscriber: &'a S,
}

/// Either kind of subscriber, as far as its subscriptions differ.
trait Subscriber: Sync {
    fn pipe(&self) -> &Pipe;
    fn subscribe(&self, fanout: &Fanout, prefix: &[u8]) -> Result<(), TooMany>;
    fn cancel(&self, fanout: &Fanout, prefix: &[u8]);
}

impl Subscriber for Pipe {
    fn pipe(&self) -> &Pipe {
        self
    }

    fn subscribe(&self, fanout: &Fanout, prefix: &[u8]) -> Result<(), TooMany> {
        fanout.subscribe(self, prefix)
    }

    fn cancel(&self, fanout: &Fanout, prefix: &[u8]) {
        fanout.cancel(self, prefix);
    }
}

impl Subscriber for Accepted {
    fn pipe(&self) -> &Pipe {
        self
    }

    fn subscribe(&self, fanout: &Fanout, prefix: &[u8]) -> Result<(), TooMany> {
        fanout.subscribe_accepted(self, prefix)
    }

    fn cancel(&self, fanout: &Fanout, prefix: &[u8]) {
        // A numbered stream has no holes: it begins once, and ends with the connection.
        if !prefix.is_empty() || !self.is_numbered() {
            fanout.cancel(self, prefix);
        }
    }
}

impl<S: Subscriber> Inbound for Subscriptions<'_, S> {
    async fn batch(&mut self, batch: Batch) -> Result<(), CloseCause> {
        for span in batch.spans() {
            let single = span.topic_end == span.end;
            let body = &batch.bytes()[span.topic_start..span.topic_end];
            if let Some(command) = subscription_message(body).filter(|_| single) {
                self.command(command)?;
            }
        }
        Ok(())
    }

    fn command(&mut self, command: Command<'_>) -> Result<(), CloseCause> {
        match command {
            Command::Subscribe(prefix) => Ok(self.subscriber.subscribe(self.fanout, prefix)?),
            Command::Cancel(prefix) => {
                self.subscriber.cancel(self.fanout, prefix);
                Ok(())
            }
            Command::Pong { context } => {
                self.fanout.pong(self.subscriber.pipe(), context);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
