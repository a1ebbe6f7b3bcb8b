//! Requests to create, append to, close and delete a stream.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Response, StatusCode};
use hyper::body::Incoming;
use pushnote_core::{Body as Data, ChannelName, Subject};

use super::answer::{STREAM_CLOSED, empty, not_found, refuse, set_content_type, set_place, set_text};
use super::body::{self, BodyError};
use super::content_type::{ContentType, NotAContentType};
use super::lifetime::Lifetime;
use super::producers::{
    OutOfStep, PRODUCER_EPOCH, PRODUCER_EXPECTED_SEQ, PRODUCER_RECEIVED_SEQ, PRODUCER_SEQ, Step,
};
use super::reader::Refused;
use super::registry::{Created, NotStored};
use super::stream::{Append, Refusal, Stream, Verdict};
use super::streams::Streams;
use crate::api::keys::{Denied, Right};
use crate::front::{self, Body};
use crate::kept::unix_ms;
use crate::publisher::{Message, PublishError};
use crate::waiter::Waiter;

/// The application's own order of what it appends.
const STREAM_SEQ: HeaderName = HeaderName::from_static("stream-seq");
/// What a fork would be made of.
const STREAM_FORKED_FROM: HeaderName = HeaderName::from_static("stream-forked-from");

/// Longest `Stream-Seq`, in bytes.
const SEQ_BYTES_MAX: usize = 256;

/// Messages of one request that wait for their places in the log at once.
const PUBLISHED_AT_ONCE: usize = 256;

/// Answers `PUT`.
pub(super) async fn create(
    streams: &Streams,
    channel: &ChannelName,
    parts: &Parts,
    body: Incoming,
) -> Result<Response<Body>, Refused> {
    let bad = |error: &dyn std::fmt::Display| Box::new(refuse(StatusCode::BAD_REQUEST, error));
    let headers = &parts.headers;
    allow(streams, headers, channel, Right::Manage)?;
    if headers.contains_key(STREAM_FORKED_FROM) {
        return Err(refuse(StatusCode::NOT_IMPLEMENTED, &"streams cannot be forked here").into());
    }
    let lifetime = Lifetime::read(headers).map_err(|error| bad(&error))?;
    let given = content_type(headers).map_err(|error| bad(&error))?;
    let content_type = given.unwrap_or_else(ContentType::bytes);
    let closed = is_closing(headers);
    let bytes = whole(streams, body).await?;
    let messages = if bytes.is_empty() { Vec::new() } else { taken_apart(streams, &content_type, &bytes)? };

    let there = |stream: &Stream| {
        if stream.is_alike(&content_type, &lifetime, closed) {
            return Ok(described(streams, stream, StatusCode::OK));
        }
        let why =
            "the stream is there, and is another: see its Content-Type, lifetime and Stream-Closed by HEAD";
        Err(refuse(StatusCode::CONFLICT, &why).into())
    };
    if let Some(found) = streams.find(channel, None) {
        return there(&found.stream);
    }
    let stream = Stream::new(content_type.clone(), lifetime.clone(), streams.context.hub.end());
    let (created, is_new) = enter(streams, channel, stream)?;
    if !is_new {
        return there(&created.stream());
    }
    let turn = created.turn.lock().await;
    if let Err(refused) = begin(streams, channel, &created, messages, closed).await {
        // Whoever tries again finds nothing of it.
        streams.registry.delete(channel, streams.context.hub.end());
        return Err(refused);
    }
    drop(turn);
    let mut response = described(streams, &created.stream(), StatusCode::CREATED);
    set_text(&mut response, LOCATION, &location(parts));
    Ok(response)
}

/// What a new stream begins with, and perhaps ends with.
async fn begin(
    streams: &Streams,
    channel: &ChannelName,
    created: &Created,
    messages: Vec<Data>,
    closed: bool,
) -> Result<(), Refused> {
    let end = publish(streams, channel, messages).await?;
    if closed {
        let close = Append { close: true, ..Append::default() };
        created.stream().done(&close, end.unwrap_or_else(|| streams.context.hub.end()));
        created.changed();
    }
    streams.registry.store(channel).await.map_err(|error| unstored(&error))
}

