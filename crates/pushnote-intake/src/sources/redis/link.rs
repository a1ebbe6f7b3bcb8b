//! The connection to Redis, and what happens on it.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use pushnote_core::{Audience, ChannelName, Subject};
use pushnote_hub::{Interest, Publication};
use pushnote_net::timeout_awake;
use redis::aio::{PubSub, PubSubSink};
use redis::{Msg, RedisError};
use tokio::sync::mpsc::{Sender as Queue, error::TrySendError};
use tokio::time::{Instant, sleep, sleep_until};

use super::options::{RedisCounters, RedisOptions, RedisServer};
use super::payload::{self, Payload};
use super::subscriptions::{Request, Subscriptions};
use crate::source::{Incoming, Rejected, Sender, Sent};

/// How long Redis may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long there is nothing to ask before Redis is asked whether it is there.
const PING_AFTER: Duration = Duration::from_secs(15);

/// Between attempts to connect, the first time and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Listens to Redis.
pub(super) struct Link {
    options: RedisOptions,
    interest: Interest,
    subscriptions: Subscriptions,
    queue: Queue<Incoming<Infallible>>,
    counters: Arc<RedisCounters>,
    /// Of these something is missing, and who listens has not been told.
    gaps: HashSet<ChannelName>,
}

/// What Redis has been asked and has not answered.
type Asked = Pin<Box<dyn Future<Output = Result<Option<Request>, Lost>> + Send>>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("it does not answer")]
    Silent,
    #[error("it has closed the connection")]
    Closed,
}

impl Link {
    pub(super) fn new(
        options: RedisOptions,
        interest: Interest,
        subscriptions: Subscriptions,
        queue: Queue<Incoming<Infallible>>,
        counters: Arc<RedisCounters>,
    ) -> Self {
        Self { options, interest, subscriptions, queue, counters, gaps: HashSet::new() }
    }

