//! Asks push services, one message at a time.

use std::error::Error;
use std::fmt;
use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pushnote_net::unix_now;
use rustls::pki_types::CertificateDer;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Answer, Verdict};
use crate::connect::{GuardedConnector, tls};
use crate::encrypt::encrypt;
use crate::guard::{Forbidden, Guard};
use crate::key::KeyId;
use crate::message::Message;
use crate::service::Service;
use crate::subscription::Subscription;
use crate::vapid::Vapid;

/// From the beginning of a request to the end of its answer, with the connection if there is none yet.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes that are read of an answer: what a service says is short.
const BODY_BYTES_MAX: usize = 4096;
/// Frames that they come in.
const FRAMES_MAX: usize = 64;
/// Bytes of an answer's headers.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Lines of an answer's headers.
const HEADERS_MAX: usize = 64;
/// After this long without a word, a connection is asked whether it is still there; if it does not say so in time, it is not.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection that nobody uses is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections to one service that are kept though nobody uses them, where it does not speak HTTP/2.
const IDLE_CONNECTIONS_MAX: usize = 8;

const TTL: HeaderName = HeaderName::from_static("ttl");
const URGENCY: HeaderName = HeaderName::from_static("urgency");
const TOPIC: HeaderName = HeaderName::from_static("topic");

/// Sends messages to push services: encrypted, signed, by HTTP/2 where the service speaks it. It asks nobody whom its [`Guard`]
/// forbids, follows no redirects, uses no proxies, and reads no more of an answer than is needed.
pub struct Client {
    http: legacy::Client<GuardedConnector, Full<Bytes>>,
    vapid: Vapid,
    /// Encryption takes CPUs from what else this process does: so many of them.
    encrypting: Arc<Semaphore>,
}

