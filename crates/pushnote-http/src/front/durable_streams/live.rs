//! Reading what is still to come: by long poll, or as events.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CACHE_CONTROL, HeaderMap};
use http::{HeaderName, HeaderValue, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answer::{STREAM_SSE_DATA_ENCODING, gone, not_found, set, set_content_type};
use super::content_type::Form;
use super::offset::From;
use super::reader::{Reader, Refused, not_allowed};
use crate::context::Context;
use crate::front::Body;
use crate::rights::Refusal;
use crate::waiter::Waiter;

/// How long events go on, at most: then caches and proxies may let others in (section 10.2).
const EVENTS_FOR: Duration = Duration::from_secs(60);

/// How long events may be silent, before a comment says that they go on.
const SILENCE: Duration = Duration::from_secs(20);

/// A comment, which readers of events pass over.
const COMMENT: &[u8] = b":\n\n";

/// Says to nginx that it is to keep nothing back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Waits for a stream's next message, or its end.
struct Waiting {
    waiter: Waiter,
    changes: Option<watch::Receiver<bool>>,
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// There may be something to read.
    News,
    /// The time is over.
    Late,
    /// The server ends, or the stream was deleted.
    Over,
}

impl Waiting {
    async fn woken(&mut self, deadline: Instant) -> Woken {
        let changed = async {
            match &mut self.changes {
                Some(changes) => changes.changed().await.is_ok() && !*changes.borrow(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            stays = self.waiter.woken() => if stays { Woken::News } else { Woken::Over },
            stays = changed => if stays { Woken::News } else { Woken::Over },
            () = sleep_until(deadline) => Woken::Late,
        }
    }
}

/// Events that are being sent.
struct Events {
    reader: Reader,
    waiting: Waiting,
    /// Where they are, as a reader comes there.
    place: (u64, From),
    /// Where they end.
    deadline: Instant,
    begun: bool,
    over: bool,
}

impl Reader {
    fn waiting(&self) -> Result<Waiting, Refused> {
        let subject = self.found.channel.clone().into();
        let changes = self.found.created.as_ref().map(|created| created.changes());
        let Context { hub, rights, .. } = &*self.streams.context;
        let waiter = Waiter::new(hub, subject).map_err(Refusal::from).and_then(|waiter| {
            let Some(allowed) = &self.allowed else { return Ok(waiter) };
            let waiter = match allowed.user.clone() {
                Some(user) => waiter.for_user(user)?,
                None => waiter,
            };
            rights.still(allowed).map(|()| waiter)
        });
        let waiter = waiter.map_err(|refusal| not_allowed(&self.streams, refusal))?;
        Ok(Waiting { waiter, changes })
    }

    /// Until when it may go on that would go on for so long.
    fn deadline(&self, longest: Duration) -> Instant {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let until = self.allowed.as_ref().and_then(|allowed| allowed.until);
        let token = until.map(|until| Duration::from_secs(until).saturating_sub(unix));
        Instant::now() + token.map_or(longest, |token| token.min(longest))
    }

    /// What is there, or what comes within some seconds.
    pub(super) async fn long_poll(self, mut place: u64, headers: &HeaderMap) -> Response<Body> {
        let mut waiting = match self.waiting() {
            Ok(waiting) => waiting,
            Err(refused) => return *refused,
        };
        let deadline = self.deadline(Duration::from_secs(self.streams.context.limits.long_poll_s));
        let mut from = self.query.from;
        loop {
            let Ok(chunk) = self.streams.chunk(&self.found, place, from) else { return gone() };
            self.used();
            if !chunk.messages.is_empty() {
                return self.answer(&chunk, headers);
            }
            // The log goes on, and so does who waits for a part of it.
            (place, from) = (chunk.next.place.sequence, From::At(chunk.next));
            if chunk.closed {
                return self.nothing(&chunk);
            }
            match waiting.woken(deadline).await {
                Woken::News => {}
                _ if self.found.is_deleted() => return not_found(),
                Woken::Late | Woken::Over => return self.nothing(&chunk),
            }
        }
    }

    /// What is there, and what comes, as events.
    pub(super) fn events(self, place: u64) -> Response<Body> {
        // Events have no word for it.
        if self.streams.chunk(&self.found, place, self.query.from).is_err() {
            return gone();
        }
        let waiting = match self.waiting() {
            Ok(waiting) => waiting,
            Err(refused) => return *refused,
        };
        let (form, deadline, place) = (self.form(), self.deadline(EVENTS_FOR), (place, self.query.from));
        let events = Events { reader: self, waiting, place, deadline, begun: false, over: false };
        let frames = stream::unfold(events, Events::next).map(|bytes| Ok::<_, io::Error>(Frame::data(bytes)));
        let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
        set_content_type(&mut response, "text/event-stream");
        set(&mut response, CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, no-transform"));
        set(&mut response, X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        if form == Form::Bytes {
            set(&mut response, STREAM_SSE_DATA_ENCODING, HeaderValue::from_static("base64"));
        }
        response
    }
}

impl Events {
    /// The next events, as bytes.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            if self.over {
                return None;
            }
            let Reader { streams, found, .. } = &self.reader;
            // What it has missed it is told when it comes back.
            let chunk = streams.chunk(found, self.place.0, self.place.1).ok()?;
            let next = chunk.next.place.sequence;
            self.over = chunk.closed;
            self.place = (next, From::At(chunk.next));
            if !self.begun || !chunk.messages.is_empty() || chunk.closed {
                self.begun = true;
                self.reader.used();
                return Some((chunk.events(self.reader.form(), self.reader.cursor()), self));
            }
            let silent = Instant::now() + SILENCE;
            match self.waiting.woken(silent.min(self.deadline)).await {
                Woken::News => {}
                Woken::Late if Instant::now() < self.deadline => {
                    self.reader.used();
                    return Some((Bytes::from_static(COMMENT), self));
                }
                // The last word is where to go on: the place that it had may have left the log.
                Woken::Late | Woken::Over => {
                    self.over = true;
                    let last = chunk.events(self.reader.form(), self.reader.cursor());
                    return (!self.reader.found.is_deleted()).then_some((last, self));
                }
            }
        }
    }
}
