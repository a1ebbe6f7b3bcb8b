//! What a pusher does on its threads.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use pushnote_store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::{Answer, Verdict};
use crate::audience::Audience;
use crate::base64url;
use crate::client::Client;
use crate::direct::Direct;
use crate::guard::Guard;
use crate::jobs::{Jobs, Progress};
use crate::key::{Key, Keys};
use crate::lanes::Lanes;
use crate::message::Message;
use crate::pusher_options::{OpenPusherError, PusherError, PusherOptions};
use crate::sender::Sender;
use crate::sender_options::SenderOptions;
use crate::subscription::Subscription;
use crate::subscriptions::Subscriptions;
use crate::vapid::Vapid;

/// What is not told by an event (a device that was removed) is looked for so often.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a pusher is made of.
pub(crate) struct Pushing {
    pub(crate) store: Arc<Store>,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) jobs: Jobs,
    pub(crate) direct: Direct,
    lanes: Arc<Lanes>,
    pub(crate) key: Key,
    pub(crate) guard: Guard,
    patience: Duration,
    /// Calls whose messages are under way to subscriptions that need not be stored.
    sending: AtomicUsize,
    /// Changes whenever a message is done with.
    settled: watch::Sender<()>,
}

/// A message to stored subscriptions, by which its progress is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Messages under way. They are sent also if nobody waits.
#[derive(Debug)]
pub struct Pending(mpsc::Receiver<Result<Vec<Answer>, PusherError>>);

impl Pending {
    pub(crate) fn new() -> (mpsc::SyncSender<Result<Vec<Answer>, PusherError>>, Self) {
        let (sent, pending) = mpsc::sync_channel(1);
        (sent, Self(pending))
    }

    /// Waits until all are sent, and says what push services have said, in the order of the subscriptions.
    ///
    /// # Errors
    ///
    /// Nothing can be read, or the pusher is gone.
    pub fn wait(self) -> Result<Vec<Answer>, PusherError> {
        self.0.recv().unwrap_or(Err(PusherError::Fault))
    }
}

impl Pushing {
    /// Opens what is in a folder, and starts to send what was left there.
    pub(crate) async fn start(dir: &Path, options: PusherOptions) -> Result<(Self, Sender), OpenPusherError> {
        let (store, _) = Store::open(dir, &pushnote_store::Options::default())?;
        let store = Arc::new(store);
        let key = Key::open(&options.key_file.unwrap_or_else(|| dir.join("vapid.pem")))?;
        let old: Result<_, _> = options.old_key_files.iter().map(|file| Key::from_file(file)).collect();
        let keys = Keys::new(key.clone(), old?);
        let subscriptions = Subscriptions::open(store.clone(), options.subscriptions, &keys).await?;
        let jobs = Jobs::open(&subscriptions).await?;
        let client = Client::new(Vapid::new(keys, options.subject), options.guard.clone(), &options.roots)?;
        let client = Arc::new(client);

        let (settled, _) = watch::channel(());
        let told = settled.clone();
        let sender_options = SenderOptions {
            in_flight_max: options.in_flight_max,
            events: Some(Arc::new(move |_| told.send_modify(|()| ()))),
            ..SenderOptions::default()
        };
        let sender = Sender::start(sender_options, client.clone(), jobs.clone());
        let counters = sender.counters().clone();
        let direct = Direct::new(client, subscriptions.clone(), key.id(), counters);
        let pushing = Self {
            store,
            subscriptions,
            jobs,
            direct,
            lanes: Arc::new(Lanes::new(options.in_flight_max)),
            key,
            guard: options.guard,
            patience: options.patience,
            sending: AtomicUsize::new(0),
            settled,
        };
        Ok((pushing, sender))
    }

    /// Stores a message for an audience, and says who has no device.
    pub(crate) async fn enqueue(
        &self,
        audience: &Audience,
        message: &Message,
    ) -> Result<(MessageId, Vec<String>), PusherError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| PusherError::Fault)?;
        let id = MessageId(base64url::encode(&random));
        let enqueued = self.jobs.enqueue(&id.0, audience, message, None).await?;
        Ok((id, enqueued.without_device))
    }

    /// Sends a message once to each, past the queue, some at a time to each service. The answers are in the order of the
    /// subscriptions. Some may have been sent when there is an error.
    pub(crate) async fn send_all(
        &self,
        subscriptions: Vec<Subscription>,
        message: &Message,
    ) -> Result<Vec<Answer>, PusherError> {
        // What stays so is a request whose task has panicked, which the standard error tells of.
        let none = Answer::none(Verdict::Later, "a fault in pushnote", "");
        let mut answers = vec![none; subscriptions.len()];
        let mut sends = JoinSet::new();
        for (number, subscription) in subscriptions.into_iter().enumerate() {
            let (direct, lanes, message) = (self.direct.clone(), Arc::clone(&self.lanes), message.clone());
            sends.spawn(async move {
                let _place = lanes.enter(subscription.endpoint().origin()).await;
                (number, direct.send(&subscription, &message).await)
            });
        }
        while let Some(sent) = sends.join_next().await {
            if let Ok((number, answer)) = sent {
                answers[number] = answer?;
            }
        }
        Ok(answers)
    }

    /// Waits until a message is done with, as long as the patience lasts.
    pub(crate) async fn finished(&self, id: MessageId) -> Result<Progress, PusherError> {
        let until = Instant::now() + self.patience;
        let mut settled = self.settled.subscribe();
        loop {
            let progress = self.jobs.progress(&id.0).await?.unwrap_or_default();
            if progress.queued == 0 || Instant::now() >= until {
                return Ok(progress);
            }
            // Looking again is the answer to whatever comes of it.
            let _ = timeout_at(until.min(Instant::now() + LOOK_INTERVAL), settled.changed()).await;
        }
    }

    /// Waits until all is done with.
    pub(crate) async fn all_finished(&self) -> Result<(), PusherError> {
        let mut settled = self.settled.subscribe();
        while self.jobs.waiting() > 0 || self.sending.load(Ordering::Relaxed) > 0 {
            self.store.failure().map_or(Ok(()), |failure| Err(PusherError::Store(failure.into())))?;
            let _ = timeout(LOOK_INTERVAL, settled.changed()).await;
        }
        Ok(())
    }
}

/// A call whose messages are under way.
pub(crate) struct UnderWay(Arc<Pushing>);

impl UnderWay {
    pub(crate) fn new(pushing: Arc<Pushing>) -> Self {
        pushing.sending.fetch_add(1, Ordering::Relaxed);
        Self(pushing)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::Relaxed);
        self.0.settled.send_modify(|()| ());
    }
}
