//! Web Push: messages to browsers whose page is closed (docs/web-push.md). What the rest of the server sees of it.

mod acks;
mod direct;
mod notification;
mod places;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use pushnote_core::UserId;
use pushnote_hub::Counter;
use pushnote_net::LogOnce;
use pushnote_store::{Store, TransactError};
use pushnote_webpush::{
    AddError, Added, Answer, Audience, Client, Counters, Device, Direct, Endpoint, Enqueued, Event,
    Forbidden, Guard, Jobs, Keys, Message, MessageError, OpenError, Progress, Recipients, RootsError, Sender,
    SenderOptions, Subject, Subscription, SubscriptionOptions, Subscriptions, Vapid,
};

use crate::socket_first::Bounds;
use crate::webhook::WebhookOptions;
use acks::Acks;
pub(crate) use direct::NothingSent;
use direct::PastQueue;
pub(crate) use notification::{Treatment, notification};

/// Web Push, if it is on.
#[derive(Debug)]
pub struct PushOptions {
    /// Where push services reach whoever runs this.
    pub subject: Subject,
    /// The key that browsers subscribe to, and those before it.
    pub keys: Keys,
    /// Which push services may be asked.
    pub guard: Guard,
    /// How many browsers may subscribe.
    pub subscriptions: SubscriptionOptions,
    /// What is kept of messages with a push.
    pub states: Bounds,
    /// Where the application hears of it.
    pub webhook: Option<WebhookOptions>,
}

/// Web Push of this server: its subscriptions and its queue, both on disk.
pub(crate) struct Push {
    public_key: String,
    guard: Guard,
    subscriptions: Subscriptions,
    jobs: Jobs,
    /// Past the queue.
    pub(crate) past_queue: PastQueue,
    /// Until it is stopped.
    sender: Mutex<Option<Sender>>,
    /// What it has done.
    pub(crate) sent: Arc<Counters>,
    acks: Arc<Acks>,
    /// Notifications that service workers have said to have shown.
    pub(crate) shown: Counter,
    /// Subscriptions that were not taken.
    pub(crate) refused: Counter,
    log: LogOnce,
}

