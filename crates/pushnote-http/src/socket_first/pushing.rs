//! What a server with Web Push does about messages that are to be acknowledged: their pushes wait in the queue of jobs until their
//! time has come, or are taken out of it; and how far each has come is written down, and told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::{StreamExt as _, stream};
use pushnote_core::{Subject, UserId};
use pushnote_hub::{Counter, Hub};
use pushnote_net::LogOnce;
use pushnote_store::rusqlite::{self, Transaction};
use pushnote_store::{Store, TransactError};
use pushnote_webpush::{Event, Outcome};

use super::state::State;
use super::states::{self, Advanced, Bounds, Sent, Standing, ToQueue};
use crate::kept::unix_ms;
use crate::push::Push;
use crate::receiver::AnyReceiver;
use crate::webhook::{self, Webhook};

/// Messages whose users without a device are looked at in one turn, and pieces of the oldest that are forgotten in one.
const PER_TURN: usize = 100;

/// Pieces of work that are given to the store before the first is committed.
const COMMITTED_TOGETHER: usize = 64;

/// Does all of this, some of it at the same time: it is committed together then.
pub(super) async fn all<F: Future<Output = ()>>(futures: impl IntoIterator<Item = F>) {
    stream::iter(futures).for_each_concurrent(COMMITTED_TOGETHER, |future| future).await;
}

/// See the module's documentation.
pub(crate) struct Pushing {
    store: Arc<Store>,
    push: Arc<Push>,
    hub: Hub<AnyReceiver>,
    webhook: Option<Arc<Webhook>>,
    bounds: Bounds,
    /// Users of messages that are in the tables.
    users: AtomicU64,
    /// What could not be written down.
    unwritten: Counter,
    /// Messages with ids that were known, and that are not pushed for that.
    pub(super) known: Counter,
    log: LogOnce,
}

impl Pushing {
    /// Goes on where an earlier run left off. What is in its log, and was not written down, is now.
    ///
    /// # Errors
    ///
    /// The store does not take it.
    pub(crate) async fn open(
        store: Arc<Store>,
        push: Arc<Push>,
        hub: Hub<AnyReceiver>,
        webhook: Option<Arc<Webhook>>,
        bounds: Bounds,
        mut recovered: Vec<Sent>,
    ) -> Result<Self, TransactError> {
        let oldest_ms = unix_ms().saturating_sub(bounds.age_max_ms);
        // What is older may have been forgotten, and is not pushed again.
        recovered.retain(|sent| sent.at_ms > oldest_ms);
        let users = store.transact(move |tx| {
            let users = states::open(tx)?;
            // What is known was written down before.
            Ok(users + states::add(tx, &recovered)?.users)
        });
        let users = users.await?.into();
        let (unwritten, known, log) = (Counter::default(), Counter::default(), LogOnce::new());
        Ok(Self { store, push, hub, webhook, bounds, users, unwritten, known, log })
    }

    /// What is still to be acknowledged, up to so many users: messages, the oldest first, each with its users.
    pub(super) async fn awaited(&self, users_max: usize) -> Vec<(String, Vec<UserId>)> {
        self.written(move |tx| states::awaited(tx, users_max)).await.unwrap_or_default()
    }

    /// Messages have come, and are pushed to who does not acknowledge them.
    pub(super) async fn sent(&self, mut messages: Vec<Sent>) {
        for (user, state) in messages.iter_mut().flat_map(|sent| &mut sent.users) {
            if self.hub.connections(&Subject::User(user.clone())) > 0 {
                *state = State::Delivered;
            }
        }
        let messages = Arc::new(messages);
        let to_add = Arc::clone(&messages);
        let Some(added) = self.written(move |tx| states::add(tx, &to_add)).await else { return };
        self.users.fetch_add(added.users, Relaxed);
        self.known.add(added.known);
        if added.known > 0
            && let Some(unlogged) = self.log.due("known")
        {
            tracing::info!(
                known = added.known,
                unlogged,
                "messages with ids that are known already are delivered, and not pushed again"
            );
        }
        for Sent { id, users, at_ms, .. } in &*messages {
            let delivered = users.iter().filter(|(_, state)| *state == State::Delivered);
            self.tell(id, delivered.map(|(user, _)| user.as_str()), State::Delivered, *at_ms);
        }
        self.queue().await;
    }

    /// Queues the pushes that are not queued yet. What fails is tried again.
    async fn queue(&self) {
        while let Some(to_queue) = self.written(states::to_queue).await.filter(|queue| !queue.is_empty()) {
            let before = self.unwritten.total();
            all(to_queue.into_iter().map(|message| self.queue_one(message))).await;
            if self.unwritten.total() > before {
                return;
            }
        }
    }

    async fn queue_one(&self, ToQueue { id, push, due_ms, users }: ToQueue) {
        let due = UNIX_EPOCH + Duration::from_millis(due_ms);
        match self.push.later(&id, users, &push, due).await {
            Ok(enqueued) => {
                let queued = move |tx: &Transaction<'_>| states::queued(tx, &id, &enqueued.without_device);
                self.written(queued).await;
            }
            Err(error) => self.warn(&error),
        }
    }