/// Answers `POST`.
pub(super) async fn append(
    streams: &Streams,
    channel: &ChannelName,
    parts: &Parts,
    body: Incoming,
) -> Result<Response<Body>, Refused> {
    let bad = |error: &dyn std::fmt::Display| Box::new(refuse(StatusCode::BAD_REQUEST, error));
    let headers = &parts.headers;
    allow(streams, headers, channel, Right::Publish)?;
    let step = Step::read(headers).map_err(|error| bad(&error))?;
    let seq = match headers.get(STREAM_SEQ).map(|seq| seq.to_str()) {
        None => None,
        Some(Ok(seq)) if seq.len() <= SEQ_BYTES_MAX => Some(seq.into()),
        Some(_) => {
            return Err(bad(&format!("Stream-Seq must be up to {SEQ_BYTES_MAX} visible ASCII characters")));
        }
    };
    let close = is_closing(headers);
    let bytes = whole(streams, body).await?;
    // What an empty body is does not matter.
    let content_type = match content_type(headers) {
        _ if bytes.is_empty() && close => None,
        _ if bytes.is_empty() => return Err(bad(&"the body is empty, and Stream-Closed: true is not there")),
        Ok(Some(content_type)) => Some(content_type),
        Ok(None) => return Err(bad(&"Content-Type is missing; it is that of the stream")),
        Err(error) => return Err(bad(&error)),
    };
    let append = Append { content_type, seq, step, close };
    let created = writable(streams, channel)?;
    created.used(unix_ms());
    let _turn = created.turn.lock().await;
    if created.is_deleted() {
        return Err(not_found().into());
    }
    let judged = created.stream().judge(&append);
    match judged {
        Ok(Verdict::New) => {}
        Ok(Verdict::Done(last)) => {
            let mut response = accepted(streams, &created, &append, None);
            *response.status_mut() = StatusCode::NO_CONTENT;
            if let Some(last) = last {
                set_text(&mut response, PRODUCER_SEQ, &last.to_string());
            }
            return Ok(response);
        }
        Err(refusal) => return Err(refused(streams, &created, &append, &refusal).into()),
    }
    let of_stream = created.stream().content_type.clone();
    let messages = if bytes.is_empty() { Vec::new() } else { taken_apart(streams, &of_stream, &bytes)? };
    if messages.is_empty() && !bytes.is_empty() {
        return Err(bad(&"the list is empty: there is nothing to append"));
    }
    let end = publish(streams, channel, messages).await?;
    let end = end.unwrap_or_else(|| streams.context.hub.end());
    if created.stream().done(&append, end) {
        streams.registry.store(channel).await.map_err(|error| unstored(&error))?;
    }
    if append.close {
        created.changed();
    }
    Ok(accepted(streams, &created, &append, Some(end)))
}