/// Why Web Push does not start.
#[derive(Debug, thiserror::Error)]
pub enum PushStartError {
    /// There is no place for subscriptions.
    #[error("subscriptions are kept on disk, and nothing is kept there")]
    NothingKept,
    /// What is on disk cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// How far messages have come cannot be written down.
    #[error(transparent)]
    States(#[from] TransactError),
    /// A certificate is none.
    #[error(transparent)]
    Roots(#[from] RootsError),
}

/// Why something of Web Push was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    #[error("the endpoint may not be asked: {0}; --push-allowed-host and --push-allowed-net say which may")]
    Forbidden(#[from] Forbidden),
    #[error(transparent)]
    NothingSent(#[from] NothingSent),
    #[error(transparent)]
    Add(#[from] AddError),
    #[error("not kept: {0}")]
    NotKept(#[from] TransactError),
    #[error(transparent)]
    Message(#[from] MessageError),
}

impl PushError {
    /// What kind it is, for the log.
    fn kind(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "service",
            Self::NothingSent(_) => "direct",
            Self::Add(AddError::UserFull { .. }) => "user",
            Self::Add(AddError::AddressFull { .. }) => "address",
            Self::Add(AddError::User | AddError::Group) => "name",
            Self::Add(AddError::Store(_)) | Self::NotKept(_) => "store",
            Self::Message(_) => "message",
        }
    }
}

impl Push {
    /// Goes on with what earlier runs left in the store. What becomes of each push, `hears` is told.
    ///
    /// # Errors
    ///
    /// The store does not take it.
    pub(crate) async fn start(
        options: PushOptions,
        store: &Arc<Store>,
        hears: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Result<Self, PushStartError> {
        let PushOptions { subject, keys, guard, subscriptions, .. } = options;
        let public_key = keys.current().public_base64url();
        let acks = Arc::new(Acks::new(&keys.current().private_bytes()));
        let subscriptions = Subscriptions::open(Arc::clone(store), subscriptions, &keys).await?;
        let jobs = Jobs::open(&subscriptions).await?;
        let key = keys.current().id();
        let client = Arc::new(Client::new(Vapid::new(keys, subject), guard.clone(), &[])?);
        let filling = Arc::clone(&acks);
        let sender_options = SenderOptions {
            personal: Some(Arc::new(move |message_id, user, payload| {
                filling.fill(message_id, user, payload)
            })),
            events: Some(Arc::new(hears)),
            ..SenderOptions::default()
        };
        let sender = Sender::start(sender_options, Arc::clone(&client), jobs.clone());
        let counters = Arc::clone(sender.counters());
        let direct = Direct::new(client, subscriptions.clone(), key, counters);
        Ok(Self {
            public_key,
            guard,
            subscriptions,
            jobs,
            past_queue: PastQueue::new(direct),
            sent: Arc::clone(sender.counters()),
            sender: Mutex::new(Some(sender)),
            acks,
            shown: Counter::default(),
            refused: Counter::default(),
            log: LogOnce::new(),
        })
    }

    /// Begins nothing more, and ends when what is on its way has been answered. What waits stays for the next run.
    pub(crate) async fn stop(&self) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let queued = async {
            if let Some(sender) = sender {
                sender.stop().await;
            }
        };
        tokio::join!(queued, self.past_queue.close());
    }

    /// What browsers subscribe to, in url-safe base64.
    pub(crate) fn public_key(&self) -> &str {
        &self.public_key
    }

    /// From now on a browser gets what is for this user. `address` is where it asks from, if it does so itself.
    ///
    /// # Errors
    ///
    /// [`PushError`]: nothing was kept.
    pub(crate) async fn subscribe(
        &self,
        user: &UserId,
        group: Option<&str>,
        subscription: &Subscription,
        address: Option<IpAddr>,
    ) -> Result<Added, PushError> {
        let endpoint = subscription.endpoint().clone();
        let added = match self.guard.check(&endpoint) {
            Ok(()) => self
                .subscriptions
                .add(user.as_str(), group, subscription, address)
                .await
                .map_err(PushError::from),
            Err(forbidden) => Err(forbidden.into()),
        };
        if let Err(error) = &added {
            self.refused.add(1);
            if let Some(unlogged) = self.log.due(error.kind()) {
                tracing::info!(%endpoint, %error, unlogged, "subscription to Web Push refused; more of this kind in the next minute are not logged");
            }
        }
        added
    }

    /// A browser of this user is to get nothing more.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment.
    pub(crate) async fn unsubscribe(&self, user: &UserId, endpoint: &Endpoint) -> Result<(), PushError> {
        self.subscriptions.remove(user.as_str(), endpoint).await?;
        Ok(())
    }

    /// A browser, whoever's it is, is to get nothing more; how many there were.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment.
    pub(crate) async fn remove(&self, endpoint: &Endpoint) -> Result<u64, PushError> {
        Ok(self.subscriptions.remove_device(endpoint.id()).await?.into())
    }

    /// All browsers of a user are to get nothing more; how many there were.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment.
    pub(crate) async fn remove_user(&self, user: &UserId) -> Result<u64, PushError> {
        Ok(self.subscriptions.remove_user(user.as_str()).await?)
    }

    /// A browser, whoever's it is.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment.
    pub(crate) async fn find(&self, endpoint: &Endpoint) -> Result<Option<Device>, PushError> {
        Ok(self.subscriptions.find(endpoint.id()).await?)
    }

    /// The browsers of a user.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment.
    pub(crate) async fn of(&self, user: &UserId) -> Result<Vec<Device>, PushError> {
        Ok(self.subscriptions.of(user.as_str()).await?)
    }

    /// Sends a push that follows no message; to how many browsers. One with an id that is known is not sent again.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment, and so nothing sent.
    pub(crate) async fn send(
        &self,
        id: &str,
        audience: &Audience,
        message: &Message,
    ) -> Result<u64, PushError> {
        Ok(self.jobs.enqueue(&alone(id), audience, message, None).await?.devices)
    }

    /// Whether a push service may be asked.
    ///
    /// # Errors
    ///
    /// [`PushError::Forbidden`].
    pub(crate) fn check(&self, endpoint: &Endpoint) -> Result<(), PushError> {
        Ok(self.guard.check(endpoint)?)
    }

    /// Sends a push once to each of some subscriptions, stored or not: see [`PastQueue::send`]. Each is to be
    /// [checked](Self::check).
    ///
    /// # Errors
    ///
    /// There is a place for none, or nothing is stored at the moment.
    pub(crate) async fn send_directly(
        &self,
        subscriptions: Vec<Subscription>,
        message: &Message,
        key: &Arc<str>,
    ) -> Result<Vec<Answer>, PushError> {
        Ok(self.past_queue.send(subscriptions, message, key).await?)
    }

    /// How far a push is that follows no message; `None` if there is none of this id, or none any more.
    ///
    /// # Errors
    ///
    /// Nothing can be read at the moment.
    pub(crate) async fn progress(&self, id: &str) -> Result<Option<Progress>, PushError> {
        Ok(self.jobs.progress(&alone(id)).await?)
    }

    /// Sends what follows a message to users when its time has come, unless that is [cancelled](Self::cancel) before.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment, and so nothing sent; or it is too long.
    pub(crate) async fn later(
        &self,
        id: &str,
        users: Vec<String>,
        push: &pushnote_core::Push,
        due: SystemTime,
    ) -> Result<Enqueued, PushError> {
        let message = notification(id, push, None)?;
        Ok(self.jobs.enqueue(id, &Recipients::Users(users).into(), &message, Some(due)).await?)
    }

    /// Users are not to get a message any more, as far as it is not on its way; on how many browsers.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment.
    pub(crate) async fn cancel(&self, id: &str, users: &[String]) -> Result<u64, PushError> {
        Ok(self.jobs.cancel(id, users).await?)
    }

    /// Closes a notification, by its tag, at the browsers of users; not at Apple's, which take nothing that shows nothing. What a
    /// service still keeps of it, this replaces.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment, and so nothing sent.
    pub(crate) async fn collapse(&self, tag: &str, users: Vec<String>) -> Result<(), PushError> {
        // What it consists of always serialises.
        let payload =
            Bytes::from(serde_json::to_vec(&serde_json::json!({"collapse": tag})).unwrap_or_default());
        let treatment = Treatment { ttl_s: Some(0), urgency: None, topic: None };
        let mut message = treatment.of(Message::new(payload)?, tag)?;
        message.quiet = true;
        let id = format!("collapse {:016x}", getrandom::u64().unwrap_or_default());
        self.jobs.enqueue(&id, &Recipients::Users(users).into(), &message, None).await?;
        Ok(())
    }

    /// Browsers that are subscribed, and messages to them that wait.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.subscriptions.count(), self.jobs.waiting())
    }

    /// A service worker says that it has shown a notification; whether that is one of this server's.
    pub(crate) fn shown(&self, ack: &str) -> Option<(String, UserId)> {
        let shown = self.acks.read(ack)?;
        self.shown.add(1);
        Some(shown)
    }
}

/// The id of a push that follows no message, among the jobs. With a character that no id has itself, so that it stops no message
/// that has the same.
fn alone(id: &str) -> String {
    format!("\n{id}")
}
