//! Tells the application how far messages have come: signed requests, each with a list of events (docs/web-push.md).

mod signature;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pushnote_hub::Counter;
use pushnote_net::{LogOnce, unix_now};
use pushnote_webpush::RootsError;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

pub use signature::{WebhookSecret, WebhookSecretError};

/// Events that wait. What comes beyond these is dropped, and counted.
const WAITING_MAX: usize = 10_000;

/// Events in one request at most.
const TOGETHER_MAX: usize = 500;

/// How long the first event waits for others.
const TOGETHER: Duration = Duration::from_millis(250);

/// How long the application may take to accept a connection, and to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Times that a request is sent: with their pauses, for a quarter of an hour to half an hour.
const ATTEMPTS_MAX: u32 = 12;

/// The longest pause between two of them.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Where the application listens.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// With `http:` or `https:`.
    pub url: Uri,
    /// What its requests are signed with.
    pub secret: WebhookSecret,
}

/// That a message has come so far with a user.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) message: Arc<str>,
    pub(crate) user: Box<str>,
    pub(crate) state: &'static str,
    /// Milliseconds since 1970.
    pub(crate) at_ms: u64,
}

/// What is counted.
#[derive(Default)]
pub(crate) struct Counters {
    /// Events that the application has taken.
    pub(crate) told: Counter,
    /// Requests that it has not taken.
    pub(crate) failed: Counter,
    /// Events that it will not be told of: too many waited, or it has not taken them for too long.
    pub(crate) dropped: Counter,
}

/// See the module's documentation.
pub(crate) struct Webhook {
    options: WebhookOptions,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    waiting: Mutex<VecDeque<Event>>,
    wake: Notify,
    pub(crate) counters: Counters,
    log: LogOnce,
}

/// An event as it is written.
#[derive(Serialize)]
struct Written<'a> {
    r#type: String,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: &'a str,
    user: &'a str,
}

impl Webhook {
    /// Trusts whom the system trusts.
    ///
    /// # Errors
    ///
    /// [`RootsError`]: a certificate is none.
    pub(crate) fn new(options: WebhookOptions) -> Result<Self, RootsError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(HttpsConnector::from((tcp, pushnote_webpush::tls(&[])?)));
        let (waiting, wake, counters, log) = Default::default();
        Ok(Self { options, client, waiting, wake, counters, log })
    }

    /// Takes note of an event. Does not wait.
    pub(crate) fn tell(&self, event: Event) {
        let mut waiting = self.lock();
        if waiting.len() >= WAITING_MAX {
            drop(waiting);
            return self.drop_events(1, "too many wait");
        }
        waiting.push_back(event);
        drop(waiting);
        self.wake.notify_one();
    }

    /// Events that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().len()
    }

    /// Tells the application, one request at a time and in order.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            if self.waiting() == 0 {
                self.wake.notified().await;
                sleep(TOGETHER).await;
            }
            let events: Vec<Event> = {
                let mut waiting = self.lock();
                let len = waiting.len().min(TOGETHER_MAX);
                waiting.drain(..len).collect()
            };
            if !events.is_empty() {
                self.deliver(&events).await;
            }
        }
    }

    async fn deliver(&self, events: &[Event]) {
        let body: Vec<_> = events.iter().map(Event::written).collect();
        // What it consists of always serialises.
        let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
        // The same for each attempt: by it an application knows what it has had.
        let id = format!("msg_{:016x}", getrandom::u64().unwrap_or_default());
        for attempt in 0..ATTEMPTS_MAX {
            match self.attempt(&id, body.clone()).await {
                Ok(()) => return self.counters.told.add(events.len() as u64),
                Err(why) => {
                    self.counters.failed.add(1);
                    if let Some(unlogged) = self.log.due("failed") {
                        tracing::warn!(%why, attempt, unlogged, "webhook not taken; it is tried again");
                    }
                }
            }
            if attempt + 1 < ATTEMPTS_MAX {
                sleep(pause(attempt)).await;
            }
        }
        self.drop_events(events.len(), "the application does not take them");
    }

    /// The answer's body is not read: nothing in it matters.
    async fn attempt(&self, id: &str, body: Bytes) -> Result<(), String> {
        let now = unix_now();
        let request = Request::post(self.options.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("pushnote/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", self.options.secret.sign(id, now, &body))
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let answer = timeout(ANSWER_TIMEOUT, self.client.request(request)).await;
        let answer = answer.map_err(|_| format!("no answer within {ANSWER_TIMEOUT:?}"))?;
        match answer.map_err(|error| causes(&error))?.status() {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => {
                Err(format!("answered {status}: redirects are not followed"))
            }
            status @ StatusCode::UNAUTHORIZED => Err(format!("answered {status}: has it the same secret?")),
            status => Err(format!("answered {status}")),
        }
    }

    fn drop_events(&self, events: usize, why: &str) {
        self.counters.dropped.add(events as u64);
        if let Some(unlogged) = self.log.due("dropped") {
            tracing::warn!(
                events,
                why,
                unlogged,
                "events of the webhook dropped; GET /v1/messages tells the states"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Event {
    fn written(&self) -> Written<'_> {
        let at = UNIX_EPOCH + Duration::from_millis(self.at_ms);
        Written {
            r#type: format!("message.{}", self.state),
            timestamp: humantime::format_rfc3339_millis(at).to_string(),
            data: Data { id: &self.message, user: &self.user },
        }
    }
}

/// Half of it fixed, half by chance: 1 s, doubled with each attempt.
fn pause(attempt: u32) -> Duration {
    let longest = Duration::from_secs(1 << attempt.min(16)).min(PAUSE_MAX);
    let by_chance = getrandom::u64().unwrap_or_default() % (longest.as_millis() as u64 / 2 + 1);
    longest / 2 + Duration::from_millis(by_chance)
}

/// An error with all that it comes from: `client error (Connect): connection refused`.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_as_standard_webhooks_has_it() {
        let event =
            Event { message: "a/1".into(), user: "42".into(), state: "pushed", at_ms: 1_700_000_000_250 };
        let written = serde_json::to_string(&event.written()).unwrap();
        assert_eq!(
            written,
            r#"{"type":"message.pushed","timestamp":"2023-11-14T22:13:20.250Z","data":{"id":"a/1","user":"42"}}"#
        );
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        for (attempt, longest_s) in [(0, 1), (3, 8), (8, 256), (9, 300), (u32::MAX, 300)] {
            let longest = Duration::from_secs(longest_s);
            assert!((longest / 2..=longest).contains(&pause(attempt)), "{attempt}");
        }
    }
}
