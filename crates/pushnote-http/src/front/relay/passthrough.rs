//! Tells an application who comes to a channel and who goes, with the headers that its pages send, as py-hbpush does.
//!
//! Never in the way of messages: what cannot be told at once waits in a bounded queue, and what finds that full is dropped and
//! counted. What is about one client is told in order.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HeaderMap, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::BodyExt;
use pushnote_hub::Counter;
use pushnote_net::{LogOnce, Peer};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::front::upstream::{Upstream, strip_hop_by_hop, upstream};
use crate::front::whole;

/// How many are told at the same time.
const LANES: usize = 8;

/// How many wait behind each of these.
const WAITING_MAX: usize = 512;

/// How long the application may take to answer.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// Tells. Cheap to clone.
#[derive(Clone)]
pub(super) struct Passthrough {
    lanes: Arc<[mpsc::Sender<Told>]>,
    counters: Arc<PassthroughCounters>,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct PassthroughCounters {
    /// Requests that the application has answered.
    pub(crate) told: Counter,
    /// Requests that it refused, or did not answer.
    pub(crate) failed: Counter,
    /// Requests that found the queue full.
    pub(crate) dropped: Counter,
}

struct Told {
    to: Uri,
    headers: HeaderMap,
    body: String,
}

/// One client of a channel, about whom the application is told.
pub(super) struct Listener {
    passthrough: Passthrough,
    to: Uri,
    headers: HeaderMap,
    id: String,
    lane: usize,
}

/// It was told that this one has come; when this is dropped, it is told that the client has gone.
pub(super) struct Subscribed(Listener);

impl Passthrough {
    /// Starts to tell. Within a Tokio runtime.
    pub(super) fn start() -> Self {
        let (counters, upstream) = (Arc::new(PassthroughCounters::default()), upstream());
        let lanes = (0..LANES).map(|_| {
            let (sender, told) = mpsc::channel(WAITING_MAX);
            tokio::spawn(tell(told, upstream.clone(), Arc::clone(&counters)));
            sender
        });
        Self { lanes: lanes.collect(), counters }
    }

    pub(super) fn counters(&self) -> &PassthroughCounters {
        &self.counters
    }

    /// About a client with these headers, on the channel with this id.
    pub(super) fn listener(&self, to: &Uri, headers: &HeaderMap, peer: Option<Peer>, id: &str) -> Listener {
        let mut hasher = DefaultHasher::new();
        (peer.and_then(Peer::ip), headers.get(COOKIE), id).hash(&mut hasher);
        let lane = (hasher.finish() % LANES as u64) as usize;
        let mut headers = headers.clone();
        strip_hop_by_hop(&mut headers);
        for name in [CONTENT_LENGTH, EXPECT] {
            headers.remove(name);
        }
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        Listener { passthrough: self.clone(), to: to.clone(), headers, id: id.to_owned(), lane }
    }
}

impl Listener {
    /// Tells that it has come.
    pub(super) fn subscribed(self) -> Subscribed {
        self.tell("subscribe");
        Subscribed(self)
    }

    fn tell(&self, what: &str) {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("channel_id", &self.id).append_pair(what, "1");
        let told = Told { to: self.to.clone(), headers: self.headers.clone(), body: body.finish() };
        let Passthrough { lanes, counters } = &self.passthrough;
        if lanes[self.lane].try_send(told).is_err() {
            counters.dropped.add(1);
        }
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.tell("unsubscribe");
    }
}

async fn tell(mut told: mpsc::Receiver<Told>, upstream: Upstream, counters: Arc<PassthroughCounters>) {
    let log = LogOnce::new();
    while let Some(Told { to, headers, body }) = told.recv().await {
        let mut request = Request::new(whole(body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) =
            (Method::POST, to.clone(), headers);
        let answered = async {
            let response = upstream.request(request).await.map_err(|error| error.to_string())?;
            let status = response.status();
            // So that the connection can be used again.
            let _ = response.into_body().collect().await;
            if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
        };
        match timeout(TOLD_WITHIN, answered).await.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
            Ok(()) => counters.told.add(1),
            Err(why) => {
                counters.failed.add(1);
                if let Some(unlogged) = log.due("passthrough") {
                    tracing::warn!(%to, why, unlogged, "passthrough: the application was not told; more in the next minute are not logged");
                }
            }
        }
    }
}
