//! Answers, and the headers they share.

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::offset::Offset;
use crate::front::{Body, plain, whole};

/// Where to read on.
pub(super) const STREAM_NEXT_OFFSET: HeaderName = HeaderName::from_static("stream-next-offset");
/// There was no more.
pub(super) const STREAM_UP_TO_DATE: HeaderName = HeaderName::from_static("stream-up-to-date");
/// There will be no more.
pub(super) const STREAM_CLOSED: HeaderName = HeaderName::from_static("stream-closed");
/// What the next live request repeats.
pub(super) const STREAM_CURSOR: HeaderName = HeaderName::from_static("stream-cursor");
/// How the bytes of events are written.
pub(super) const STREAM_SSE_DATA_ENCODING: HeaderName = HeaderName::from_static("stream-sse-data-encoding");

/// Nothing on the way keeps it.
pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The value of what is there or not.
pub(super) const TRUE: HeaderValue = HeaderValue::from_static("true");

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(whole(""));
    *response.status_mut() = status;
    response
}

/// An answer in words, which nobody keeps.
pub(super) fn refuse(status: StatusCode, why: &dyn std::fmt::Display) -> Response<Body> {
    let mut response = plain(status, &why.to_string());
    set(&mut response, CACHE_CONTROL, NO_STORE);
    response
}

/// There is no such stream.
pub(super) fn not_found() -> Response<Body> {
    refuse(
        StatusCode::NOT_FOUND,
        &"there is no such stream: nobody has created it, and its channel has no messages",
    )
}

/// What a client is told that was away for too long.
pub(super) fn gone() -> Response<Body> {
    let why = "what this offset named has left the log of this server, or was in another one, or something behind it was lost on its way here: read from -1 what is left, or from now";
    refuse(StatusCode::GONE, &why)
}

/// Sets a header.
pub(super) fn set(response: &mut Response<Body>, name: HeaderName, value: HeaderValue) {
    response.headers_mut().insert(name, value);
}

/// Sets a header to what is plain ASCII in any case; what is not is left out.
pub(super) fn set_text(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        set(response, name, value);
    }
}

/// Says where to read on, and whether the stream is over there.
pub(super) fn set_place(response: &mut Response<Body>, next: Offset, closed: bool) {
    set_text(response, STREAM_NEXT_OFFSET, &next.to_string());
    if closed {
        set(response, STREAM_CLOSED, TRUE);
    }
}

/// Says what the stream is.
pub(super) fn set_content_type(response: &mut Response<Body>, content_type: &str) {
    set_text(response, CONTENT_TYPE, content_type);
}