/// A certificate cannot be trusted.
#[derive(Debug, thiserror::Error)]
#[error("a root certificate is not one: {0}")]
pub struct RootsError(#[from] rustls::Error);

impl Client {
    /// A client that signs with `vapid`, asks whom `guard` lets it ask, and trusts the certificates that the system does and, as
    /// DER, `roots`.
    ///
    /// # Errors
    ///
    /// One of `roots` is no certificate.
    pub fn new(vapid: Vapid, guard: Guard, roots: &[Vec<u8>]) -> Result<Self, RootsError> {
        let roots: Vec<_> = roots.iter().map(|root| CertificateDer::from(root.clone())).collect();
        let connector = GuardedConnector::new(Arc::new(guard), &GaiResolver::new(), &tls(&roots)?);
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_buf_size(HEADER_BYTES_MAX as usize)
            .http1_max_headers(HEADERS_MAX)
            .http2_max_header_list_size(HEADER_BYTES_MAX)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .build(connector);
        let cpus = available_parallelism().map_or(1, NonZero::get);
        Ok(Self { http, vapid, encrypting: Arc::new(Semaphore::new(cpus)) })
    }

    /// Sends a message to one subscription, which was made with `key`, and says what the service has said. With a token that
    /// is not believed, it tries once more with a fresh one; nothing else is tried again.
    pub async fn send(&self, subscription: &Subscription, key: KeyId, message: &Message) -> Answer {
        let endpoint = subscription.endpoint();
        let secret = endpoint.as_str().get(origin_bytes(endpoint.as_str())..).unwrap_or_default();
        let body = match self.encrypted(subscription, message).await {
            Ok(body) => body,
            Err(reason) => return Answer::none(Verdict::Refused, &reason, secret),
        };
        let answer = self.exchange(subscription, key, message, body.clone(), secret).await;
        if answer.verdict != Verdict::Unauthorized {
            return answer;
        }
        self.vapid.forget(endpoint.origin(), key);
        self.exchange(subscription, key, message, body, secret).await
    }

    async fn exchange(
        &self,
        subscription: &Subscription,
        key: KeyId,
        message: &Message,
        body: Bytes,
        secret: &str,
    ) -> Answer {
        let origin = subscription.endpoint().origin();
        let Some(authorization) = self.vapid.authorization(origin, key, unix_now()) else {
            // Not the service's word: who has only lost a key loses no subscriptions.
            let why = "the subscription was made with a key that is not here: add it to the old keys";
            return Answer::none(Verdict::Refused, why, secret);
        };
        match request(subscription, &authorization, message, body) {
            Ok(request) => self.answer(Service::of(origin), request, secret).await,
            Err(error) => Answer::none(Verdict::Refused, &error.to_string(), secret),
        }
    }

    /// The body of a request, made where it holds up nothing else.
    async fn encrypted(&self, subscription: &Subscription, message: &Message) -> Result<Bytes, String> {
        let Some(payload) = message.payload().cloned() else { return Ok(Bytes::new()) };
        let permit = self.encrypting.clone().acquire_owned().await.map_err(|error| error.to_string())?;
        let subscription = subscription.clone();
        let encrypted = spawn_blocking(move || {
            let encrypted = encrypt(&subscription, &payload);
            drop(permit);
            encrypted
        });
        encrypted.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    async fn answer(&self, service: Service, request: Request<Full<Bytes>>, secret: &str) -> Answer {
        let until = Instant::now() + TOTAL_TIMEOUT;
        match timeout_at(until, self.http.request(request)).await {
            Ok(Ok(response)) => {
                let (head, body) = response.into_parts();
                let body = beginning(body, until).await;
                Answer::of(service, head.status, &head.headers, &body, secret)
            }
            Ok(Err(error)) => match Forbidden::within(&error) {
                Some(forbidden) => Answer::none(Verdict::Refused, &format!("not asked: {forbidden}"), secret),
                None => Answer::none(Verdict::Later, &causes(&error), secret),
            },
            Err(_) => Answer::none(Verdict::Later, "no answer within 15 s", secret),
        }
    }
}

fn request(
    subscription: &Subscription,
    authorization: &str,
    message: &Message,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, http::Error> {
    let endpoint = subscription.endpoint();
    let (service, ttl) = (Service::of(endpoint.origin()), message.ttl.as_secs());
    let mut authorization = HeaderValue::from_str(authorization)?;
    authorization.set_sensitive(true);
    let mut request = Request::post(endpoint.as_str())
        .header(AUTHORIZATION, authorization)
        .header(TTL, ttl)
        .header(URGENCY, message.urgency.as_str())
        .header(CONTENT_LENGTH, body.len())
        .header(USER_AGENT, concat!("pushnote/", env!("CARGO_PKG_VERSION")));
    if let Some(topic) = &message.topic {
        request = request.header(TOPIC, service.topic(topic));
    }
    if message.payload().is_some() {
        request =
            request.header(CONTENT_ENCODING, "aes128gcm").header(CONTENT_TYPE, "application/octet-stream");
    }
    let mut request = request.body(Full::new(body))?;
    service.add_headers(ttl, request.headers_mut());
    Ok(request)
}

/// The beginning of a body. What comes too late or breaks off is left out: the head is there, and says what matters.
async fn beginning(body: Incoming, until: Instant) -> Bytes {
    let mut body = pin!(body);
    let mut bytes = BytesMut::new();
    // Frames without data come as fast as a service likes.
    for _ in 0..FRAMES_MAX {
        if bytes.len() == BODY_BYTES_MAX {
            break;
        }
        let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await else { break };
        let Ok(data) = frame.into_data() else { break };
        bytes.extend_from_slice(&data[..data.len().min(BODY_BYTES_MAX - bytes.len())]);
    }
    bytes.freeze()
}

/// Where the path of a URL begins.
fn origin_bytes(url: &str) -> usize {
    let host = url.find("://").map_or(0, |at| at + 3);
    url[host..].find(['/', '?']).map_or(url.len(), |at| host + at)
}

/// An error with what lies behind it.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        text = format!("{text}: {error}");
        behind = error.source();
    }
    text
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("vapid", &self.vapid).finish_non_exhaustive()
    }
}
