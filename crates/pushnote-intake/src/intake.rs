//! Everything that is done with a message before it is fanned out.

use std::future::ready;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use lru::LruCache;
use pushnote_core::{
    Answer, Asked, CurrentVerifier, Position, PublicationId, Receipt, SequencerCounts, Taken,
};
use pushnote_hub::{Hub, Origin, Publication, Receiver, Recovered, ShardGone};
use pushnote_net::{LogOnce, unix_now};
use tokio::sync::oneshot::{self, error::TryRecvError};
use tokio::time::{Instant, sleep_until};

use crate::age::{Age, Ages};
use crate::arrival::Arrival;
use crate::counters::Counters;
use crate::filling::Filling;
use crate::order::{Order, PATIENCE};
use crate::parser::{Accepted, Parser};
use crate::source::{Incoming, Reply, Sender, Sent, Source};
use crate::streams::Streams;

/// Publications whose offsets are remembered, to know them when they come over a second stream.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("it is not zero");

/// Takes messages in for a hub: parses each once, verifies its recipients, puts it in order, publishes it, and answers who
/// waits for that. What is wrong with one is counted, logged (limited), and harms no other.
pub struct Intake<R: Receiver> {
    parser: Parser,
    hub: Hub<R>,
    order: Order<Arrival>,
    streams: Streams,
    /// There are several streams that bring the same.
    several: bool,
    /// If so, the offsets of what came last.
    published: LruCache<PublicationId, u64>,
    ages: Ages,
    /// Scratch: what may be published now.
    ready: Vec<Arrival>,
    /// How receipts name this run, and how many there were.
    epoch: u64,
    acknowledged: u64,
    counters: Arc<Counters>,
    log: LogOnce,
    beside: Box<Beside>,
}

/// Hears of messages before they are delivered: of those that ask for something else, what, and of those that are to be pushed.
/// What it gives is waited for.
pub type Beside =
    dyn Fn(&Publication, Asked) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> + Send + Sync;

impl<R: Receiver> Intake<R> {
    /// For messages whose `data` has up to `data_bytes_max` bytes; `verifier` verifies recipients' tokens.
    pub fn new(hub: Hub<R>, verifier: Arc<CurrentVerifier>, data_bytes_max: usize) -> Self {
        let counters = Arc::<Counters>::default();
        let parser = Parser::new(verifier, data_bytes_max, Arc::clone(&counters));
        // Whoever comes before it runs waits for what it will bring.
        hub.is_filling(true);
        Self {
            parser,
            hub,
            order: Order::new(),
            streams: Streams::default(),
            several: false,
            published: LruCache::new(REMEMBERED),
            ages: Ages::new(),
            ready: Vec::new(),
            epoch: unix_now(),
            acknowledged: 0,
            counters,
            log: LogOnce::new(),
            beside: Box::new(|_, _| None),
        }
    }

    /// What is done beside delivering messages.
    pub fn set_beside(&mut self, beside: Box<Beside>) {
        self.beside = beside;
    }

    /// Goes on where an earlier run left off: what that has had and comes again is dropped. `recovered` ends before
    /// `next_offset`.
    pub fn go_on(&mut self, recovered: &[Recovered], next_offset: u64) {
        let now = Instant::now().into_std();
        let first = next_offset - recovered.len() as u64;
        for (offset, Recovered { publication, origin, .. }) in (first..).zip(recovered) {
            let Some(id) = &origin.id else { continue };
            let arrival = Arrival::new(publication.clone(), Asked::Deliver, Origin::default(), None);
            self.order.accept(&Sender::of_key(origin.sender), id, None, arrival, now, &mut self.ready);
            self.published.put(id.clone(), offset);
        }
        self.order.handle_timeout(now + PATIENCE, &mut self.ready);
        // All of that has been published, and counted.
        self.ready.clear();
        self.order.go_on();
        let positions: Vec<_> = recovered.iter().filter_map(|one| one.origin.position).collect();
        // What comes from no source has none.
        let marks = recovered.iter().rev().map(|one| &one.origin.marks).find(|marks| !marks.is_empty());
        if let Some(marks) = marks {
            self.streams.go_on(marks, &positions);
        }
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
        let mut filling = Filling::new(source.streams());
        self.several = filling.sources() > 1;
        self.order.set_sources(filling.sources());
        loop {
            if self.ages.is_something_late() && self.hub.is_filled() {
                filling.begins_again();
                self.hub.is_filling(true);
            }
            if !self.hub.is_filled() && filling.is_over(&self.streams) {
                if filling.is_given_up(&self.streams) {
                    self.publish_gap().await?;
                }
                self.hub.is_filling(false);
                self.ages.are_let_in();
            }
            let deadline = self.order.poll_timeout().filter(|_| filling.has_come());
            let next_look = filling.next_look();
            tokio::select! {
                incoming = source.next() => match incoming {
                    Some(incoming) => self.take(incoming, &mut filling).await?,
                    None => return Ok(()),
                },
                () = sleep_until(deadline.map_or_else(Instant::now, Instant::from)), if deadline.is_some() => {
                    self.time_passed().await?;
                }
                () = filling.next_beginning() => self.streams_begin(filling.news()).await?,
                () = sleep_until(next_look), if !self.hub.is_filled() => {}
            }
        }
    }

