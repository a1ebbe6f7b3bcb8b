//! Locations of the Basic HTTP Push Relay Protocol, revision 2.23: publishers POST, subscribers poll.
//!
//! A channel is one of the hub's, and a message one of its log's: `Last-Modified` is when it was published, `Etag` its offset.

mod channels;
mod passthrough;
mod publishing;
mod subscribing;

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderMap,
    HeaderValue,
};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use pushnote_core::ChannelName;
use pushnote_net::{LogOnce, Peer};
use pushnote_relay::{Cors, Kind, Location, Locations, NoChannel, Publishing, Subscribing};

use super::{Answering, Body, Front, plain, whole};
use crate::api::keys::{CurrentApiKeys, Right};
use crate::context::Context;
use channels::Channels;
pub(crate) use channels::Counters;
use passthrough::Passthrough;
pub(crate) use passthrough::PassthroughCounters;

/// How long a browser may remember what pages of other origins may do, in seconds.
const REMEMBERED_S: &str = "864000";

/// See the module's documentation.
pub(crate) struct Relay {
    context: Arc<Context>,
    locations: Locations,
    channels: Arc<Channels>,
    passthrough: Option<Passthrough>,
    /// Who may publish from anywhere.
    keys: Option<Arc<CurrentApiKeys>>,
    log: LogOnce,
}

impl Relay {
    /// Serves these locations. Within a Tokio runtime.
    pub(crate) fn new(
        context: Arc<Context>,
        locations: Locations,
        keys: Option<Arc<CurrentApiKeys>>,
    ) -> Self {
        let wanted = locations.iter().any(
            |location| matches!(&location.kind, Kind::Subscriber(subscribing) if subscribing.passthrough.is_some()),
        );
        let channels = Arc::new(Channels::new(context.hub.clone()));
        Self {
            context,
            locations,
            channels,
            passthrough: wanted.then(Passthrough::start),
            keys,
            log: LogOnce::new(),
        }
    }

    /// What is counted.
    pub(crate) fn counters(&self) -> (&Counters, Option<&PassthroughCounters>) {
        (&self.channels.counters, self.passthrough.as_ref().map(Passthrough::counters))
    }

    /// Channels that are known, and requests that wait.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.channels.size()
    }

    /// Whether a request shows an API key that may publish on this channel.
    fn has_key(&self, headers: &HeaderMap, channel: &ChannelName) -> bool {
        let shown = self.keys.as_ref().and_then(|keys| keys.check(headers, Right::Publish).ok());
        shown.is_some_and(|key| key.allow_channel(channel).is_ok())
    }

    async fn answer(&self, location: &Location, request: Request<Incoming>) -> Response<Body> {
        match &location.kind {
            Kind::Publisher(publishing) => self.publisher(location, publishing, request).await,
            Kind::Subscriber(subscribing) => self.subscriber(location, subscribing, request).await,
        }
    }

    async fn subscriber(
        &self,
        location: &Location,
        subscribing: &Subscribing,
        request: Request<Incoming>,
    ) -> Response<Body> {
        match *request.method() {
            Method::GET => {}
            Method::OPTIONS => return allowed(location),
            _ => return not_allowed(location),
        }
        let (id, channel) = match channel(location, request.uri()) {
            Ok(named) => named,
            Err((status, why)) => return plain(status, &why),
        };
        let (head, _) = request.into_parts();
        let listener =
            self.passthrough.as_ref().zip(subscribing.passthrough.as_ref()).map(|(passthrough, to)| {
                passthrough.listener(to, &head.headers, head.extensions.get().copied(), &id)
            });
        let asked = subscribing::Asked { location, subscribing, channel, headers: &head.headers, listener };
        subscribing::answer(&self.channels, asked).await
    }

    async fn publisher(
        &self,
        location: &Location,
        publishing: &Publishing,
        request: Request<Incoming>,
    ) -> Response<Body> {
        if *request.method() == Method::OPTIONS {
            return allowed(location);
        }
        if ![Method::GET, Method::POST, Method::PUT, Method::DELETE].contains(request.method()) {
            return not_allowed(location);
        }
        let channel = match channel(location, request.uri()) {
            Ok((_, channel)) => channel,
            Err((status, why)) => return plain(status, &why),
        };
        let peer = request.extensions().get::<Peer>().copied();
        let trusted = &self.context.trusted_proxies;
        let refusal = publishing::refusal(location, publishing, request.headers(), peer, trusted);
        if let Some(refusal) = refusal.filter(|_| !self.has_key(request.headers(), &channel)) {
            self.channels.counters.refused.add(1);
            if let Some(unlogged) = self.log.due("refused") {
                let path = request.uri().path();
                tracing::warn!(?peer, path, why = %refusal, unlogged, "publisher refused; more in the next minute are not logged");
            }
            return plain(StatusCode::FORBIDDEN, &refusal.to_string());
        }
        let (head, body) = request.into_parts();
        let at = (location, publishing);
        publishing::answer(&self.channels, &self.context, at, &channel, (&head, body)).await
    }
}

impl Front for Relay {
    fn takes(&self, path: &str) -> bool {
        self.locations.find(path).is_some()
    }

    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        Box::pin(async move {
            let Some(location) = self.locations.find(request.uri().path()) else {
                return plain(StatusCode::NOT_FOUND, "nothing is served at this path");
            };
            let mut response = self.answer(location, request).await;
            if let Some(cors) = &location.cors {
                share(response.headers_mut(), cors, &location.kind);
            }
            response
        })
    }
}

/// The id that a request names, and the channel; or the answer to one that names none.
fn channel(location: &Location, uri: &Uri) -> Result<(String, ChannelName), (StatusCode, String)> {
    let id = location.pattern.channel(uri.path(), uri.query()).map_err(|error| {
        let status = match error {
            NoChannel::Missing => StatusCode::NOT_FOUND,
            NoChannel::NoText => StatusCode::BAD_REQUEST,
        };
        (status, error.to_string())
    })?;
    let channel = location.channel(&id).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok((id, channel))
}

fn methods(kind: &Kind) -> HeaderValue {
    HeaderValue::from_static(match kind {
        Kind::Publisher(_) => "GET, POST, PUT, DELETE, OPTIONS",
        Kind::Subscriber(_) => "GET, OPTIONS",
    })
}

/// What may be done at a location.
fn allowed(location: &Location) -> Response<Body> {
    let mut response = Response::new(whole(""));
    response.headers_mut().insert(ALLOW, methods(&location.kind));
    if location.cors.is_some() {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, methods(&location.kind));
    }
    response
}

fn not_allowed(location: &Location) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "this location does not take that method");
    response.headers_mut().insert(ALLOW, methods(&location.kind));
    response
}

/// Lets pages of another origin read an answer, errors too.
fn share(headers: &mut HeaderMap, cors: &Cors, kind: &Kind) {
    let (sent, read) = match kind {
        Kind::Publisher(_) => ("Content-Type, Accept, Origin", "Content-Type"),
        Kind::Subscriber(_) => (
            "If-Modified-Since, If-None-Match, X-Cookie, Content-Type, Cache-Control, Origin",
            "Last-Modified, Etag, Cache-Control, Content-Type, Pushnote-Gap",
        ),
    };
    let credentials = if cors.allow_credentials { "true" } else { "false" };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, cors.allow_origin.clone());
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(sent));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(read));
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static(credentials));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED_S));
}
