//! Socket first: a message for users goes to their open pages, and is pushed to the devices of those of whom no page acknowledges
//! it in time. Here is who acknowledges what, and that all servers hear of it.

mod awaited;
mod pushing;
mod state;
mod states;

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pushnote_core::{Asked, UserId};
use pushnote_hub::{Counter, Publication, Recovered};
use pushnote_net::LogOnce;
use pushnote_store::TransactError;
use pushnote_webpush::Event;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::kept::unix_ms;
use crate::publisher::Publisher;
use crate::webhook::Webhook;
use awaited::{Awaited, USERS_MAX};
pub(crate) use pushing::Pushing;
use pushing::all;
pub(crate) use state::State;
pub use states::Bounds;
pub(crate) use states::{Sent, Standing};

/// How long acknowledgements wait for others, to be told together.
const TOGETHER: Duration = Duration::from_millis(50);

/// Messages that wait to be written down: whoever publishes one more waits, too.
const HEARD_MAX: usize = 64;

/// What became of pushes, and waits to be written down.
const OUTCOMES_MAX: usize = 1 << 17;

/// How often it is looked at what is due, and what is too old.
const TURN: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(crate) struct SocketFirst {
    awaited: Mutex<Awaited>,
    /// What this server's pages have acknowledged, and nobody was told yet: no more than was awaited.
    acknowledged: Mutex<HashMap<Arc<str>, Vec<UserId>>>,
    /// Something has been acknowledged, or has become of a push.
    wake: Notify,
    /// Where messages go that are to be pushed, if this server does so.
    heard: Option<mpsc::Sender<Heard>>,
    hearing: Mutex<Option<mpsc::Receiver<Heard>>>,
    outcomes: Mutex<Vec<Event>>,
    /// Messages and users of which a device has shown the notification.
    shown: Mutex<Vec<(String, UserId)>>,
    /// What is in the log of an earlier run, until that is written down.
    earlier: Mutex<Vec<Sent>>,
    pushing: OnceLock<Pushing>,
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
    /// What became of pushes, and was not written down: more came than could be.
    pub(crate) unwritten: Counter,
}

/// What comes in.
enum Heard {
    Message(Sent),
    /// Another server's pages have acknowledged one.
    Acknowledged(String, Vec<String>),
}

/// What is waited for before a message goes on.
pub(crate) type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

impl SocketFirst {
    /// Of a server that pushes, or one that only says who has acknowledged what.
    pub(crate) fn new(pushes: bool) -> Self {
        let (heard, hearing) = mpsc::channel(HEARD_MAX);
        Self {
            awaited: Mutex::default(),
            acknowledged: Mutex::default(),
            wake: Notify::new(),
            heard: pushes.then_some(heard),
            hearing: Mutex::new(Some(hearing)),
            outcomes: Mutex::default(),
            shown: Mutex::default(),
            earlier: Mutex::default(),
            pushing: OnceLock::new(),
            counters: Counters::default(),
            log: LogOnce::new(),
        }
    }

    /// Takes note of what is in the log of an earlier run: pages read it from there, and acknowledge it.
    pub(crate) fn go_on(&self, recovered: &[Recovered]) {
        let now_ms = unix_ms();
        for Recovered { publication, age, .. } in recovered {
            let at_ms = now_ms.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            let Some(sent) = Sent::of(publication, at_ms) else { continue };
            if self.pushes() {
                lock(&self.earlier).push(sent);
            } else {
                self.await_users(sent.id.into(), publication.audience().user_ids().cloned());
            }
        }
    }

    /// What that was, once.
    pub(crate) fn take_earlier(&self) -> Vec<Sent> {
        std::mem::take(&mut *lock(&self.earlier))
    }

    /// Who writes down and pushes. Once, before anything is awaited.
    pub(crate) fn push_by(&self, pushing: Pushing) {
        // There is no other.
        let _ = self.pushing.set(pushing);
    }

    /// Where the application hears how far messages have come.
    pub(crate) fn webhook(&self) -> Option<Arc<Webhook>> {
        self.pushing.get().and_then(Pushing::webhook)
    }

    /// Whether this server pushes.
    pub(crate) fn pushes(&self) -> bool {
        self.heard.is_some()
    }

    /// A message comes, before anybody has it; or one that is no message, about one. What it gives is to be waited for, so that no
    /// more comes than can be written down.
    pub(crate) fn heard(&self, publication: &Publication, asked: Asked) -> Option<Waiting> {
        let heard = match asked {
            Asked::Deliver => self.expect(publication)?,
            Asked::Acknowledge => {
                let id = publication.data().and_then(|data| serde_json::from_slice::<String>(data).ok())?;
                let users = || publication.audience().user_ids();
                lock(&self.awaited).acknowledge(&id, users());
                Heard::Acknowledged(id, users().map(ToString::to_string).collect())
            }
            Asked::Disconnect | Asked::Revoke { .. } => return None,
        };
        let sender = self.heard.clone()?;
        Some(Box::pin(async move {
            // Where nobody hears it any more, the server ends.
            let _ = sender.send(heard).await;
        }))
    }

