//! Server-sent events: `GET /events`, and `POST /events/ticket` for who would rather not write a token into a URL
//! (docs/sse.md).

mod request;
mod stream;
mod tickets;

use std::sync::Arc;

use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pushnote_core::{ChannelName, Cursor, Wanted};
use pushnote_net::http::{Handover, Idle};
use pushnote_sockjs::ConnectionGuard;
use serde_json::json;

use super::paths::{EVENTS, STREAM, TICKET};
use super::{Answering, Body, Front, plain, read, whole};
use crate::context::Context;
use crate::cors::{self, Cors};
use crate::event_framing::{self, Data};
use crate::problem::Problem;
use crate::receiver::Sink;
use crate::rights::{Allowed, Refusal};
use request::{Asked, Fault, QUERY_BYTES_MAX};
use stream::{Client, Events};
use tickets::Tickets;

/// The front for both.
pub(crate) struct Sse {
    context: Arc<Context>,
    cors: Cors,
    /// The cookie that holds a token.
    cookie: String,
    tickets: Tickets,
    idle: Arc<Idle>,
    /// What channels of Redis have before their names, if it is heard.
    redis_prefix: Option<String>,
}

impl Sse {
    pub(crate) fn new(context: Arc<Context>, cookie: String, redis_prefix: Option<String>) -> Self {
        let cors = Cors::new(Arc::clone(&context.allowed_origins));
        Self { context, cors, cookie, tickets: Tickets::default(), idle: stream::idle(), redis_prefix }
    }

