//! Web Push as a browser sees it (docs/web-push.md): it gets the key, subscribes, and its service worker says what it has
//! shown.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use pushnote_core::{ChannelName, Subject, UserId, Wanted};
use pushnote_net::{LogOnce, Peer, Rate};
use pushnote_sockjs::client_addr;
use pushnote_webpush::{Added, ENDPOINT_BYTES_MAX, Endpoint, Subscription};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::paths::{PUSH_KEY as KEY, PUSH_SHOWN as SHOWN, PUSH_SUBSCRIBE as SUBSCRIBE};
use super::{Answering, Body, Front, read, whole};
use crate::context::Context;
use crate::cors::{self, Cors};
use crate::problem::Problem;
use crate::push::Push;
use crate::rights::Refusal;

/// How long a browser may keep the key, in seconds: a new one is there with the next start.
const KEY_AGE: &str = "max-age=300";

/// Room in a body for what is not the token, in bytes: a subscription, which is mostly its endpoint, with escapes.
const SUBSCRIPTION_BYTES_MAX: usize = 4 * ENDPOINT_BYTES_MAX;

/// See the module's documentation.
pub(crate) struct PushFront {
    context: Arc<Context>,
    push: Arc<Push>,
    cors: Cors,
    /// Requests of one address: each costs a signature, a point on a curve or a row.
    requests: Rate,
    log: LogOnce,
}

/// `POST /push/subscribe`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe<'a> {
    token: String,
    /// As `PushSubscription.toJSON()` gives it.
    #[serde(borrow)]
    subscription: &'a RawValue,
    group: Option<String>,
}

/// `DELETE /push/subscribe`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsubscribe {
    token: String,
    endpoint: String,
}

/// `POST /push/shown`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    ack: String,
}

impl PushFront {
    pub(crate) fn new(context: Arc<Context>, push: Arc<Push>) -> Self {
        let cors = Cors::new(Arc::clone(&context.allowed_origins));
        let requests = Rate::new(context.limits.address_sessions_per_second_max);
        Self { context, push, cors, requests, log: LogOnce::new() }
    }

    async fn answer(&self, head: &Parts, body: Incoming) -> Result<Response<Body>, Problem> {
        let address = {
            let peer = head.extensions.get::<Peer>().copied();
            client_addr(peer, &head.headers, &self.context.trusted_proxies)
        };
        if !self.requests.admits(address) {
            if let Some(unlogged) = self.log.due("rate") {
                tracing::warn!(
                    ?address,
                    unlogged,
                    "too many requests for Web Push; more in the next minute are not logged"
                );
            }
            let detail = "too many requests from this address within a second: come back later";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
            return Err(problem.that_passes());
        }
        if !self.cors.allows(&head.headers) {
            let detail = "pages of this origin may not use the server: --allowed-origin says which may";
            return Err(Problem::new(StatusCode::FORBIDDEN, "origin_refused", detail));
        }
        let (path, method) = (head.uri.path(), &head.method);
        match (path, method) {
            (KEY, &Method::GET) => Ok(self.key()),
            (SUBSCRIBE, &Method::POST) => self.subscribe(&self.read(body).await?, address).await,
            (SUBSCRIBE, &Method::DELETE) => self.unsubscribe(&self.read(body).await?).await,
            (SHOWN, &Method::POST) => self.shown(&self.read(body).await?),
            (_, &Method::OPTIONS) => Ok(cors::preflight(&head.headers, methods(path))),
            _ => {
                let wrong = format!("{method} is not for this path; it takes {}", methods(path));
                Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", wrong))
            }
        }
    }

