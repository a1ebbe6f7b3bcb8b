//! The PUB socket.

mod confirm;
pub(crate) mod fanout;
mod history;

use crate::batch::Batch;
use crate::link::{Intake, Link, Outflow};
use crate::monitor::Monitor;
use crate::options::{Options, SlowSubscriber};
use crate::outbox::Unsent;
use crate::roads::{Role, accept, dial, failed};
use crate::stats::{CloseCause, Counters, Stats};
use crate::transport::{self, BindError};
use bytes::Bytes;
use fanout::{Asked, Fanout, Outlet};
use pushnote_net::timeout_awake;
use pushnote_zmtp_proto::command::{Command, subscription_message};
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::handshake::SocketType;
use pushnote_zmtp_proto::position::Position;
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
        self.tasks.spawn(accept(listener, Arc::new(Hub(Arc::clone(&self.fanout)))));
        Ok(())
    }

    /// Connects to a further endpoint.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_also(&mut self, endpoint: Endpoint) {
        let outlet = self.fanout.add_kept(&endpoint);
        let spoke = Spoke { fanout: Arc::clone(&self.fanout), outlet, unsent: Mutex::default() };
        self.tasks.spawn(dial(endpoint, Arc::new(spoke)));
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
        self.send_batch(&self.frame(payload.as_ref())?)
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
                sent => return sent,
            }
        }
    }

    /// As [`Publisher::try_send`] for a run of messages as it came from a peer: for relays.
    ///
    /// # Errors
    /// [`SendError::Full`] as there.
    pub fn send_batch(&self, batch: &Batch) -> Result<(), SendError> {
        if self.fanout.push(batch) { Ok(()) } else { Err(SendError::Full) }
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

    /// Waits until everything accepted so far is written to the socket of one of the peers it connects to.
    pub async fn flush_one(&self) {
        self.fanout.flush_one().await;
    }

    /// Counters since the socket was made.
    pub fn stats(&self) -> Stats {
        self.fanout.counters.snapshot()
    }

    /// A view of this socket for whoever watches it.
    pub fn monitor(&self) -> Monitor {
        Monitor::of_publisher(&self.fanout)
    }

    fn frame(&self, payload: &[u8]) -> Result<Batch, SendError> {
        let (bytes, max) = (payload.len(), self.fanout.options.frame_bytes_max);
        if bytes > max { Err(SendError::TooLarge { bytes, max }) } else { Ok(Batch::single(payload)) }
    }
}

/// Subscribers that connect to us: each has a queue while it is here.
struct Hub(Arc<Fanout>);

impl Role for Hub {
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
        let outlet = self.0.add(&link.peer, transport::peer_name(&link.stream));
        let _here = Here { fanout: &self.0, outlet: &outlet };
        let intake = Subscriptions { fanout: &self.0, outlet: &outlet };
        let outflow = Stream { fanout: &self.0, outlet: &outlet };
        let mut unsent = Unsent::default();
        let run = link.run(&self.0.options, &outlet.outbox, &mut unsent, outflow, intake);
        let cause = tokio::select! {
            cause = run => cause,
            () = outlet.stayed_full(self.0.options.slow_subscriber) => CloseCause::SlowSubscriber,
        };
        let lost = self.0.leave(&outlet) + unsent.rewind() + unsent.messages();
        // Who goes wants nothing more, and who counts comes back for it.
        if lost > 0 && !cause.is_the_peers() && !outlet.is_numbered() {
            let why = "its connection was closed before they were written";
            self.0.counters.add_dropped(lost, &outlet.name, why);
        }
        cause
    }
}

/// What a subscriber gets: what is queued for it as it comes, and what it missed.
struct Stream<'a> {
    fanout: &'a Fanout,
    outlet: &'a Outlet,
}

impl Outflow for Stream<'_> {
    fn is_open(&self) -> bool {
        true
    }

    fn pick(&self, _: &Bytes) -> Option<Bytes> {
        None
    }

    fn catch_up(&self) -> bool {
        self.fanout.catch_up(self.outlet)
    }
}

/// A subscriber we connect to: its queue outlives the connection.
struct Spoke {
    fanout: Arc<Fanout>,
    outlet: Arc<Outlet>,
    unsent: Mutex<Unsent>,
}

impl Role for Spoke {
    const LOCAL: SocketType = SocketType::Pub;

    fn options(&self) -> &Options {
        &self.fanout.options
    }

    fn counters(&self) -> &Counters {
        &self.fanout.counters
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let outlet = &self.outlet;
        let _here = Here { fanout: &self.fanout, outlet };
        let intake = Subscriptions { fanout: &self.fanout, outlet };
        let mut unsent = self.unsent.lock().await;
        self.fanout.welcome(outlet, &link.peer);
        let cause = link.run(&self.fanout.options, &outlet.outbox, &mut unsent, self, intake).await;
        let given_up = unsent.rewind();
        if given_up > 0 {
            self.fanout.counters.add_dropped(given_up, &outlet.name, "the peer hangs up on it each time");
        }
        cause
    }
}

impl Outflow for &Spoke {
    /// Held until the peer has subscribed: before, it would throw messages away.
    fn is_open(&self) -> bool {
        self.outlet.is_open()
    }

    fn pick(&self, run: &Bytes) -> Option<Bytes> {
        self.fanout.pick(self.outlet.id, run)
    }
}

/// A connection to `outlet` stands for as long as this lives.
struct Here<'a> {
    fanout: &'a Fanout,
    outlet: &'a Outlet,
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        let _ = self.fanout.leave(self.outlet); // nothing, if that was counted
    }
}

/// What a subscriber sends us.
struct Subscriptions<'a> {
    fanout: &'a Fanout,
    outlet: &'a Outlet,
}

impl Intake for Subscriptions<'_> {
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
            Command::Subscribe(prefix) => Ok(self.fanout.subscribe(self.outlet, prefix)?),
            Command::Cancel(prefix) => {
                self.fanout.cancel(self.outlet, prefix);
                Ok(())
            }
            Command::Pong { context } => {
                self.fanout.pong(self.outlet, context);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
