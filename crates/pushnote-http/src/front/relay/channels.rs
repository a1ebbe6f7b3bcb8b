//! Channels of relay locations: what the log has of them, who waits there, what is said of them.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pushnote_core::{ChannelName, Subject};
use pushnote_hub::{Bounds, Counter, Dated, Had, Hub, Stored};
use pushnote_relay::{Concurrency, HoldError, Info, Location, Registry, RegistryError};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::receiver::AnyReceiver;

/// Channels that are there without a message, or in which somebody waits.
const CHANNELS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// Why a request waits no more, but for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SentAway {
    /// Another one waits instead.
    Conflict,
    /// The channel was deleted.
    Gone,
}

/// See the module's documentation.
pub(super) struct Channels {
    pub(super) hub: Hub<AnyReceiver>,
    registry: Mutex<Registry<oneshot::Sender<SentAway>>>,
    /// Seconds count from here.
    began: Instant,
    pub(super) counters: Counters,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Requests that published.
    pub(crate) published: Counter,
    /// Requests to publish that were not allowed.
    pub(crate) refused: Counter,
    /// Messages given to subscribers.
    pub(crate) delivered: Counter,
    /// Times that a subscriber was told that messages are missing.
    pub(crate) gaps: Counter,
}

/// A request that waits; dropped, it waits no more.
pub(super) struct Held {
    channels: Arc<Channels>,
    channel: ChannelName,
    id: u64,
    sent_away: oneshot::Receiver<SentAway>,
}

impl Channels {
    pub(super) fn new(hub: Hub<AnyReceiver>) -> Self {
        Self {
            hub,
            registry: Mutex::new(Registry::new(CHANNELS_MAX)),
            began: Instant::now(),
            counters: Counters::default(),
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry<oneshot::Sender<SentAway>>> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_s(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    /// What there is of a channel, and where a subscriber reads on.
    pub(super) fn stored(&self, location: &Location, channel: &ChannelName, had: Option<Had>) -> Stored {
        let buffer = location.buffer;
        let bounds = Bounds {
            floor: self.registry().floor(channel),
            count_min: buffer.messages_min,
            count_max: buffer.messages_max,
            age_max: buffer.age_max,
        };
        self.hub.stored(&subject(channel), &bounds, had)
    }

    /// The first messages from a place on, with the gaps before and between them, and the place behind them.
    pub(super) fn read(&self, channel: &ChannelName, from: u64, count_max: usize) -> (Vec<Dated>, u64) {
        let from = from.max(self.registry().floor(channel));
        let excerpt = self.hub.excerpt(&subject(channel), from, count_max, usize::MAX);
        (excerpt.publications, excerpt.next)
    }

    /// Whether a channel is there.
    pub(super) fn has(&self, location: &Location, channel: &ChannelName) -> bool {
        self.registry().has(channel) || self.stored(location, channel, None).count > 0
    }

    pub(super) fn create(&self, channel: &ChannelName) -> Result<(), RegistryError> {
        self.registry().create(channel)
    }

    /// A subscriber asks.
    pub(super) fn requested(&self, channel: &ChannelName) -> Result<(), RegistryError> {
        let now_s = self.now_s();
        self.registry().requested(channel, now_s)
    }

    pub(super) fn conflicts(&self, channel: &ChannelName, concurrency: Concurrency) -> bool {
        self.registry().conflicts(channel, concurrency)
    }

    /// A request begins to wait; others may have to go for it.
    pub(super) fn hold(
        self: &Arc<Self>,
        channel: &ChannelName,
        concurrency: Concurrency,
    ) -> Result<Held, HoldError> {
        let (ticket, sent_away) = oneshot::channel();
        let (id, others) = self.registry().hold(channel, ticket, concurrency)?;
        tell(others, SentAway::Conflict);
        Ok(Held { channels: Arc::clone(self), channel: channel.clone(), id, sent_away })
    }

    /// A message is about to be published: gives how many wait for it, and wait for no other.
    pub(super) fn serve(&self, channel: &ChannelName) -> usize {
        self.registry().serve(channel)
    }

    /// It was not.
    pub(super) fn unserve(&self, channel: &ChannelName) {
        self.registry().unserve(channel);
    }

    /// Deletes a channel, and sends those away who wait.
    pub(super) fn delete(&self, channel: &ChannelName) {
        let end = self.hub.end();
        tell(self.registry().delete(channel, end), SentAway::Gone);
    }

    /// What is said of a channel.
    pub(super) fn info(&self, location: &Location, channel: &ChannelName) -> Info {
        let messages = self.stored(location, channel, None).count;
        let now_s = self.now_s();
        let registry = self.registry();
        let requested_s = registry.requested_ago_s(channel, now_s);
        Info { messages, requested_s, subscribers: registry.held(channel) }
    }

    /// Channels that are known, and requests that wait.
    pub(super) fn size(&self) -> (usize, usize) {
        let registry = self.registry();
        (registry.len(), registry.held_in_all())
    }
}

fn tell(tickets: Vec<oneshot::Sender<SentAway>>, sent_away: SentAway) {
    for ticket in tickets {
        // One that has just got a message waits for nothing.
        let _ = ticket.send(sent_away);
    }
}

fn subject(channel: &ChannelName) -> Subject {
    Subject::Channel(channel.clone())
}

impl Held {
    /// Waits until it is sent away. Cancel-safe.
    pub(super) async fn sent_away(&mut self) -> SentAway {
        (&mut self.sent_away).await.unwrap_or(SentAway::Gone)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.channels.registry().release(&self.channel, self.id);
    }
}