    /// Streams have said where they begin.
    async fn streams_begin(&mut self, beginnings: Vec<Position>) -> Result<(), ShardGone> {
        let mut missing = false;
        for from in beginnings {
            missing |= self.streams.begins(from);
            self.hub.source_begins(from);
        }
        self.hub.sources_are_at(self.streams.marks());
        // Of several, another may bring it.
        if missing && !self.several { self.publish_gap().await } else { Ok(()) }
    }

    /// Of several streams, the one that has this epoch.
    async fn source_of(&mut self, epoch: u64, filling: &mut Filling) -> Result<Option<usize>, ShardGone> {
        if filling.source_of(epoch).is_none() {
            // It has said where it begins before it brought something.
            self.streams_begin(filling.news()).await?;
        }
        Ok(filling.source_of(epoch))
    }

    async fn take(&mut self, incoming: Incoming<impl Reply>, filling: &mut Filling) -> Result<(), ShardGone> {
        let Incoming { sender, message, reply, position, old } = incoming;
        let source = match position {
            Some(Position { epoch, .. }) if self.several => self.source_of(epoch, filling).await?,
            _ => None,
        };
        if let Some(position) = position
            && self.streams.had(position)
        {
            if self.several
                && let Ok(Sent::Envelope(envelope)) = message
                && let Some(id) = self.parser.id_of(&envelope)
            {
                self.came_again(&id, position);
            }
            return Ok(());
        }
        // Over one of several streams, what another brings is not missing.
        if let Some(position) = position
            && self.streams.came(position)
            && !self.several
        {
            self.publish_gap().await?;
            self.hub.source_begins(position);
        }
        let (told, offset) = match reply {
            Some(_) if self.hub.keeps() => {
                let (told, offset) = oneshot::channel();
                (Some(told), Some(offset))
            }
            _ => (None, None),
        };
        let origin = Origin { position, old, sender: sender.key(), ..Origin::default() };
        let taken = match message {
            Ok(Sent::Envelope(envelope)) => {
                self.publish_envelope((&sender, source), &envelope, origin, told).await?
            }
            Ok(Sent::Publication(publication)) => {
                self.publish(Arrival::new(publication, Asked::Deliver, origin, told)).await?;
                Ok(())
            }
            Err(rejected) => {
                self.parser.refuse(rejected.kind, &rejected.why);
                Err(rejected.why)
            }
        };
        if let (Some(_), Err(_)) = (position, &taken) {
            self.hub.sources_are_at(self.streams.marks());
        }
        let Some(reply) = reply else { return Ok(()) };
        let answer = self.answer(taken);
        match (offset, &answer) {
            (Some(mut offset), Answer::Receipt(_)) => match offset.try_recv() {
                Err(TryRecvError::Empty) => self.answer_when_kept(reply, answer, offset),
                // It is published, or has come before, and nobody will say where it is.
                known => self.answer_when_kept(reply, answer, ready(known)),
            },
            _ => reply.answer(&answer),
        }
        Ok(())
    }

