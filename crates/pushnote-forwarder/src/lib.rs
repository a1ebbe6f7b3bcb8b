//! SUB to PUB over bytes: the relay behind pushnote-mq.
//!
//! It never looks into a message. What one publisher sent in a row leaves as one slice of the chunk it was read into,
//! shared by all subscribers; see `pushnote-zmtp` for how.

mod acks;
mod end;
mod metrics;

use acks::Acks;
pub use end::End;
use metrics::Gauges;
use pushnote_core::{HISTORY_BYTES_MAX, Limits};
use pushnote_net::metrics::{Listener, Serving};
use pushnote_net::{LogOnce, timeout_awake};
use pushnote_zmtp::{
    Batch, BindError, Endpoint, Options, Publisher, QueueError, Request, Responder, SlowSubscriber, Stats,
    Subscriber,
};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use thiserror::Error;
use tracing::{info, warn};

/// How one end of the forwarder meets its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Peers connect to it.
    Listen(Endpoint),
    /// It connects to a peer.
    Connect(Endpoint),
}

/// What a forwarder is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where publishers are met, at least one.
    pub sub: Vec<Way>,
    /// Where subscribers are met, at least one.
    pub r#pub: Vec<Way>,
    /// Where publishers are met that want to hear which servers have a message; none by default.
    pub ack: Vec<Endpoint>,
    /// Longest `data` of an envelope that servers take, in bytes: of a longer one no receipt is given. What nobody asks
    /// a receipt for is not looked at.
    pub message_bytes_max: usize,
    /// Limits and times of all ends. What `history_bytes_max` keeps is for subscribers whose link breaks.
    pub options: Options,
    /// Time to write what was received when it is told to stop.
    pub drain: Duration,
}

impl Default for Settings {
    /// No ends, the default limits, a history of 16 MiB, and a second to drain.
    fn default() -> Self {
        Settings {
            sub: Vec::new(),
            r#pub: Vec::new(),
            ack: Vec::new(),
            message_bytes_max: Limits::default().message_bytes_max,
            options: Options { history_bytes_max: HISTORY_BYTES_MAX, ..Options::default() },
            drain: Duration::from_secs(1),
        }
    }
}

/// A forwarder that cannot start.
#[derive(Debug, Error)]
#[error("{end}: {source}")]
pub struct StartError {
    /// The end at fault.
    pub end: End,
    /// Why.
    pub source: BindError,
}

/// Counters of both ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What came in.
    pub received: Stats,
    /// What went out. `dropped` includes messages for which a peer it connects to had no room.
    pub sent: Stats,
}

/// What there is to pass on.
#[derive(Debug)]
enum Came {
    Batch(Batch),
    Question(Request),
}

/// A relay that is listening; [`Forwarder::run`] makes it work.
#[derive(Debug)]
pub struct Forwarder {
    sub: Subscriber,
    r#pub: Publisher,
    responder: Responder,
    acks: Acks,
    /// Taken, and not yet passed on: whoever stops the relay must not lose it.
    came: Option<Came>,
    waits: bool,
    drain: Duration,
    refused: Arc<AtomicU64>,
    draining: Arc<AtomicBool>,
    metrics: Serving,
    log: LogOnce,
}

impl Forwarder {
    /// Listens on what is to be listened on, and begins to connect to the rest.
    ///
    /// # Errors
    /// [`StartError`] names the end and says what to do.
    pub async fn bind(settings: Settings) -> Result<Forwarder, StartError> {
        let Settings { sub, r#pub, ack, message_bytes_max, options, drain } = settings;
        let waits = options.slow_subscriber == SlowSubscriber::Wait;
        let mut subscriber = Subscriber::new(Options { topics: vec![Default::default()], ..options.clone() });
        for way in sub {
            match way {
                Way::Connect(endpoint) => subscriber.connect_also(endpoint),
                Way::Listen(endpoint) => {
                    let bound = subscriber.bind_also(&endpoint).await;
                    bound.map_err(|source| StartError { end: End::Sub, source })?;
                }
            }
        }
        let mut responder = Responder::new(options.clone());
        for endpoint in ack {
            let bound = responder.bind_also(&endpoint).await;
            bound.map_err(|source| StartError { end: End::Ack, source })?;
        }
        let mut publisher = Publisher::new(options);
        for way in r#pub {
            match way {
                Way::Connect(endpoint) => publisher.connect_also(endpoint),
                Way::Listen(endpoint) => {
                    let bound = publisher.bind_also(&endpoint).await;
                    bound.map_err(|source| StartError { end: End::Pub, source })?;
                }
            }
        }
        let acks = Acks::new(message_bytes_max);
        let (refused, draining, metrics) = Default::default();
        Ok(Forwarder {
            sub: subscriber,
            r#pub: publisher,
            responder,
            acks,
            came: None,
            waits,
            drain,
            refused,
            draining,
            metrics,
            log: LogOnce::new(),
        })
    }

