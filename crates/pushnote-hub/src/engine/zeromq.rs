//! ZeroMQ: a SUB socket that hears everything, from forwarders or from the applications themselves; and a ROUTER
//! socket, where applications ask to be told that a message was taken.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use pushnote_core::{Answer, Receipt, Sequencer, SequencerLimits};
use pushnote_net::LogOnce;
use pushnote_zmtp::{Message, Options, Request, Responder, Subscriber};
use tokio::time::{Instant, sleep_until};

use crate::clock::unix_now;
use crate::hub::{Hub, ShardGone};
use crate::ingest::{Accepted, Ingest};
use crate::publication::Publication;
use crate::receiver::Receiver;

/// How long a message waits for those before it, which may come after it: over another forwarder, or because their
/// publisher connected again and its old connection is not yet read to the end.
const PATIENCE: Duration = Duration::from_millis(500);
const HELD_BYTES_MAX: usize = 8 * 1024 * 1024;
const PUBLISHERS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// Where messages come from.
#[derive(Debug)]
pub struct Sources {
    /// Hears what is published.
    pub subscriber: Subscriber,
    /// Answers those who want to know; a socket without endpoints if nobody may.
    pub responder: Responder,
}

/// Publishes what comes from `sources`, one envelope per single-part message, until the subscriber is closed. Anything
/// else is counted and dropped, or refused in the answer. A message that comes twice is published once.
///
/// # Errors
///
/// [`ShardGone`] as soon as the hub cannot deliver any more.
pub async fn run<R: Receiver>(sources: Sources, ingest: Ingest, hub: Hub<R>) -> Result<(), ShardGone> {
    let Sources { mut subscriber, mut responder } = sources;
    let mut engine = Engine::new(ingest, hub);
    loop {
        let deadline = engine.sequencer.poll_timeout();
        tokio::select! {
            message = subscriber.recv() => match message {
                Some(message) => engine.hear(message).await?,
                None => return Ok(()),
            },
            request = responder.recv() => engine.answer(request).await?,
            () = sleep_until(deadline.map_or_else(Instant::now, Instant::from)), if deadline.is_some() => {
                engine.time_passed().await?;
            }
        }
    }
}

impl From<Subscriber> for Sources {
    /// Nobody is answered.
    fn from(subscriber: Subscriber) -> Self {
        Self { subscriber, responder: Responder::new(Options::default()) }
    }
}

struct Engine<R: Receiver> {
    ingest: Ingest,
    hub: Hub<R>,
    sequencer: Sequencer<Publication<R::Encodings>>,
    /// Scratch: what may be published now.
    ready: Vec<Publication<R::Encodings>>,
    /// How receipts name this run, and how many there were.
    epoch: u64,
    acknowledged: u64,
    log: LogOnce,
}

impl<R: Receiver> Engine<R> {
    fn new(ingest: Ingest, hub: Hub<R>) -> Self {
        let limits = SequencerLimits {
            patience: PATIENCE,
            held_bytes_max: HELD_BYTES_MAX,
            publishers_max: PUBLISHERS_MAX,
        };
        let epoch = unix_now();
        let (sequencer, ready, log) = (Sequencer::new(limits), Vec::new(), LogOnce::new());
        Self { ingest, hub, sequencer, ready, epoch, acknowledged: 0, log }
    }

    async fn hear(&mut self, message: Message) -> Result<(), ShardGone> {
        match message.into_single() {
            // What is wrong with it has been counted and logged.
            Ok(bytes) => self.take(&bytes).await.map(|_| ()),
            Err(error) => {
                self.ingest.refuse("multipart", &error);
                Ok(())
            }
        }
    }

    /// Publishes an envelope, or says why not.
    async fn take(&mut self, bytes: &Bytes) -> Result<Result<(), String>, ShardGone> {
        match self.ingest.accept(bytes, unix_now()) {
            Ok(Accepted { publication, id: Some(id) }) => {
                self.sequencer.accept(&id, publication, Instant::now().into_std(), &mut self.ready);
                self.count_new_runs(&id.publisher);
                self.publish_ready().await?;
            }
            Ok(Accepted { publication, id: None }) => self.publish(publication).await?,
            Err(error) => return Ok(Err(error.to_string())),
        }
        Ok(Ok(()))
    }

    async fn answer(&mut self, request: Request) -> Result<(), ShardGone> {
        let taken = match request.body() {
            Ok(body) => {
                let body = body.clone();
                self.take(&body).await?
            }
            Err(error) => Err(error.to_string()),
        };
        let answer = match taken {
            Ok(()) => {
                self.acknowledged += 1;
                let id = format!("{:x}/{}", self.epoch, self.acknowledged);
                Answer::Receipt(Receipt { id, servers: 1, of: 1 })
            }
            Err(error) => Answer::Refused { error, retry: false },
        };
        if let Ok(answer) = serde_json::to_vec(&answer) {
            request.answer(&answer);
        }
        Ok(())
    }

    async fn time_passed(&mut self) -> Result<(), ShardGone> {
        self.sequencer.handle_timeout(Instant::now().into_std(), &mut self.ready);
        self.publish_ready().await
    }

    async fn publish_ready(&mut self) -> Result<(), ShardGone> {
        self.count();
        for publication in std::mem::take(&mut self.ready) {
            self.publish(publication).await?;
        }
        Ok(())
    }

    async fn publish(&self, publication: Publication<R::Encodings>) -> Result<(), ShardGone> {
        if publication.is_for_nobody() { Ok(()) } else { self.hub.publish(publication).await }
    }

    /// The sequencer's totals, where others see them.
    fn count(&self) {
        let (counts, counters) = (self.sequencer.counts(), self.hub.counters());
        let duplicates = counts.duplicates - counters.duplicates.total();
        if duplicates > 0 {
            counters.duplicates.add(duplicates);
            if let Some(unlogged) = self.log.due("duplicates") {
                tracing::debug!(
                    total = counts.duplicates,
                    unlogged,
                    "a message came twice and is delivered once"
                );
            }
        }
        let missed = counts.missed - counters.missed.total();
        if missed > 0 {
            counters.missed.add(missed);
            if let Some(unlogged) = self.log.due("missed") {
                tracing::warn!(
                    missed,
                    total = counts.missed,
                    unlogged,
                    "messages missed: their publishers sent later ones, and these did not come in time"
                );
            }
        }
    }

    /// `publisher` may have begun anew just now.
    fn count_new_runs(&self, publisher: &str) {
        let counters = self.hub.counters();
        let new_runs = self.sequencer.counts().new_runs - counters.new_runs.total();
        if new_runs > 0 {
            counters.new_runs.add(new_runs);
            if let Some(unlogged) = self.log.due("new_run") {
                tracing::warn!(
                    publisher,
                    unlogged,
                    "a publisher's numbers begin anew: its messages are delivered, but one that comes twice may be \
                     delivered twice; give each process a name of its own"
                );
            }
        }
    }
}