    /// Connects, listens, and connects again when that breaks.
    pub(super) async fn run(mut self) {
        let (mut pause, mut said) = (PAUSES.0, false);
        loop {
            let connecting = connect(&self.options.server);
            let lost = match meanwhile(&self.interest, &mut self.subscriptions, connecting).await {
                Ok(connection) => {
                    self.counters.connections.add(1);
                    tracing::info!(redis = %self.options.server, "connected to Redis");
                    (pause, said) = (PAUSES.0, false);
                    self.subscriptions.connected();
                    let lost = self.listen(connection).await;
                    self.subscriptions.broken();
                    self.counters.channels.store(0, Relaxed);
                    lost
                }
                Err(lost) => lost,
            };
            // Once for each time that it is away.
            if !std::mem::replace(&mut said, true) {
                tracing::warn!(
                    redis = %self.options.server,
                    why = %lost,
                    "no connection to Redis: what is published there is missed; trying again"
                );
            }
            meanwhile(&self.interest, &mut self.subscriptions, sleep(pause)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Takes what comes until the connection breaks.
    async fn listen(&mut self, connection: PubSub) -> Lost {
        let (sink, mut messages) = connection.split();
        let (prefix, queue) = (self.options.prefix.len(), self.queue.clone());
        let mut asked: Option<Asked> = None;
        let mut ping_at = Instant::now() + PING_AFTER;
        loop {
            let now = Instant::now();
            if asked.is_none() {
                asked = match self.subscriptions.next_request(now.into_std()) {
                    None if now >= ping_at => Some(ask(&sink, prefix, None)),
                    None => None,
                    request => Some(ask(&sink, prefix, request)),
                };
            }
            let timeout = self.subscriptions.poll_timeout().map(Instant::from);
            let wake_at = timeout.map_or(ping_at, |timeout| timeout.min(ping_at));
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.take(&message),
                    None => return Lost::Closed,
                },
                answered = answer(&mut asked) => {
                    asked = None;
                    ping_at = Instant::now() + PING_AFTER;
                    match answered {
                        Ok(Some(request)) => self.is_done(request),
                        Ok(None) => {}
                        Err(lost) => return lost,
                    }
                }
                changes = self.interest.changed() => hear(&mut self.subscriptions, changes),
                Ok(place) = queue.reserve(), if !self.gaps.is_empty() => {
                    if let Some(channel) = self.gaps.iter().next().cloned() {
                        self.gaps.remove(&channel);
                        place.send(incoming(Ok(Sent::Publication(Publication::gap_for(only(channel))))));
                    }
                }
                () = sleep_until(wake_at), if asked.is_none() => {}
            }
        }
    }

    fn is_done(&mut self, request: Request) {
        let missed = self.subscriptions.done(request, Instant::now().into_std());
        self.gaps.extend(missed);
        self.counters.channels.store(self.subscriptions.len() as u64, Relaxed);
    }

    fn take(&mut self, message: &Msg) {
        self.counters.messages.add(1);
        let name = format!("{}{}", self.options.prefix, message.get_channel_name());
        // What comes although nobody listens has been on its way when it was unsubscribed from.
        let Ok(channel) = ChannelName::new(&name) else { return };
        if !self.subscriptions.has(&channel) {
            return;
        }
        let parsed = payload::parse(message.get_payload_bytes(), self.options.data_bytes_max);
        let message = match parsed {
            Ok(Payload { body, event }) => {
                Ok(Sent::Publication(Publication::new(body, event, only(channel.clone()))))
            }
            Err(error) => Err(Rejected { kind: "redis_payload", why: format!("Redis channel: {error}") }),
        };
        match self.queue.try_send(incoming(message)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.counters.dropped.add(1);
                self.gaps.insert(channel);
            }
            // The server ends.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}

async fn connect(server: &RedisServer) -> Result<PubSub, Lost> {
    let client = server.client()?;
    let connecting = async { Ok(client.get_async_pubsub().await?) };
    timeout_awake(ANSWER_WITHIN, connecting).await.unwrap_or(Err(Lost::Silent))
}

/// Hears who listens until something is done without which there is no connection, and everybody who came before that.
async fn meanwhile<T>(
    interest: &Interest,
    subscriptions: &mut Subscriptions,
    doing: impl Future<Output = T>,
) -> T {
    let mut doing = pin!(doing);
    let done = loop {
        tokio::select! {
            done = &mut doing => break done,
            changes = interest.changed() => hear(subscriptions, changes),
        }
    };
    if let Some(changes) = interest.changed().now_or_never() {
        hear(subscriptions, changes);
    }
    done
}

fn hear(subscriptions: &mut Subscriptions, changes: HashMap<ChannelName, bool>) {
    let now = Instant::now().into_std();
    for (channel, wanted) in changes {
        subscriptions.listened(channel, wanted, now);
    }
}

/// Asks Redis something, or only whether it is there. In Redis, channels have no prefix: that many bytes.
fn ask(sink: &PubSubSink, prefix: usize, request: Option<Request>) -> Asked {
    let mut sink = sink.clone();
    Box::pin(async move {
        let names = |channels: &[ChannelName]| -> Vec<String> {
            let bare = |channel: &ChannelName| channel.as_str().get(prefix..).map(str::to_owned);
            channels.iter().filter_map(bare).collect()
        };
        let asking = async {
            match &request {
                Some(Request::Subscribe(channels)) => sink.subscribe(names(channels)).await,
                Some(Request::Unsubscribe(channels)) => sink.unsubscribe(names(channels)).await,
                None => sink.ping().await,
            }
        };
        timeout_awake(ANSWER_WITHIN, asking).await.map_err(|_| Lost::Silent)??;
        Ok(request)
    })
}

async fn answer(asked: &mut Option<Asked>) -> Result<Option<Request>, Lost> {
    match asked {
        Some(asked) => asked.await,
        None => pending().await,
    }
}

fn incoming(message: Result<Sent, Rejected>) -> Incoming<Infallible> {
    Incoming { sender: Sender::Anybody, message, reply: None, position: None, old: false }
}

fn only(channel: ChannelName) -> Audience {
    Audience::from_iter([Subject::from(channel)])
}
