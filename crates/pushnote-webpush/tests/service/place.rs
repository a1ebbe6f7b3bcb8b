//! A store with subscriptions at a service, and a sender for them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pushnote_store::{Options, Store};
use pushnote_webpush::{
    Client, Event, Guard, Jobs, Key, Keys, Message, Outcome, Sender, SenderOptions, Subscription,
    SubscriptionOptions, Subscriptions, Vapid,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::MockService;

/// The public key of RFC 8291's browser.
const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

pub(crate) fn subscription(url: &str) -> Subscription {
    let json = serde_json::json!({ "endpoint": url, "keys": { "p256dh": P256DH, "auth": "BTBZMqHH6r4Tts7J_aSIgg" } });
    Subscription::parse(json.to_string()).unwrap()
}

/// A client that may ask this machine, and trusts the service.
pub(crate) fn client(service: &MockService, keys: &Keys) -> Client {
    let guard = Guard { allowed_nets: vec!["127.0.0.0/8".parse().unwrap()], ..Guard::default() };
    let roots: Vec<_> = service.ca.clone().into_iter().collect();
    let vapid = Vapid::new(keys.clone(), "mailto:ops@example.com".parse().unwrap());
    Client::new(vapid, guard, &roots).unwrap()
}

pub(crate) fn message() -> Message {
    Message::new("hello").unwrap().ttl(Duration::from_secs(600))
}

pub(crate) struct Place {
    dir: TempDir,
    store: Arc<Store>,
    pub(crate) keys: Keys,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) jobs: Jobs,
    events: mpsc::UnboundedReceiver<Event>,
    told: Arc<Mutex<mpsc::UnboundedSender<Event>>>,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::open(TempDir::new().unwrap(), Keys::new(Key::generate().unwrap(), Vec::new())).await
    }

    pub(crate) async fn open(dir: TempDir, keys: Keys) -> Self {
        let (store, _) = Store::open(dir.path(), &Options::default()).unwrap();
        let (store, options) = (Arc::new(store), SubscriptionOptions::default());
        let subscriptions = Subscriptions::open(store.clone(), options, &keys).await.unwrap();
        let jobs = Jobs::open(&subscriptions).await.unwrap();
        let (told, events) = mpsc::unbounded_channel();
        Self { dir, store, keys, subscriptions, jobs, events, told: Arc::new(Mutex::new(told)) }
    }

    /// Closes the store, and opens it again.
    pub(crate) async fn restarted(self) -> Self {
        let (dir, keys) = self.closed().await;
        Self::open(dir, keys).await
    }

    /// Closes the store: what another one is opened with.
    pub(crate) async fn closed(self) -> (TempDir, Keys) {
        let Self { dir, store, keys, .. } = self;
        store.close().await.unwrap();
        (dir, keys)
    }

    /// As if all jobs had been tried while the clock was ahead.
    pub(crate) async fn put_off(&self, ahead: Duration) {
        let update = "UPDATE push_jobs SET attempts = 1, due_ms = due_ms + ?1";
        let ahead_ms = i64::try_from(ahead.as_millis()).unwrap();
        self.store.transact(move |transaction| transaction.execute(update, [ahead_ms])).await.unwrap();
    }

    pub(crate) async fn subscribe(&self, user: &str, group: Option<&str>, url: &str) {
        self.subscriptions.add(user, group, &subscription(url), None).await.unwrap();
    }

    pub(crate) fn sender(&self, service: &MockService, in_flight_max: usize) -> Sender {
        let told = self.told.clone();
        let events = move |event: &Event| drop(told.lock().unwrap().send(event.clone()));
        let options =
            SenderOptions { in_flight_max, events: Some(Arc::new(events)), ..SenderOptions::default() };
        Sender::start(options, client(service, &self.keys), self.jobs.clone())
    }

    /// The next events, sorted: whose, and what.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<(String, Outcome)> {
        let mut events = Vec::new();
        while events.len() < count {
            let event = timeout(LONG, self.events.recv()).await.unwrap().unwrap();
            events.push((event.user.to_string(), event.outcome));
        }
        events.sort();
        events
    }

    pub(crate) fn no_more_events(&mut self) -> bool {
        self.events.try_recv().is_err()
    }
}
