//! Who reads a stream, and what it is answered.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use pushnote_core::{ChannelName, Wanted};
use pushnote_net::unix_now;

use super::answer::{
    NO_STORE, STREAM_CURSOR, STREAM_UP_TO_DATE, TRUE, empty, not_found, refuse, set, set_content_type,
    set_place, set_text,
};
use super::chunk::Chunk;
use super::content_type::Form;
use super::cursor;
use super::query::{Mode, Query};
use super::streams::{Found, Streams};
use crate::api::keys::Right;
use crate::front::{Body, bearer, whole};
use crate::kept::unix_ms;
use crate::rights::{Allowed, Refusal};

/// One request to read, which is allowed to.
pub(super) struct Reader {
    pub(super) streams: Arc<Streams>,
    pub(super) found: Found,
    pub(super) query: Query,
    /// Anybody may read the stream.
    public: bool,
    /// By which right it reads, if not by a key.
    pub(super) allowed: Option<Allowed>,
}

/// What the request is answered that is refused.
pub(super) type Refused = Box<Response<Body>>;

/// Whether a request shows an API key that may read the channel.
fn may_read_by_key(streams: &Streams, headers: &HeaderMap, channel: &ChannelName) -> bool {
    let keys = streams.keys.as_ref();
    keys.and_then(|keys| keys.check(headers, Right::Read).ok())
        .is_some_and(|key| key.allow_channel(channel).is_ok())
}

/// What whoever may not read is told.
pub(super) fn not_allowed(streams: &Streams, refusal: Refusal) -> Refused {
    streams.context.rights.note(&refusal);
    let status = match refusal {
        Refusal::Token(_) | Refusal::TokenMissing => StatusCode::UNAUTHORIZED,
        Refusal::NotAllowed => StatusCode::FORBIDDEN,
        Refusal::Limit(_) => StatusCode::TOO_MANY_REQUESTS,
    };
    refuse(status, &refusal).into()
}

impl Reader {
    pub(super) fn new(streams: Arc<Streams>, channel: &ChannelName, parts: &Parts) -> Result<Self, Refused> {
        let query = Query::read(parts.uri.query().unwrap_or_default())
            .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error))?;
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(bearer)
            .map(str::to_owned)
            .or_else(|| query.token.clone());
        let public = token.is_none();
        let allowed = if may_read_by_key(&streams, &parts.headers, channel) {
            None
        } else {
            let wanted = Wanted { channel: Some(channel.clone()), token };
            let allowed = streams.context.rights.allow(&wanted);
            Some(allowed.map_err(|refusal| not_allowed(&streams, refusal))?)
        };
        let found = streams.find(channel, Some(query.from)).ok_or_else(not_found)?;
        Ok(Self { streams, found, query, public, allowed })
    }

    /// The stream is read, and goes on living.
    pub(super) fn used(&self) {
        if let Some(created) = &self.found.created {
            created.used(unix_ms());
        }
    }

    pub(super) fn form(&self) -> Form {
        self.found.stream.content_type.form()
    }

    pub(super) fn cursor(&self) -> u64 {
        // Without chance it goes on by one.
        cursor::next(unix_now(), self.query.cursor.as_deref(), getrandom::u64().unwrap_or(0))
    }

    /// Nothing but where to go on from now.
    pub(super) fn now(&self, place: u64) -> Response<Body> {
        let nothing = Chunk {
            messages: Vec::new(),
            first: place,
            last: place,
            next: self.streams.offset(place),
            up_to_date: true,
            closed: self.found.stream.closed.is_some(),
        };
        let mut response = self.bare(&nothing);
        set(&mut response, CACHE_CONTROL, NO_STORE);
        response
    }

    /// A piece of the stream, which caches may keep: nothing of it ever changes.
    pub(super) fn answer(&self, chunk: &Chunk, headers: &HeaderMap) -> Response<Body> {
        let mut response = self.bare(chunk);
        let cached = match (chunk.messages.is_empty(), self.public) {
            (true, _) => "no-cache",
            (false, true) => "public, max-age=60, stale-while-revalidate=300",
            (false, false) => "private, max-age=60, stale-while-revalidate=300",
        };
        set(&mut response, CACHE_CONTROL, HeaderValue::from_static(cached));
        if self.query.mode == Mode::LongPoll {
            set_text(&mut response, STREAM_CURSOR, &self.cursor().to_string());
        }
        let etag = self.etag(chunk);
        set_text(&mut response, ETAG, &etag);
        let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
        let mut known = known.flat_map(|line| line.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
        if known.any(|tag| tag == etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = whole("");
        }
        response
    }

    /// Nothing came.
    pub(super) fn nothing(&self, chunk: &Chunk) -> Response<Body> {
        let mut response = empty(StatusCode::NO_CONTENT);
        set_place(&mut response, chunk.next, chunk.closed);
        set(&mut response, STREAM_UP_TO_DATE, TRUE);
        set(&mut response, CACHE_CONTROL, NO_STORE);
        set_text(&mut response, STREAM_CURSOR, &self.cursor().to_string());
        response
    }

    fn bare(&self, chunk: &Chunk) -> Response<Body> {
        let mut response = Response::new(whole(chunk.body(self.form())));
        set_content_type(&mut response, self.found.stream.content_type.as_str());
        set_place(&mut response, chunk.next, chunk.closed);
        if chunk.up_to_date {
            set(&mut response, STREAM_UP_TO_DATE, TRUE);
        }
        response
    }

    /// Tells pieces apart: by log, stream, first and last message, what is known to be missing further on, and whether the
    /// stream is known to be over.
    fn etag(&self, chunk: &Chunk) -> String {
        let (epoch, begins) = (chunk.next.place.epoch, self.found.stream.begins);
        let closed = if chunk.closed { ":c" } else { "" };
        let gap = chunk.next.gap.map_or_else(String::new, |gap| format!(":{gap:x}"));
        format!("\"{epoch:x}:{begins:x}:{:x}:{:x}{gap}{closed}\"", chunk.first, chunk.last)
    }
}
