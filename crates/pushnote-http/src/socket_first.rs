//! Socket first: a message for users goes to their open pages, and is pushed to the devices of those of whom no page acknowledges
//! it in time. Here is who acknowledges what, and that all servers hear of it.

mod awaited;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pushnote_core::{Asked, UserId};
use pushnote_hub::{Counter, Publication};
use pushnote_net::LogOnce;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::publisher::Publisher;
use awaited::Awaited;

/// How long acknowledgements wait for others, to be told together.
const TOGETHER: Duration = Duration::from_millis(50);

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct SocketFirst {
    awaited: Mutex<Awaited>,
    /// What this server's pages have acknowledged, and nobody was told yet: no more than was awaited.
    acknowledged: Mutex<HashMap<Arc<str>, Vec<UserId>>>,
    wake: Notify,
    pub(crate) counters: Counters,
    log: LogOnce,
}

/// What is counted.
#[derive(Default)]
pub(crate) struct Counters {
    /// Users of messages of which a page here has said so.
    pub(crate) acknowledged: Counter,
    /// Words of pages about messages that are not awaited of them: said twice, too late, or never sent.
    pub(crate) ignored: Counter,
    /// Users of messages that were forgotten, because too many were awaited.
    pub(crate) forgotten: Counter,
    /// Acknowledgements that other servers were not told of.
    pub(crate) untold: Counter,
}

impl SocketFirst {
    /// A message comes, before anybody has it; or one that is no message, about one.
    pub(crate) fn heard(&self, publication: &Publication, asked: Asked) {
        match asked {
            Asked::Deliver => self.expect(publication),
            Asked::Acknowledge => {
                let id = publication.data().and_then(|data| serde_json::from_slice::<String>(data).ok());
                let Some(id) = id else { return };
                lock(&self.awaited).acknowledge(&id, publication.audience().user_ids());
            }
            Asked::Disconnect | Asked::Revoke { .. } => {}
        }
    }

    fn expect(&self, publication: &Publication) {
        let Some(id) = publication.ack() else { return };
        if let Some(unlogged) = self.log.due("not_pushed") {
            tracing::warn!(
                unlogged,
                "a message asks for a push to who does not acknowledge it, and this server pushes nothing: it is delivered alone"
            );
        }
        let users = publication.audience().user_ids().cloned();
        let forgotten = lock(&self.awaited).expect(id.into(), users);
        self.counters.forgotten.add(forgotten as u64);
        if forgotten > 0
            && let Some(unlogged) = self.log.due("forgotten")
        {
            tracing::warn!(
                forgotten,
                unlogged,
                "too many messages wait to be acknowledged: what pages say of the oldest counts no more"
            );
        }
    }

    /// A page of these users says that it has shown a message.
    pub(crate) fn acknowledge<'a>(&self, message: &str, users: impl IntoIterator<Item = &'a UserId>) {
        let users = lock(&self.awaited).acknowledge(message, users);
        if users.is_empty() {
            return self.counters.ignored.add(1);
        }
        self.counters.acknowledged.add(users.len() as u64);
        lock(&self.acknowledged).entry(message.into()).or_default().extend(users);
        self.wake.notify_one();
    }

    /// Tells other servers, for as long as it is awaited.
    pub(crate) async fn run(self: Arc<Self>, publisher: Publisher) {
        loop {
            self.wake.notified().await;
            sleep(TOGETHER).await;
            for (message, users) in std::mem::take(&mut *lock(&self.acknowledged)) {
                self.tell(&publisher, &message, &users);
            }
        }
    }

    fn tell(&self, publisher: &Publisher, message: &str, users: &[UserId]) {
        let Err(error) = publisher.acknowledge(message, users) else { return };
        self.counters.untold.add(users.len() as u64);
        if let Some(unlogged) = self.log.due("untold") {
            tracing::warn!(%error, unlogged, "other servers do not hear that messages were acknowledged here, and push them");
        }
    }

    /// How many users of messages are awaited.
    pub(crate) fn awaited(&self) -> usize {
        lock(&self.awaited).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
