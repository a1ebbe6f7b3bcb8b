//! Everything that is done with a message before it is fanned out.

use std::sync::Arc;

use bytes::Bytes;
use pushnote_core::{Answer, CurrentVerifier, Receipt, SequencerCounts};
use pushnote_hub::{Hub, Publication, Receiver, ShardGone};
use pushnote_net::{LogOnce, unix_now};
use tokio::time::{Instant, sleep_until};

use crate::counters::Counters;
use crate::order::Order;
use crate::parser::{Accepted, Parser};
use crate::source::{Incoming, Reply, Sender, Source};

/// Takes messages in for a hub: parses each once, verifies its recipients, puts it in order, publishes it, and answers who
/// waits for that. What is wrong with one is counted, logged (limited), and harms no other.
pub struct Intake<R: Receiver> {
    parser: Parser,
    hub: Hub<R>,
    order: Order<Publication<R::Encodings>>,
    /// Scratch: what may be published now.
    ready: Vec<Publication<R::Encodings>>,
    /// How receipts name this run, and how many there were.
    epoch: u64,
    acknowledged: u64,
    counters: Arc<Counters>,
    log: LogOnce,
}

impl<R: Receiver> Intake<R> {
    /// For messages whose `data` has up to `data_bytes_max` bytes; `verifier` verifies recipients' tokens.
    pub fn new(hub: Hub<R>, verifier: Arc<CurrentVerifier>, data_bytes_max: usize) -> Self {
        let counters = Arc::<Counters>::default();
        let parser = Parser::new(verifier, data_bytes_max, Arc::clone(&counters));
        let (order, ready, log) = (Order::new(), Vec::new(), LogOnce::new());
        Self { parser, hub, order, ready, epoch: unix_now(), acknowledged: 0, counters, log }
    }

    /// What is counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Publishes what comes from `source`, one envelope per message, until it ends.
    ///
    /// # Errors
    ///
    /// [`ShardGone`] as soon as the hub cannot deliver any more.
    pub async fn run(mut self, mut source: impl Source) -> Result<(), ShardGone> {
        loop {
            let deadline = self.order.poll_timeout();
            tokio::select! {
                incoming = source.next() => match incoming {
                    Some(incoming) => self.take(incoming).await?,
                    None => return Ok(()),
                },
                () = sleep_until(deadline.map_or_else(Instant::now, Instant::from)), if deadline.is_some() => {
                    self.time_passed().await?;
                }
            }
        }
    }

    async fn take(&mut self, incoming: Incoming<impl Reply>) -> Result<(), ShardGone> {
        let Incoming { sender, envelope, reply } = incoming;
        let taken = match envelope {
            Ok(envelope) => self.publish_envelope(&sender, &envelope).await?,
            Err(rejected) => {
                self.parser.refuse(rejected.kind, &rejected.why);
                Err(rejected.why)
            }
        };
        if let Some(reply) = reply {
            reply.answer(&self.answer(taken));
        }
        Ok(())
    }

    /// Publishes an envelope, or says why not.
    async fn publish_envelope(
        &mut self,
        sender: &Sender,
        envelope: &Bytes,
    ) -> Result<Result<(), String>, ShardGone> {
        match self.parser.accept(envelope, unix_now()) {
            Ok(Accepted { publication, id: Some(id) }) => {
                self.order.accept(sender, &id, publication, Instant::now().into_std(), &mut self.ready);
                self.publish_ready(Some(&id.publisher)).await?;
            }
            Ok(Accepted { publication, id: None }) => self.publish(publication).await?,
            Err(error) => return Ok(Err(error.to_string())),
        }
        Ok(Ok(()))
    }

    fn answer(&mut self, taken: Result<(), String>) -> Answer {
        if let Err(error) = taken {
            return Answer::Refused { error, retry: false };
        }
        self.acknowledged += 1;
        let id = format!("{:x}/{}", self.epoch, self.acknowledged);
        Answer::Receipt(Receipt { id, servers: 1, of: 1 })
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
        let counters = &self.counters;
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
