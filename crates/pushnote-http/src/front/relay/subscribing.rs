//! Subscribers: a GET asks for the message after the one that it names (protocol, section 3.1).

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, RETRY_AFTER, VARY,
};
use http::{Response, StatusCode};
use pushnote_core::{Body as Payload, ChannelName, Subject};
use pushnote_hub::{Content, Dated, Had};
use pushnote_relay::{After, HoldError, Location, Polling, Subscribing, Tag, asked_after};
use tokio::time::sleep;

use super::channels::{Channels, SentAway};
use super::passthrough::Listener;
use crate::front::{Body, plain, whole};
use crate::waiter::Waiter;

/// Says that messages between the one that was named and this one are missing.
const GAP: HeaderName = HeaderName::from_static("pushnote-gap");

/// What an answer to a subscriber depends on.
const VARIES: &str = "If-Modified-Since, If-None-Match";

/// One request.
pub(super) struct Asked<'a> {
    pub(super) location: &'a Location,
    pub(super) subscribing: &'a Subscribing,
    pub(super) channel: ChannelName,
    pub(super) headers: &'a HeaderMap,
    /// Who is told that it waits.
    pub(super) listener: Option<Listener>,
}

/// Answers one.
pub(super) async fn answer(channels: &Arc<Channels>, asked: Asked<'_>) -> Response<Body> {
    let Asked { location, subscribing, ref channel, headers, .. } = asked;
    let after = match asked_after(headers) {
        Ok(after) => after.filter(|after| !after.is_begin()),
        Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if !subscribing.create_on_get && !channels.has(location, channel) {
        return plain(StatusCode::NOT_FOUND, "there is no such channel");
    }
    if let Err(error) = channels.requested(channel) {
        return plain(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
    }
    if channels.conflicts(channel, subscribing.concurrency) {
        return plain(StatusCode::CONFLICT, &HoldError::Conflict.to_string());
    }
    let stored = channels.stored(location, channel, after.map(had));
    let mut place = Place { from: stored.from, after, complete: stored.complete };
    if let Some(message) = place.next(channels, channel) {
        return place.message(channels, &message);
    }
    match subscribing.polling {
        Polling::Interval => place.nothing(channels, headers),
        Polling::Long => hold(channels, asked, place).await,
    }
}

/// A request is held no longer, if its location does not say how long: of a client that is gone, nothing may have told.
const HELD_MAX: Duration = Duration::from_secs(300);

async fn hold(channels: &Arc<Channels>, asked: Asked<'_>, mut place: Place) -> Response<Body> {
    let Asked { subscribing, channel, headers, listener, .. } = asked;
    let Ok(waiter) = Waiter::new(&channels.hub, Subject::Channel(channel.clone())) else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "there are too many subscribers");
    };
    let mut held = match channels.hold(&channel, subscribing.concurrency) {
        Ok(held) => held,
        Err(error @ HoldError::Conflict) => return plain(StatusCode::CONFLICT, &error.to_string()),
        Err(error @ HoldError::Gone) => return plain(StatusCode::GONE, &error.to_string()),
    };
    let _told = listener.map(Listener::subscribed);
    let late = sleep(subscribing.timeout.unwrap_or(HELD_MAX));
    tokio::pin!(late);
    loop {
        if let Some(message) = place.next(channels, &channel) {
            return place.message(channels, &message);
        }
        tokio::select! {
            sent_away = held.sent_away() => return match sent_away {
                SentAway::Conflict => plain(StatusCode::CONFLICT, "another subscriber waits on this channel now"),
                SentAway::Gone => plain(StatusCode::GONE, "the channel was deleted"),
            },
            goes_on = waiter.woken() => if !goes_on { return ending() },
            () = &mut late => return place.nothing(channels, headers),
        }
    }
}

/// Where a subscriber is in the log.
struct Place {
    from: u64,
    after: Option<After>,
    /// It has missed nothing, as far as that can be told.
    complete: bool,
}

impl Place {
    /// The next message, if it is there.
    fn next(&mut self, channels: &Channels, channel: &ChannelName) -> Option<Dated> {
        loop {
            let (found, next) = channels.read(channel, self.from, 1);
            let message = found.into_iter().find(|found| {
                let is_gap = *found.publication.content() == Content::Gap;
                // What did not come may have been of this channel.
                self.complete &= !is_gap;
                !is_gap
            });
            let Some(message) = message else {
                self.from = self.from.max(next);
                return None;
            };
            // Without a tag a client has had the first of the second that it names.
            match self.after.take_if(|after| after.tag == Tag::First) {
                Some(after) if after.time_s == message.at.as_secs() => self.from = message.offset + 1,
                _ => return Some(message),
            }
        }
    }

    fn message(&self, channels: &Channels, message: &Dated) -> Response<Body> {
        let Content::Message { data, media_type, .. } = message.publication.content() else {
            // Gaps are passed over, and nothing else concerns a channel.
            return plain(StatusCode::NO_CONTENT, "");
        };
        channels.counters.delivered.add(1);
        let (bytes, media_type) = Payload::bytes(data, media_type.as_deref());
        let mut response = Response::new(whole(bytes));
        let headers = response.headers_mut();
        let id = After::message(message.at, message.offset);
        insert(headers, LAST_MODIFIED, &id.last_modified());
        insert(headers, ETAG, &message.offset.to_string());
        // For browsers that keep Etag from scripts.
        insert(headers, CACHE_CONTROL, &format!("etag={}", message.offset));
        insert(headers, CONTENT_TYPE, media_type);
        headers.insert(VARY, HeaderValue::from_static(VARIES));
        self.tell_gap(channels, headers);
        response
    }

    /// There is nothing new; or what was asked for is gone, and nothing has followed.
    fn nothing(&self, channels: &Channels, asked: &HeaderMap) -> Response<Body> {
        let mut response = Response::new(whole(""));
        let status = if self.complete { StatusCode::NOT_MODIFIED } else { StatusCode::NO_CONTENT };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static(VARIES));
        for (name, of) in [(LAST_MODIFIED, IF_MODIFIED_SINCE), (ETAG, IF_NONE_MATCH)] {
            if let Some(value) = asked.get(of) {
                headers.insert(name, value.clone());
            }
        }
        self.tell_gap(channels, headers);
        response
    }

    fn tell_gap(&self, channels: &Channels, headers: &mut HeaderMap) {
        if !self.complete {
            channels.counters.gaps.add(1);
            headers.insert(GAP, HeaderValue::from_static("true"));
        }
    }
}

fn had(after: After) -> Had {
    let offset = match after.tag {
        Tag::Is(offset) => Some(offset),
        Tag::First | Tag::None => None,
    };
    Had { time_s: after.time_s, offset }
}

/// The server ends: another one, or the next run, has the channel.
fn ending() -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "the server is about to end: ask again");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// What is no header's value, nothing can be said of.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
