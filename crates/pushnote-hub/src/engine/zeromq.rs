//! ZeroMQ: a SUB socket that hears everything, from forwarders or from the applications themselves; and a ROUTER
//! socket, where applications ask to be told that a message was taken.

use bytes::Bytes;
use pushnote_core::{Answer, Receipt, SequencerCounts};
use pushnote_net::LogOnce;
use pushnote_zmtp::{Message, Options, Request, Responder, Subscriber};
use tokio::time::{Instant, sleep_until};

use super::order::{Order, Sender};
use crate::clock::unix_now;
use crate::hub::{Hub, ShardGone};
use crate::ingest::{Accepted, Ingest};
use crate::publication::Publication;
use crate::receiver::Receiver;

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
        let deadline = engine.order.poll_timeout();
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
    order: Order<Publication<R::Encodings>>,
    /// Scratch: what may be published now.
    ready: Vec<Publication<R::Encodings>>,
    /// How receipts name this run, and how many there were.
    epoch: u64,
    acknowledged: u64,
    log: LogOnce,
}

impl<R: Receiver> Engine<R> {
    fn new(ingest: Ingest, hub: Hub<R>) -> Self {
        let epoch = unix_now();
        let (order, ready, log) = (Order::new(), Vec::new(), LogOnce::new());
        Self { ingest, hub, order, ready, epoch, acknowledged: 0, log }
    }

    async fn hear(&mut self, message: Message) -> Result<(), ShardGone> {
        let sender = message.sender().cloned();
        match message.into_single() {
            // What is wrong with it has been counted and logged.
            Ok(bytes) => self.take(&sender, &bytes).await.map(|_| ()),
            Err(error) => {
                self.ingest.refuse("multipart", &error);
                Ok(())
            }
        }
    }

    /// Publishes an envelope, or says why not.
    async fn take(&mut self, sender: &Sender, bytes: &Bytes) -> Result<Result<(), String>, ShardGone> {
        match self.ingest.accept(bytes, unix_now()) {
            Ok(Accepted { publication, id: Some(id) }) => {
                self.order.accept(sender, &id, publication, Instant::now().into_std(), &mut self.ready);
                self.publish_ready(Some(&id.publisher)).await?;
            }
            Ok(Accepted { publication, id: None }) => self.publish(publication).await?,
            Err(error) => return Ok(Err(error.to_string())),
        }
        Ok(Ok(()))
    }

    async fn answer(&mut self, request: Request) -> Result<(), ShardGone> {
        let taken = match request.body() {
            Ok(body) => {
                let (sender, body) = (request.sender().cloned(), body.clone());
                self.take(&sender, &body).await?
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
        self.order.handle_timeout(Instant::now().into_std(), &mut self.ready);
        self.publish_ready(None).await
    }

    /// `heard`: the publisher that had something to do with it, if it was one.
    async fn publish_ready(&mut self, heard: Option<&str>) -> Result<(), ShardGone> {
        self.count(heard);
        for publication in std::mem::take(&mut self.ready) {
            self.publish(publication).await?;
        }
        Ok(())
    }

    async fn publish(&self, publication: Publication<R::Encodings>) -> Result<(), ShardGone> {
        if publication.is_for_nobody() { Ok(()) } else { self.hub.publish(publication).await }
    }

    /// What the order has found, where others see it.
    fn count(&mut self, heard: Option<&str>) {
        let counts = self.order.take_counts();
        if counts == SequencerCounts::default() {
            return;
        }
        let SequencerCounts { duplicates, missed, new_runs } = counts;
        let counters = self.hub.counters();
        counters.duplicates.add(duplicates);
        counters.missed.add(missed);
        counters.new_runs.add(new_runs);
        if duplicates > 0
            && let Some(unlogged) = self.log.due("duplicates")
        {
            let total = counters.duplicates.total();
            tracing::debug!(total, unlogged, "a message came twice and is delivered once");
        }
        if missed > 0
            && let Some(unlogged) = self.log.due("missed")
        {
            let total = counters.missed.total();
            tracing::warn!(
                missed,
                total,
                unlogged,
                "messages missed: their publishers sent later ones, and these did not come in time"
            );
        }
        if new_runs > 0
            && let Some(unlogged) = self.log.due("new_run")
        {
            let publisher = heard.unwrap_or_default();
            tracing::warn!(
                publisher,
                unlogged,
                "a publisher's numbers begin anew: its messages are delivered, but one that comes twice may be \
                 delivered twice; give each process a name of its own"
            );
        }
    }
}