    /// What `pushManager.subscribe` takes as `applicationServerKey`.
    fn key(&self) -> Response<Body> {
        let mut response = json(StatusCode::OK, &json!({"key": self.push.public_key()}));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(KEY_AGE));
        response
    }

    async fn subscribe(
        &self,
        body: &Bytes,
        address: Option<std::net::IpAddr>,
    ) -> Result<Response<Body>, Problem> {
        let Subscribe { token, subscription, group } = parse(body, SUBSCRIBE_EXAMPLE)?;
        let user = self.user(&token)?;
        if let Some(group) = &group {
            self.allow_group(group, token)?;
        }
        let subscription = Subscription::parse(subscription.get())
            .map_err(|error| Problem::malformed(format!("subscription: {error}")))?;
        Ok(match self.push.subscribe(&user, group.as_deref(), &subscription, address).await? {
            Added::New => json(StatusCode::CREATED, &json!({})),
            Added::Known | Added::Moved => json(StatusCode::OK, &json!({})),
        })
    }

    async fn unsubscribe(&self, body: &Bytes) -> Result<Response<Body>, Problem> {
        let Unsubscribe { token, endpoint } = parse(body, UNSUBSCRIBE_EXAMPLE)?;
        let user = self.user(&token)?;
        let endpoint =
            Endpoint::parse(endpoint).map_err(|error| Problem::malformed(format!("endpoint: {error}")))?;
        self.push.unsubscribe(&user, &endpoint).await?;
        Ok(nothing())
    }

    /// A service worker has shown a notification: the payload's own signature says which, and to whom.
    fn shown(&self, body: &Bytes) -> Result<Response<Body>, Problem> {
        let Shown { ack } = parse(body, SHOWN_EXAMPLE)?;
        let Some((message, user)) = self.push.shown(&ack) else {
            let detail = "the ack is not one that came with a notification of this server's";
            return Err(Problem::new(StatusCode::FORBIDDEN, "ack_unknown", detail));
        };
        self.context.socket_first.shown(message, user);
        Ok(nothing())
    }

    /// Whose token it is.
    fn user(&self, token: &str) -> Result<UserId, Problem> {
        let wanted = Wanted { channel: None, token: Some(token.to_owned()) };
        match self.allow(&wanted)? {
            Subject::User(user) => Ok(user),
            _ => Err(self.refused(&Refusal::NotAllowed)),
        }
    }

    /// A group is what the application says; a browser joins one by itself as it would subscribe to a channel of that name.
    fn allow_group(&self, group: &str, token: String) -> Result<(), Problem> {
        let channel =
            ChannelName::new(group).map_err(|error| Problem::malformed(format!("group: {error}")))?;
        self.allow(&Wanted { channel: Some(channel), token: Some(token) }).map(drop)
    }

    fn allow(&self, wanted: &Wanted) -> Result<Subject, Problem> {
        let allowed = self.context.rights.allow(wanted);
        allowed.map(|allowed| allowed.subject).map_err(|refusal| self.refused(&refusal))
    }

    fn refused(&self, refusal: &Refusal) -> Problem {
        self.context.rights.note(refusal);
        refusal.problem()
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Problem> {
        let limits = &self.context.limits;
        let body =
            read(body, limits.token_bytes_max + SUBSCRIPTION_BYTES_MAX, limits.handshake_timeout_s).await;
        body.map_err(|error| Problem::new(error.status(), "body", error.to_string()))
    }
}

const SUBSCRIBE_EXAMPLE: &str =
    r#"{"token":"…","subscription":{"endpoint":"https://…","keys":{"p256dh":"…","auth":"…"}}}"#;
const UNSUBSCRIBE_EXAMPLE: &str = r#"{"token":"…","endpoint":"https://…"}"#;
const SHOWN_EXAMPLE: &str = r#"{"ack":"…"}"#;

/// What the body of a request says. What is wrong with it is told by its place alone: it may be a secret.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8], example: &str) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::malformed(format!(
            "the body is not as it should be at line {line}, column {column}; it is as {example}"
        ))
    })
}

fn methods(path: &str) -> &'static str {
    match path {
        KEY => "GET, OPTIONS",
        SUBSCRIBE => "POST, DELETE, OPTIONS",
        _ => "POST, OPTIONS",
    }
}

fn json(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(whole(value.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(whole(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

impl Front for PushFront {
    fn takes(&self, path: &str) -> bool {
        matches!(path, KEY | SUBSCRIBE | SHOWN)
    }

    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let mut response = self.answer(&head, body).await.unwrap_or_else(Problem::into_response);
            let headers: &mut HeaderMap = response.headers_mut();
            self.cors.put(&head.headers, headers);
            if response.status() == StatusCode::METHOD_NOT_ALLOWED {
                let allowed = HeaderValue::from_static(methods(head.uri.path()));
                response.headers_mut().insert(ALLOW, allowed);
            }
            response
        })
    }
}