    /// Endpoints publishers can connect to, with their real ports.
    pub fn sub_endpoints(&self) -> &[Endpoint] {
        self.sub.local_endpoints()
    }

    /// Endpoints subscribers can connect to, with their real ports.
    pub fn pub_endpoints(&self) -> &[Endpoint] {
        self.r#pub.local_endpoints()
    }

    /// Endpoints for messages that are answered, with their real ports.
    pub fn ack_endpoints(&self) -> &[Endpoint] {
        self.responder.local_endpoints()
    }

    /// Counters since it was made.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { received: self.sub.stats(), sent: self.r#pub.stats() };
        totals.sent.dropped += self.refused.load(Relaxed);
        totals
    }

    /// Tells at `listener`, also while it runs, what is to be measured of it.
    ///
    /// # Errors
    /// What the system says when there can be no thread for it.
    pub fn serve_metrics(&mut self, listener: Listener) -> io::Result<()> {
        let mut received = vec![(End::Sub, self.sub.monitor())];
        if !self.responder.local_endpoints().is_empty() {
            received.push((End::Ack, self.responder.monitor()));
        }
        let gauges = Gauges { received, r#pub: self.r#pub.monitor(), refused: Arc::clone(&self.refused) };
        self.metrics = listener.serve(gauges, Arc::clone(&self.draining))?;
        Ok(())
    }

    /// Passes messages on until `shutdown`, then writes what was received and answers what was asked, for as long as
    /// it may drain.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Totals {
        tokio::select! {
            () = self.relay() => {}
            () = shutdown => {}
        }
        self.draining.store(true, Relaxed);
        self.sub.close();
        let drain = self.drain;
        let drained = timeout_awake(drain, async {
            self.relay().await;
            self.r#pub.flush().await;
            self.acks.settled().await;
            self.responder.flush().await;
        });
        if drained.await.is_err() {
            warn!(?drain, "stopped before all had taken what waited for them");
        }
        let totals = self.totals();
        let (received, dropped) = (totals.received.messages, totals.sent.dropped);
        info!(received, dropped, "stopped");
        totals
    }

    /// Ends when the subscriber is closed and empty. Cancel-safe.
    async fn relay(&mut self) {
        loop {
            if self.came.is_none() {
                self.came = self.next().await;
            }
            if self.waits && self.came.is_some() {
                self.r#pub.ready().await;
            }
            match self.came.take() {
                Some(Came::Batch(batch)) => self.pass(&batch),
                Some(Came::Question(request)) => self.acks.take(request, &self.r#pub),
                None => return,
            }
        }
    }

    async fn next(&mut self) -> Option<Came> {
        let Forwarder { sub, r#pub, responder, acks, metrics, .. } = self;
        let question = async {
            acks.room().await;
            responder.recv().await
        };
        tokio::select! {
            batch = sub.recv_batch() => batch.map(Came::Batch),
            request = question => Some(Came::Question(request)),
            never = r#pub.failed() => match never {},
            never = metrics.failed() => match never {},
        }
    }

    fn pass(&mut self, batch: &Batch) {
        let full = self.r#pub.send_batch(batch) == Err(QueueError::Full);
        if !full {
            return;
        }
        let messages = batch.messages() as u64;
        let total = self.refused.fetch_add(messages, Relaxed) + messages;
        if let Some(unlogged) = self.log.due("full") {
            warn!(
                messages,
                total,
                unlogged,
                "messages dropped: no peer to send to has room; more in the next minute are only counted"
            );
        }
    }
}
