//! Redis: what applications publish on its channels, as flask-sse does; each is subscribed to while somebody listens.

mod link;
mod options;
mod payload;
mod subscriptions;

use std::convert::Infallible;
use std::sync::Arc;

use pushnote_core::Answer;
use pushnote_hub::Interest;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::source::{Incoming, Reply, Source};
use link::Link;
pub use options::{RedisCounters, RedisOptions, RedisServer, RedisUrlError};
use subscriptions::Subscriptions;

/// Messages that wait to be taken in; what comes beyond them is dropped, counted and told as a gap.
const WAITING_MAX: usize = 256;

/// Listens to Redis, and comes back to it, until it is dropped.
#[derive(Debug)]
pub struct Redis {
    incoming: mpsc::Receiver<Incoming<Infallible>>,
    counters: Arc<RedisCounters>,
    _listening: JoinSet<()>,
}

impl Redis {
    /// Begins to listen, on the current Tokio runtime, to the channels that `interest` tells of.
    pub fn new(options: RedisOptions, interest: Interest) -> Self {
        let (queue, incoming) = mpsc::channel(WAITING_MAX);
        let counters = Arc::<RedisCounters>::default();
        let subscriptions = Subscriptions::new(options.unsubscribe_delay, options.told_at_first);
        let link = Link::new(options, interest, subscriptions, queue, Arc::clone(&counters));
        let mut listening = JoinSet::new();
        listening.spawn(link.run());
        Self { incoming, counters, _listening: listening }
    }

    /// What is counted.
    pub fn counters(&self) -> &Arc<RedisCounters> {
        &self.counters
    }
}

impl Source for Redis {
    type Reply = Infallible;

    async fn next(&mut self) -> Option<Incoming<Infallible>> {
        self.incoming.recv().await
    }
}

/// Whoever publishes in Redis is not answered.
impl Reply for Infallible {
    fn answer(self, _answer: &Answer) {
        match self {}
    }
}
