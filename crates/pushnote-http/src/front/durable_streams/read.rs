//! Requests to read a stream.

use std::sync::Arc;

use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{Response, StatusCode};
use pushnote_core::ChannelName;

use super::answer::{NO_STORE, empty, gone, set, set_content_type, set_place, set_text};
use super::lifetime::{Lifetime, STREAM_EXPIRES_AT, STREAM_TTL};
use super::offset::From;
use super::query::Mode;
use super::reader::Reader;
use super::streams::{Gone, Streams};
use crate::front::Body;

/// Answers `GET`.
pub(super) async fn get(streams: Arc<Streams>, channel: &ChannelName, parts: Parts) -> Response<Body> {
    let reader = match Reader::new(streams, channel, &parts) {
        Ok(reader) => reader,
        Err(refused) => return *refused,
    };
    reader.used();
    let Reader { streams, found, query, .. } = &reader;
    let place = match streams.place(&found.stream, query.from) {
        Ok(place) => place,
        Err(Gone) => return gone(),
    };
    match (query.mode, query.from) {
        (Mode::CatchUp, From::Now) => reader.now(place),
        (Mode::CatchUp, _) => match streams.chunk(found, place, query.from) {
            Ok(chunk) => reader.answer(&chunk, &parts.headers),
            Err(Gone) => gone(),
        },
        (Mode::LongPoll, _) => reader.long_poll(place, &parts.headers).await,
        (Mode::Events, _) => reader.events(place),
    }
}

/// Answers `HEAD`.
pub(super) fn head(streams: Arc<Streams>, channel: &ChannelName, parts: &Parts) -> Response<Body> {
    let Reader { streams, found, .. } = match Reader::new(streams, channel, parts) {
        Ok(reader) => reader,
        Err(refused) => return *refused,
    };
    let stream = &found.stream;
    let mut response = empty(StatusCode::OK);
    set_content_type(&mut response, stream.content_type.as_str());
    set_place(&mut response, streams.offset(streams.tail(stream)), stream.closed.is_some());
    set(&mut response, CACHE_CONTROL, NO_STORE);
    match &stream.lifetime {
        Lifetime::Unlimited => {}
        Lifetime::Idle(ttl) => set_text(&mut response, STREAM_TTL, &ttl.as_secs().to_string()),
        Lifetime::Until { text, .. } => set_text(&mut response, STREAM_EXPIRES_AT, text),
    }
    response
}