    fn expect(&self, publication: &Publication) -> Option<Heard> {
        let sent = Sent::of(publication, unix_ms())?;
        self.await_users(sent.id.as_str().into(), publication.audience().user_ids().cloned());
        if !self.pushes()
            && let Some(unlogged) = self.log.due("not_pushed")
        {
            tracing::warn!(
                unlogged,
                "a message asks for a push to who does not acknowledge it, and this server pushes nothing: it is delivered alone"
            );
        }
        Some(Heard::Message(sent))
    }

    fn await_users(&self, id: Arc<str>, users: impl IntoIterator<Item = UserId>) {
        let forgotten = lock(&self.awaited).expect(id, users);
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

    /// What became of a push.
    pub(crate) fn outcome(&self, event: &Event) {
        let mut outcomes = lock(&self.outcomes);
        if outcomes.len() >= OUTCOMES_MAX {
            return self.counters.unwritten.add(1);
        }
        outcomes.push(event.clone());
        self.wake.notify_one();
    }

    /// A device of this user has shown the notification of a message.
    pub(crate) fn shown(&self, message: String, user: UserId) {
        let mut shown = lock(&self.shown);
        if shown.len() >= OUTCOMES_MAX {
            return self.counters.unwritten.add(1);
        }
        shown.push((message, user));
        self.wake.notify_one();
    }

    /// Tells other servers, and pushes, for as long as it is awaited.
    pub(crate) async fn run(self: Arc<Self>, publisher: Publisher) {
        let Some(mut hearing) = lock(&self.hearing).take() else { return };
        let pushing = self.pushing.get();
        if let Some(pushing) = pushing {
            for (id, users) in pushing.awaited(USERS_MAX).await {
                self.await_users(id.into(), users);
            }
        }
        let (mut turn, mut due) = (interval(TURN), None::<Instant>);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Vec::new();
        loop {
            tokio::select! {
                _ = hearing.recv_many(&mut heard, HEARD_MAX), if pushing.is_some() => {}
                () = self.wake.notified(), if due.is_none() => due = Some(Instant::now() + TOGETHER),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    due = None;
                    // What is acknowledged has come before.
                    while let Ok(one) = hearing.try_recv() {
                        heard.push(one);
                    }
                    self.hear(pushing, &mut heard).await;
                    self.settle(&publisher, pushing).await;
                }
                _ = turn.tick() => if let Some(pushing) = pushing {
                    pushing.turn().await;
                },
            }
            self.hear(pushing, &mut heard).await;
        }
    }

    /// Writes down what has come, in its order.
    async fn hear(&self, pushing: Option<&Pushing>, heard: &mut Vec<Heard>) {
        let Some(pushing) = pushing else { return heard.clear() };
        let mut messages = Vec::new();
        for one in heard.drain(..) {
            match one {
                Heard::Message(sent) => messages.push(sent),
                Heard::Acknowledged(id, users) => {
                    pushing.sent(std::mem::take(&mut messages)).await;
                    pushing.acknowledged(id.into(), users).await;
                }
            }
        }
        pushing.sent(messages).await;
    }

    /// Says who has acknowledged what, and writes down what became of pushes.
    async fn settle(&self, publisher: &Publisher, pushing: Option<&Pushing>) {
        let acknowledged = std::mem::take(&mut *lock(&self.acknowledged));
        acknowledged.iter().for_each(|(message, users)| self.tell(publisher, message, users));
        let Some(pushing) = pushing else { return };
        let names = |users: Vec<UserId>| users.iter().map(ToString::to_string).collect();
        all(acknowledged.into_iter().map(|(id, users)| pushing.acknowledged(id, names(users)))).await;
        let outcomes = std::mem::take(&mut *lock(&self.outcomes));
        pushing.outcomes(outcomes).await;
        let shown = std::mem::take(&mut *lock(&self.shown));
        all(shown.into_iter().map(|(id, user)| pushing.shown(id, user.to_string()))).await;
    }

    fn tell(&self, publisher: &Publisher, message: &str, users: &[UserId]) {
        let Err(error) = publisher.acknowledge(message, users) else { return };
        self.counters.untold.add(users.len() as u64);
        if let Some(unlogged) = self.log.due("untold") {
            tracing::warn!(%error, unlogged, "other servers do not hear that messages were acknowledged here, and push them");
        }
    }

    /// A message as it stands, if it is known. `None` if this server does not push, and writes nothing down.
    ///
    /// # Errors
    ///
    /// What is written down cannot be read.
    pub(crate) async fn standing(&self, id: &str) -> Option<Result<Option<Standing>, TransactError>> {
        match self.pushing.get() {
            Some(pushing) => Some(pushing.standing(id.to_owned()).await),
            None => None,
        }
    }

    /// How many users of messages are awaited.
    pub(crate) fn awaited(&self) -> usize {
        lock(&self.awaited).len()
    }

    /// How many users of messages are written down, how often that has failed, and how many messages were known.
    pub(crate) fn written(&self) -> Option<(u64, u64, u64)> {
        self.pushing.get().map(|pushing| (pushing.users(), pushing.unwritten(), pushing.known.total()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