    /// Publishes an envelope, or says why not.
    async fn publish_envelope(
        &mut self,
        (sender, source): (&Sender, Option<usize>),
        envelope: &Bytes,
        origin: Origin,
        told: Option<oneshot::Sender<u64>>,
    ) -> Result<Result<(), String>, ShardGone> {
        let Accepted { publication, asked, id } = match self.parser.accept(envelope, unix_now()) {
            Ok(accepted) => accepted,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let position = origin.position;
        let Some(id) = id else {
            self.publish(Arrival::new(publication, asked, origin, told)).await?;
            return Ok(Ok(()));
        };
        let origin = Origin { id: Some(id.clone()), ..origin };
        let arrival = Arrival::new(publication, asked, origin, told);
        let now = Instant::now().into_std();
        let taken = self.order.accept(sender, &id, source, arrival, now, &mut self.ready);
        if let Some(position) = position.filter(|_| taken == Taken::Held) {
            self.streams.is_held(position);
        }
        self.publish_ready(Some(&id.publisher)).await?;
        if let Some(position) = position.filter(|_| taken == Taken::Duplicate) {
            self.came_again(&id, position);
        }
        Ok(Ok(()))
    }

    /// Another stream has brought it.
    fn came_again(&mut self, id: &PublicationId, position: Position) {
        if let Some(offset) = self.published.get(id) {
            self.hub.seen_again(*offset, position);
        }
        self.hub.sources_are_at(self.streams.marks());
    }

    fn answer(&mut self, taken: Result<(), String>) -> Answer {
        if let Err(error) = taken {
            return Answer::Refused { error, retry: false };
        }
        self.acknowledged += 1;
        let id = format!("{:x}/{}", self.epoch, self.acknowledged);
        Answer::Receipt(Receipt { id, servers: 1, of: 1 })
    }

    /// Accepted is what is kept. That takes its time, and the next message does not wait for it.
    fn answer_when_kept<E>(
        &self,
        reply: impl Reply,
        answer: Answer,
        offset: impl Future<Output = Result<u64, E>> + Send + 'static,
    ) {
        let hub = self.hub.clone();
        tokio::spawn(async move {
            match hub.kept(offset.await.ok()).await {
                Ok(()) => reply.answer(&answer),
                Err(why) => {
                    let error = format!("it is delivered, but not kept: {why}");
                    reply.answer(&Answer::Refused { error, retry: false });
                }
            }
        });
    }

    async fn time_passed(&mut self) -> Result<(), ShardGone> {
        self.order.handle_timeout(Instant::now().into_std(), &mut self.ready);
        self.publish_ready(None).await
    }

    /// `heard`: the publisher that had something to do with it, if it was one.
    async fn publish_ready(&mut self, heard: Option<&str>) -> Result<(), ShardGone> {
        self.count(heard);
        for arrival in std::mem::take(&mut self.ready) {
            if arrival.follows_missing {
                self.publish_gap().await?;
            }
            self.publish(arrival).await?;
        }
        Ok(())
    }

    async fn publish(&mut self, arrival: Arrival) -> Result<(), ShardGone> {
        let Arrival { publication, asked, mut origin, again, told, .. } = arrival;
        for position in origin.position.iter().chain(&again) {
            self.streams.is_settled(*position);
        }
        origin.marks = self.streams.marks();
        let age = self.ages.of(&origin, self.several);
        origin.old = age != Age::New;
        if asked != Asked::Deliver || publication.push().is_some() {
            let waiting = (self.beside)(&publication, asked);
            if let Some(waiting) = waiting {
                waiting.await;
            }
        }
        if asked != Asked::Deliver || publication.is_for_nobody() {
            self.hub.sources_are_at(origin.marks);
            return Ok(());
        }
        if age == Age::Late && self.ages.is_to_be_told() {
            self.publish_gap().await?;
        }
        let id = origin.id.clone().filter(|_| self.several);
        let offset = self.hub.publish(publication, origin).await?;
        for position in again {
            self.hub.seen_again(offset, position);
        }
        for told in told {
            let _ = told.send(offset); // who asked may be gone
        }
        id.map(|id| self.published.put(id, offset));
        Ok(())
    }

    /// Whoever is here, and whoever comes back from before, is told that messages are missing.
    async fn publish_gap(&mut self) -> Result<(), ShardGone> {
        let origin = Origin { marks: self.streams.marks(), ..Origin::default() };
        self.hub.publish(Publication::gap(), origin).await.map(|_| ())
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