/// Answers `DELETE`.
pub(super) async fn delete(
    streams: &Streams,
    channel: &ChannelName,
    parts: &Parts,
) -> Result<Response<Body>, Refused> {
    allow(streams, &parts.headers, channel, Right::Manage)?;
    let found = streams.find(channel, None).ok_or_else(not_found)?;
    // Whoever is writing it comes before its end.
    let _turn = match &found.created {
        Some(created) => Some(created.turn.lock().await),
        None => None,
    };
    streams.registry.delete(channel, streams.context.hub.end());
    streams.registry.store(channel).await.map_err(|error| unstored(&error))?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Whether a request may write.
fn allow(streams: &Streams, headers: &HeaderMap, channel: &ChannelName, right: Right) -> Result<(), Refused> {
    if !streams.context.publisher.is_here() {
        let why = "streams are read here and not written: this server hears forwarders; publish to these";
        return Err(refuse(StatusCode::NOT_IMPLEMENTED, &why).into());
    }
    let Some(keys) = &streams.keys else {
        let why = "streams are read here and not written: the server has no API keys (--api, --api-keys)";
        return Err(refuse(StatusCode::NOT_IMPLEMENTED, &why).into());
    };
    let allowed = keys.check(headers, right).and_then(|key| key.allow_channel(channel));
    allowed.map_err(|denied| {
        let status = match denied {
            Denied::KeyMissing | Denied::KeyUnknown => StatusCode::UNAUTHORIZED,
            Denied::RightMissing(_) | Denied::OtherChannels => StatusCode::FORBIDDEN,
        };
        refuse(status, &denied).into()
    })
}

/// The stream to write, which a channel with messages becomes by that.
fn writable(streams: &Streams, channel: &ChannelName) -> Result<Arc<Created>, Refused> {
    let found = streams.find(channel, None).ok_or_else(not_found)?;
    if let Some(created) = found.created {
        return Ok(created);
    }
    Ok(enter(streams, channel, found.stream)?.0)
}

/// Takes a stream in; gives another that is there meanwhile, and `false`.
fn enter(streams: &Streams, channel: &ChannelName, stream: Stream) -> Result<(Arc<Created>, bool), Refused> {
    let is_left = |channel: &ChannelName, end| streams.is_left(channel, 0, end);
    let created = streams.registry.create(channel, stream, unix_ms(), is_left);
    created.map_err(|full| refuse(StatusCode::INSUFFICIENT_STORAGE, &full).into())
}

fn unstored(error: &NotStored) -> Refused {
    refuse(StatusCode::SERVICE_UNAVAILABLE, error).into()
}

fn is_closing(headers: &HeaderMap) -> bool {
    headers.get(STREAM_CLOSED).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"))
}

fn content_type(headers: &HeaderMap) -> Result<Option<ContentType>, NotAContentType> {
    let text = headers.get(CONTENT_TYPE).map(|value| value.to_str().map_err(|_| NotAContentType));
    match text.transpose()?.filter(|text| !text.is_empty()) {
        Some(text) => ContentType::new(text).map(Some),
        None => Ok(None),
    }
}

async fn whole(streams: &Streams, body: Incoming) -> Result<Bytes, Refused> {
    let within_s = streams.context.limits.handshake_timeout_s;
    let read = front::read(body, body::READ_BYTES_MAX, within_s).await;
    let bytes = read.map_err(|error| refuse(error.status(), &error))?;
    body::fits(&bytes).map_err(|error| unread(&error))?;
    Ok(bytes)
}

fn unread(error: &BodyError) -> Refused {
    let status = match error {
        BodyError::TooLong | BodyError::MessageTooLong { .. } | BodyError::TooMany => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        BodyError::NotJson => StatusCode::BAD_REQUEST,
    };
    refuse(status, error).into()
}

fn taken_apart(streams: &Streams, content_type: &ContentType, bytes: &Bytes) -> Result<Vec<Data>, Refused> {
    let max = streams.context.limits.message_bytes_max;
    body::messages(content_type, bytes, max).map_err(|error| unread(&error))
}

/// Publishes messages in their order. Gives the place behind the last; `None` if there are none.
async fn publish(
    streams: &Streams,
    channel: &ChannelName,
    messages: Vec<Data>,
) -> Result<Option<u64>, Refused> {
    let publisher = &streams.context.publisher;
    let subject = || Subject::from(channel.clone());
    let mut published = stream::iter(messages)
        .map(|body| {
            let audience = [subject()].into_iter().collect();
            publisher.publish(Message { body, event: None, audience, push: None })
        })
        .buffered(PUBLISHED_AT_ONCE);
    let mut end = None;
    while let Some(outcome) = published.next().await {
        let published = outcome.map_err(|error| unpublished(&error))?;
        end = published.offset.map(|offset| offset + 1).or(end);
    }
    // Whoever reads now sees it: also where it was stored first, and is let go in this moment.
    let hub = &streams.context.hub;
    if let Some(end) = end
        && hub.end() < end
        && let Ok(waiter) = Waiter::new(hub, subject())
    {
        while hub.end() < end && waiter.woken().await {}
    }
    Ok(end)
}

fn unpublished(error: &PublishError) -> Refused {
    let status = match error {
        PublishError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        PublishError::Nowhere => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    refuse(status, error).into()
}

/// What a stream is.
fn described(streams: &Streams, stream: &Stream, status: StatusCode) -> Response<Body> {
    let mut response = empty(status);
    set_content_type(&mut response, stream.content_type.as_str());
    set_place(&mut response, streams.offset(streams.tail(stream)), stream.closed.is_some());
    response
}

/// The whole URL that was asked for.
fn location(parts: &Parts) -> String {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let forwarded = parts.headers.get("x-forwarded-proto");
    let scheme = if forwarded.is_some_and(|proto| proto == "https") { "https" } else { "http" };
    let path = parts.uri.path();
    if host.is_empty() { path.to_owned() } else { format!("{scheme}://{host}{path}") }
}

/// The request was done, now or before; now, the stream's end is behind it.
fn accepted(streams: &Streams, created: &Created, append: &Append, end: Option<u64>) -> Response<Body> {
    let stream = created.stream().clone();
    // Producers tell by the status what is new.
    let of_producer = append.step.is_some() && append.content_type.is_some();
    let mut response = empty(if of_producer { StatusCode::OK } else { StatusCode::NO_CONTENT });
    let end = end.unwrap_or_else(|| streams.tail(&stream));
    set_place(&mut response, streams.offset(end), stream.closed.is_some());
    if let Some(step) = &append.step {
        set_text(&mut response, PRODUCER_EPOCH, &step.epoch.to_string());
        set_text(&mut response, PRODUCER_SEQ, &step.seq.to_string());
    }
    response
}

fn refused(streams: &Streams, created: &Created, append: &Append, refusal: &Refusal) -> Response<Body> {
    let status = match refusal {
        Refusal::Step(OutOfStep::Stale { .. }) => StatusCode::FORBIDDEN,
        Refusal::Step(OutOfStep::LateBegin) => StatusCode::BAD_REQUEST,
        _ => StatusCode::CONFLICT,
    };
    let mut response = refuse(status, refusal);
    match refusal {
        Refusal::Closed => set_place(&mut response, streams.offset(streams.tail(&created.stream())), true),
        Refusal::Step(OutOfStep::Stale { epoch }) => {
            set_text(&mut response, PRODUCER_EPOCH, &epoch.to_string());
        }
        Refusal::Step(OutOfStep::Gap { expected }) => {
            set_text(&mut response, PRODUCER_EXPECTED_SEQ, &expected.to_string());
            let received = append.step.as_ref().map_or(0, |step| step.seq);
            set_text(&mut response, PRODUCER_RECEIVED_SEQ, &received.to_string());
        }
        Refusal::Step(OutOfStep::LateBegin) | Refusal::ContentType | Refusal::Seq => {}
    }
    response
}