    async fn answer(&self, request: &mut Parts, body: Incoming) -> Response<Body> {
        if !self.cors.allows(&request.headers) {
            return Problem::answer(
                StatusCode::FORBIDDEN,
                "origin_refused",
                "pages of this origin may not use the server: --allowed-origin says which may",
            );
        }
        if let (&Method::GET, STREAM, Some(prefix)) =
            (&request.method, request.uri.path(), &self.redis_prefix)
        {
            return self.flask_sse(request, prefix);
        }
        let asks_for_ticket = request.uri.path() == TICKET;
        match (&request.method, asks_for_ticket) {
            (&Method::GET, false) => self.stream(request),
            (&Method::POST, true) => self.ticket(request, body).await,
            (&Method::OPTIONS, false) => cors::preflight(&request.headers, "GET"),
            (&Method::OPTIONS, true) => cors::preflight(&request.headers, "POST"),
            _ => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "no such method here");
                let allowed = if asks_for_ticket { "POST, OPTIONS" } else { "GET, OPTIONS" };
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
                response
            }
        }
    }

    /// Events from now on, or from where the client was.
    fn stream(&self, request: &mut Parts) -> Response<Body> {
        let form = request.uri.query().unwrap_or_default().as_bytes();
        let asked =
            match Asked::read(form).and_then(|asked| asked.with(&request.headers, self.cookie(request))) {
                Ok(asked) => asked,
                Err(fault) => return malformed(&fault),
            };
        let Asked { channels, mut tokens, ticket, with_channel, last_event_id } = asked;
        if let Some(ticket) = ticket {
            let Some(redeemed) = self.tickets.redeem(&ticket) else {
                return Problem::answer(
                    StatusCode::UNAUTHORIZED,
                    "ticket_unknown",
                    "the ticket was used, or is older than 30 seconds: ask for a new one",
                );
            };
            tokens.extend(redeemed);
        }
        let form = if with_channel { Data::Message } else { Data::Json };
        self.open(request, (channels, &tokens), last_event_id.as_deref(), form)
    }

    /// What flask-sse publishes in Redis on one channel, in the shape that it has there.
    fn flask_sse(&self, request: &mut Parts, prefix: &str) -> Response<Body> {
        let query = request.uri.query().unwrap_or_default().as_bytes();
        match Asked::of_flask_sse(query, prefix).and_then(|asked| asked.with(&request.headers, None)) {
            Ok(Asked { channels, last_event_id, .. }) => {
                self.open(request, (channels, &[]), last_event_id.as_deref(), Data::Text)
            }
            Err(fault) => malformed(&fault),
        }
    }

    /// The stream of these channels, and of the users of these tokens.
    fn open(
        &self,
        request: &mut Parts,
        (channels, tokens): (Vec<ChannelName>, &[String]),
        last_event_id: Option<&str>,
        form: Data,
    ) -> Response<Body> {
        let sink = Sink::new(event_framing::beginning());
        let opened = self.allowed(channels, tokens).and_then(|allowed| {
            let cursor = last_event_id.map(Cursor::read);
            Client::open(&self.context, &sink, allowed, cursor, form)
        });
        let client = match opened {
            Ok(client) => client,
            Err(refusal) => return self.refused(&refusal),
        };
        let extensions = &mut request.extensions;
        let (handover, guard) = (extensions.remove::<Handover>(), extensions.remove::<ConnectionGuard>());
        let leaves = handover.is_some();
        let events = Events::new(sink, client, handover, guard, &self.idle);
        let mut response = Response::new(events.boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
        // What compresses on the way would gather it.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
        // So would nginx, which has a header of its own for it.
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        headers
            .insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        if leaves {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// A ticket for tokens that are good now.
    async fn ticket(&self, request: &Parts, body: Incoming) -> Response<Body> {
        let body = match read(body, QUERY_BYTES_MAX, self.context.limits.handshake_timeout_s).await {
            Ok(body) => body,
            Err(error) => return Problem::answer(error.status(), "bad_body", &error.to_string()),
        };
        let asked =
            match Asked::read(&body).and_then(|asked| asked.with(&request.headers, self.cookie(request))) {
                Ok(asked) => asked,
                Err(fault) => return malformed(&fault),
            };
        if asked.tokens.is_empty() {
            return self.refused(&Refusal::TokenMissing);
        }
        if let Err(refusal) = self.allowed(Vec::new(), &asked.tokens) {
            return self.refused(&refusal);
        }
        let Some(ticket) = self.tickets.issue(asked.tokens) else {
            return Problem::answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_tickets",
                "too many tickets are out: try again in half a minute",
            );
        };
        let answer = json!({"ticket": ticket, "expires_in": tickets::LIFE.as_secs()});
        let mut response = Response::new(whole(answer.to_string()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The cookie's name, for who may bring one.
    fn cookie(&self, request: &Parts) -> Option<&str> {
        self.cors.trusts(request).then_some(&*self.cookie)
    }

    /// Channels, each by the first token that allows it, and the users whose tokens are shown.
    fn allowed(&self, channels: Vec<ChannelName>, tokens: &[String]) -> Result<Vec<Allowed>, Refusal> {
        let rights = &self.context.rights;
        let mut all = Vec::with_capacity(channels.len() + tokens.len());
        for token in tokens {
            match rights.allow(&Wanted { channel: None, token: Some(token.clone()) }) {
                Ok(allowed) => all.push(allowed),
                // One that is for channels alone.
                Err(Refusal::NotAllowed) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        for channel in channels {
            let mut wanted = Wanted { channel: Some(channel), token: None };
            let mut answer = if tokens.is_empty() { rights.allow(&wanted) } else { Err(Refusal::NotAllowed) };
            for token in tokens {
                if answer.is_ok() {
                    break;
                }
                wanted.token = Some(token.clone());
                answer = rights.allow(&wanted);
            }
            all.push(answer?);
        }
        Ok(all)
    }

    fn refused(&self, refusal: &Refusal) -> Response<Body> {
        self.context.rights.note(refusal);
        refusal.problem().into_response()
    }
}

impl Front for Sse {
    fn takes(&self, path: &str) -> bool {
        matches!(path, EVENTS | TICKET) || (path == STREAM && self.redis_prefix.is_some())
    }

    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        Box::pin(async move {
            let (mut request, body) = request.into_parts();
            let mut response = self.answer(&mut request, body).await;
            self.cors.put(&request.headers, response.headers_mut());
            response
        })
    }
}

fn malformed(fault: &Fault) -> Response<Body> {
    let (status, kind) = match fault {
        Fault::TooLong => (StatusCode::URI_TOO_LONG, "too_long"),
        Fault::Channel(_) => (StatusCode::BAD_REQUEST, "bad_channel"),
        Fault::NoBearer => (StatusCode::UNAUTHORIZED, "token_missing"),
        Fault::With(_) => (StatusCode::BAD_REQUEST, "bad_parameter"),
        Fault::Unknown(_) => (StatusCode::BAD_REQUEST, "unknown_parameter"),
        Fault::TooManyTokens => (StatusCode::BAD_REQUEST, "too_many_tokens"),
    };
    Problem::answer(status, kind, &fault.to_string())
}
