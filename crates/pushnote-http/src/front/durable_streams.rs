//! Durable Streams: channels read, and written, by plain requests (the open protocol of that name; docs/long-poll.md).
//!
//! Nothing here is kept per reader: a stream is a channel's part of the log, and an offset a place in it.
//!
//! # Layout
//!
//! - `streams`: which streams there are; `registry` has those that somebody has created, `remembered` is how
//!   they are stored
//! - `read`, `reader`, `live`: reading what is there, and what comes
//! - `write`: creating, appending, closing, deleting
//! - without IO: `stream` (what is known of one), `producers`, `lifetime`, `content_type`, `offset`, `cursor`, `query`,
//!   `chunk`, `body`; `answer` has the headers

mod answer;
mod body;
mod chunk;
mod content_type;
mod cursor;
mod lifetime;
mod live;
mod offset;
mod producers;
mod query;
mod read;
mod reader;
mod registry;
mod remembered;
mod stream;
mod streams;
mod write;

use std::sync::Arc;

use http::header::{ALLOW, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use pushnote_core::ChannelName;

use crate::api::keys::CurrentApiKeys;
use crate::context::Context;
use crate::front::paths::STREAMS;
use crate::front::{Answering, Body, Front, cors};
use crate::kept::unix_ms;
use answer::{empty, refuse, set};
use registry::Registry;
use streams::Streams;

/// What a stream understands.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS");

/// The headers of requests that pages of other origins may send.
const SENT: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, if-none-match, stream-seq, stream-ttl, stream-expires-at, stream-closed, producer-id, \
     producer-epoch, producer-seq",
);

/// The headers of all answers: what pages of other origins may read of them, and that nobody is to guess what they are
/// (section 12.7).
const SHARED: [(HeaderName, &str); 3] = [
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "stream-next-offset, stream-cursor, stream-up-to-date, stream-closed, stream-ttl, stream-expires-at, \
         stream-sse-data-encoding, producer-epoch, producer-seq, producer-expected-seq, producer-received-seq, etag, location",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
];

/// Serves streams.
pub(crate) struct DurableStreams {
    streams: Arc<Streams>,
}

impl DurableStreams {
    /// Streams of a server, which who has one of the keys may write.
    pub(crate) fn new(context: Arc<Context>, keys: Option<Arc<CurrentApiKeys>>) -> Self {
        let registry = Registry::new(context.keeper.clone(), context.hub.end(), unix_ms());
        let streams = Streams { context, keys, registry };
        Self { streams: Arc::new(streams) }
    }
}

impl Front for DurableStreams {
    fn takes(&self, path: &str) -> bool {
        path.starts_with(STREAMS)
    }

    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        let streams = Arc::clone(&self.streams);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let mut shared = HeaderMap::new();
            cors::allow_origin(&streams.context.allowed_origins, &parts.headers, &mut shared);
            shared.extend(SHARED.map(|(name, value)| (name, HeaderValue::from_static(value))));
            // A write that has begun is finished, also if its client goes away: a repeated one is judged by what was done.
            let mut response = match parts.method {
                Method::POST | Method::PUT | Method::DELETE => {
                    let writing = super::to_the_end(answer(streams, parts, body)).await;
                    writing.unwrap_or_else(|_| refuse(StatusCode::INTERNAL_SERVER_ERROR, &"it failed"))
                }
                _ => answer(streams, parts, body).await,
            };
            response.headers_mut().extend(shared);
            response
        })
    }
}

async fn answer(streams: Arc<Streams>, parts: Parts, body: Incoming) -> Response<Body> {
    let channel = match channel(parts.uri.path()) {
        Ok(channel) => channel,
        Err(why) => return refuse(StatusCode::BAD_REQUEST, &why),
    };
    match parts.method {
        Method::GET => read::get(streams, &channel, parts).await,
        Method::HEAD => read::head(streams, &channel, &parts),
        Method::OPTIONS => preflight(),
        Method::PUT => {
            write::create(&streams, &channel, &parts, body).await.unwrap_or_else(|refused| *refused)
        }
        Method::POST => {
            write::append(&streams, &channel, &parts, body).await.unwrap_or_else(|refused| *refused)
        }
        Method::DELETE => write::delete(&streams, &channel, &parts).await.unwrap_or_else(|refused| *refused),
        _ => {
            let mut response =
                refuse(StatusCode::METHOD_NOT_ALLOWED, &"a stream does not understand this method");
            set(&mut response, ALLOW, METHODS);
            response
        }
    }
}

/// The channel that a path names.
fn channel(path: &str) -> Result<ChannelName, String> {
    let name = path.strip_prefix(STREAMS).unwrap_or_default();
    let name =
        percent_decode_str(name).decode_utf8().map_err(|_| "the channel's name is not UTF-8".to_owned())?;
    ChannelName::new(&name).map_err(|error| error.to_string())
}

/// What a page of another origin may send.
fn preflight() -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT);
    set(&mut response, header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    set(&mut response, header::ACCESS_CONTROL_ALLOW_HEADERS, SENT);
    set(&mut response, header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