    /// Users have acknowledged a message: it is not pushed to them, and a notification that they have got is taken back.
    pub(super) async fn acknowledged(&self, id: Arc<str>, users: Vec<String>) {
        if let Err(error) = self.push.cancel(&id, &users).await {
            self.warn(&error);
        }
        let advanced = self.advance(&id, users, State::Acknowledged).await;
        let late = advanced.into_iter().filter(|user| user.before >= State::Pushed).map(|user| user.user);
        self.collapse(&id, late.collect()).await;
    }

    /// What became of pushes, also of others.
    pub(super) async fn outcomes(&self, outcomes: Vec<Event>) {
        let mut users: HashMap<(Arc<str>, State), Vec<String>> = HashMap::new();
        for event in outcomes {
            let state = match event.outcome {
                Outcome::Accepted => State::Pushed,
                Outcome::Expired => State::Expired,
                _ => State::Failed,
            };
            users.entry((event.message_id, state)).or_default().push(event.user.to_string());
        }
        all(users.into_iter().map(|((id, state), users)| self.settled(id, state, users))).await;
    }

    async fn settled(&self, id: Arc<str>, state: State, users: Vec<String>) {
        self.advance(&id, users.clone(), state).await;
        if state == State::Pushed {
            // It was on its way when a page said so.
            let of = Arc::clone(&id);
            let late = self.written(move |tx| states::acknowledged(tx, &of, &users)).await;
            self.collapse(&id, late.unwrap_or_default()).await;
        }
    }

    /// A device has shown the notification.
    pub(super) async fn shown(&self, id: String, user: String) {
        self.advance(&id, vec![user], State::Shown).await;
    }

    /// What is to be done from time to time.
    pub(super) async fn turn(&self) {
        if self.users.load(Relaxed) == 0 {
            return;
        }
        self.queue().await;
        for _ in 0..PER_TURN {
            let now_ms = unix_ms();
            let failed = self.written(move |tx| states::fail_without_device(tx, now_ms)).await.flatten();
            let Some((id, failed)) = failed else { break };
            self.tell(&id, failed.iter().map(|user| &*user.user), State::Failed, now_ms);
        }
        for _ in 0..PER_TURN {
            let (users, bounds, now_ms) = (self.users.load(Relaxed), self.bounds, unix_ms());
            let gone = self.written(move |tx| states::forget(tx, users, bounds, now_ms)).await;
            let Some(Some(gone)) = gone else { break };
            self.users.fetch_sub(gone.min(users), Relaxed);
        }
    }

    /// A message as it stands, if it is known.
    ///
    /// # Errors
    ///
    /// The store does not answer.
    pub(super) async fn standing(&self, id: String) -> Result<Option<Standing>, TransactError> {
        self.store.transact(move |tx| states::standing(tx, &id)).await
    }

    /// How often something could not be written down.
    pub(super) fn unwritten(&self) -> u64 {
        self.unwritten.total()
    }

    /// Where the application hears of it.
    pub(super) fn webhook(&self) -> Option<Arc<Webhook>> {
        self.webhook.clone()
    }

    /// How many users of messages are written down.
    pub(super) fn users(&self) -> u64 {
        self.users.load(Relaxed)
    }

    async fn advance(&self, id: &str, users: Vec<String>, state: State) -> Vec<Advanced> {
        let (of, now_ms) = (id.to_owned(), unix_ms());
        let advanced = self.written(move |tx| states::advance(tx, &of, &users, state, now_ms)).await;
        let advanced = advanced.unwrap_or_default();
        self.tell(id, advanced.iter().map(|user| &*user.user), state, now_ms);
        advanced
    }

    /// Closes the notification of a message at the devices of these users.
    async fn collapse(&self, id: &str, users: Vec<String>) {
        if users.is_empty() {
            return;
        }
        let of = id.to_owned();
        let Some(Some(push)) = self.written(move |tx| states::push_of(tx, &of)).await else { return };
        if let Err(error) = self.push.collapse(push.topic.as_deref().unwrap_or(id), users).await {
            self.warn(&error);
        }
    }

    fn tell<'a>(&self, id: &str, users: impl Iterator<Item = &'a str>, state: State, at_ms: u64) {
        let Some(webhook) = &self.webhook else { return };
        let message: Arc<str> = id.into();
        for user in users {
            webhook.tell(webhook::Event {
                message: Arc::clone(&message),
                user: user.into(),
                state: state.as_str(),
                at_ms,
            });
        }
    }

    async fn written<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<T> {
        let done = self.store.transact(work).await;
        done.inspect_err(|error| self.warn(error)).ok()
    }

    fn warn(&self, error: &dyn std::fmt::Display) {
        self.unwritten.add(1);
        if let Some(unlogged) = self.log.due("unwritten") {
            tracing::warn!(%error, unlogged, "how far messages have come could not be written down");
        }
    }
}
