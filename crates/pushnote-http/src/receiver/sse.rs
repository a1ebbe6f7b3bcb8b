//! A stream of server-sent events.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pushnote_core::{ChannelName, CloseCode, Cursor};
use pushnote_hub::{Batch, Delivery, Place};
use pushnote_net::WriteError;
use pushnote_net::http::{Chunk, ResponseStream};

use super::encodings::Encodings;
use crate::event_framing::{self, Data};
use crate::notice::Notice;

/// What the hub writes to.
pub(crate) struct SseReceiver {
    sink: Arc<Sink>,
    form: Data,
    /// It was told where it begins. What came before that comes again then.
    begun: AtomicBool,
}

/// Where its events go: to a response's body, which asks for them, or to the stream that body has taken over.
pub(crate) struct Sink(Mutex<Way>);

enum Way {
    Body(Waiting),
    Stream(Arc<ResponseStream>),
}

/// What waits for a body to ask for it: what the response begins with, and a batch.
struct Waiting {
    beginning: Option<Chunk>,
    batch: Option<Chunk>,
    /// Something was not taken for that batch.
    refused: bool,
    /// The response ends, with this.
    last: Option<Chunk>,
    ended: bool,
    body: Option<Waker>,
}

impl SseReceiver {
    pub(crate) fn new(sink: Arc<Sink>, form: Data) -> Self {
        Self { sink, form, begun: AtomicBool::new(false) }
    }

    pub(super) fn deliver(&self, batch: &Batch<Encodings>) -> Delivery {
        if !self.begun.load(Relaxed) {
            return Delivery::Accepted;
        }
        let Encodings { events, message_events, text_events, .. } = batch.encodings();
        let encoded = match self.form {
            Data::Json => events,
            Data::Message => message_events,
            Data::Text => text_events,
        };
        self.send(encoded.get_or_init(|| event_framing::batch(batch, self.form)))
    }

    pub(super) fn tell(&self, notice: &Notice, place: &Place) -> Delivery {
        match notice {
            Notice::Welcome { .. } => {
                let told = self.send(&event_framing::place(&place.cursor, place.complete));
                self.begun.store(told == Delivery::Accepted, Relaxed);
                told
            }
            Notice::Expired { subject } => {
                self.sink.end(&event_framing::expired(subject));
                Delivery::Accepted
            }
            // Answers to what nobody asks here.
            _ => Delivery::Accepted,
        }
    }

    pub(super) fn place(&self, cursor: &Cursor) {
        if self.begun.load(Relaxed) {
            self.send(&event_framing::place(cursor, true));
        }
    }

    pub(super) fn gap(&self, channel: Option<&ChannelName>, cursor: &Cursor) -> Delivery {
        self.send(&event_framing::gap(channel, cursor))
    }

    pub(super) fn close(&self, code: CloseCode) {
        self.sink.end(&event_framing::ending(code));
    }

    pub(super) fn abort(&self, code: CloseCode) {
        self.sink.abort(&event_framing::ending(code));
    }

    fn send(&self, events: &Chunk) -> Delivery {
        if events.as_ref().is_empty() {
            return Delivery::Accepted;
        }
        match self.sink.send(events) {
            Ok(()) => Delivery::Accepted,
            Err(WriteError::Full) => Delivery::Full,
            Err(WriteError::Closed) => Delivery::Closed,
        }
    }
}

impl Sink {
    /// For a body that is not asked yet.
    pub(crate) fn new(beginning: Chunk) -> Arc<Self> {
        let waiting = Waiting {
            beginning: Some(beginning),
            batch: None,
            refused: false,
            last: None,
            ended: false,
            body: None,
        };
        Arc::new(Self(Mutex::new(Way::Body(waiting))))
    }

    fn send(&self, events: &Chunk) -> Result<(), WriteError> {
        let mut way = self.lock();
        let waiting = match &mut *way {
            Way::Stream(stream) => return stream.send(events),
            Way::Body(waiting) => waiting,
        };
        if waiting.ended {
            return Err(WriteError::Closed);
        }
        if waiting.batch.is_some() {
            waiting.refused = true;
            return Err(WriteError::Full);
        }
        waiting.batch = Some(events.clone());
        wake(way);
        Ok(())
    }

    fn end(&self, last: &Chunk) {
        self.end_with(last, |stream| stream.end_after(last), |_| {});
    }

    fn abort(&self, last: &Chunk) {
        self.end_with(last, |stream| stream.abort_after(last), |waiting| waiting.batch = None);
    }

    fn end_with(&self, last: &Chunk, end: impl FnOnce(&ResponseStream), prepare: impl FnOnce(&mut Waiting)) {
        let mut way = self.lock();
        match &mut *way {
            Way::Stream(stream) => return end(stream),
            Way::Body(waiting) if waiting.ended => return,
            Way::Body(waiting) => {
                prepare(waiting);
                waiting.last = Some(last.clone());
                waiting.ended = true;
            }
        }
        wake(way);
    }

    /// The body's next piece. `true`: something was refused, and would be taken now.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> (Poll<Option<Chunk>>, bool) {
        let mut way = self.lock();
        let Way::Body(waiting) = &mut *way else { return (Poll::Pending, false) };
        let next = waiting.beginning.take().or_else(|| waiting.batch.take()).or_else(|| waiting.last.take());
        let next = match next {
            Some(chunk) => Poll::Ready(Some(chunk)),
            None if waiting.ended => Poll::Ready(None),
            None => {
                waiting.body = Some(cx.waker().clone());
                Poll::Pending
            }
        };
        let room = waiting.batch.is_none() && std::mem::take(&mut waiting.refused);
        (next, room)
    }

    /// The body has taken the stream over; what waited goes there. `true`: something was refused, and would be taken now.
    pub(crate) fn stream_to(&self, stream: &Arc<ResponseStream>) -> bool {
        let mut way = self.lock();
        let Way::Body(waiting) = std::mem::replace(&mut *way, Way::Stream(Arc::clone(stream))) else {
            return false;
        };
        let Waiting { beginning, batch, refused, last, ended, body: _ } = waiting;
        let mut whole = Vec::new();
        for chunk in beginning.into_iter().chain(batch) {
            whole.extend_from_slice(chunk.as_ref());
        }
        // One that is broken already tells its driver.
        let _ = stream.send(&Chunk::new(&whole));
        if ended {
            stream.end_after(&last.unwrap_or_default());
        }
        refused
    }

    fn lock(&self) -> MutexGuard<'_, Way> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unlocks, and wakes the body.
fn wake(mut way: MutexGuard<'_, Way>) {
    let body = match &mut *way {
        Way::Body(waiting) => waiting.body.take(),
        Way::Stream(_) => None,
    };
    drop(way);
    if let Some(body) = body {
        body.wake();
    }
}
