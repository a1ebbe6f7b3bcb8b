//! One stream of events, from its opening to its end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use pushnote_core::{Cursor, Subject};
use pushnote_hub::Attachment;
use pushnote_net::http::{Handover, Idle, ResponseStream, TakenOver};
use pushnote_sockjs::ConnectionGuard;
use tokio::time::{Instant, Sleep, sleep};

use crate::context::Context;
use crate::event_framing::{self, Data};
use crate::expiries::{Ending, Expiry};
use crate::notice::Notice;
use crate::presence::Presence;
use crate::receiver::{AnyReceiver, Sink, SseReceiver};
use crate::rights::{Allowed, Refusal};

/// A comment comes to who was sent nothing else for so long.
const COMMENT_INTERVAL: Duration = Duration::from_secs(20);

/// A client: attached to the hub from its opening to its end.
pub(super) struct Client {
    attachment: Attachment<AnyReceiver>,
    /// Boxed: most have none, and idle ones are many.
    _expiry: Option<Box<Expiry>>,
    /// It is in a channel with presence.
    present: Option<Arc<Presence>>,
    counted: Arc<Context>,
}

impl Client {
    /// Subscribes to what is allowed, and goes on from `cursor`. Who wants texts, as of flask-sse, gets nothing else.
    ///
    /// # Errors
    ///
    /// [`Refusal::Limit`]; or a token was revoked by now.
    pub(super) fn open(
        context: &Arc<Context>,
        sink: &Arc<Sink>,
        allowed: Vec<Allowed>,
        cursor: Option<Cursor>,
        form: Data,
    ) -> Result<Self, Refusal> {
        let mut attachment = context.hub.attach(AnyReceiver::Sse(SseReceiver::new(Arc::clone(sink), form)));
        if form != Data::Text {
            attachment.subscribe(Subject::Everyone)?;
        }
        let mut expiry = None;
        let mut present = Vec::new();
        for allowed in &allowed {
            attachment.subscribe(allowed.subject.clone())?;
        }
        for allowed in allowed {
            context.rights.still(&allowed)?;
            let Allowed { subject, user, until, .. } = allowed;
            if until.is_some() {
                expiry.get_or_insert_with(|| Box::new(Expiry::new(Arc::clone(&context.expiries)))).renew(
                    subject.clone(),
                    until,
                    Ending::Subscription(attachment.remote()),
                );
            }
            match subject {
                Subject::Channel(channel) if context.rights.rule(&channel).presence => {
                    present.push((channel, user));
                }
                _ => {}
            }
        }
        for (channel, shown) in &present {
            let users = attachment.users().cloned();
            context.presence.enter(attachment.id(), channel, users, shown.clone());
        }
        attachment.resume(cursor, Notice::Welcome { id: 0, refused: Vec::new() });
        context.sse_streams.opened.add(1);
        let present = (!present.is_empty()).then(|| Arc::clone(&context.presence));
        Ok(Self { attachment, _expiry: expiry, present, counted: Arc::clone(context) })
    }

    fn has_room(&self) {
        self.attachment.has_room();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(presence) = &self.present {
            presence.gone(self.attachment.id());
        }
        self.counted.sse_streams.closed.add(1);
    }
}

/// A stream as a response's body. Asked for the first time, it leaves the server, where it can.
pub(super) struct Events {
    sink: Arc<Sink>,
    /// `None` when it has left.
    client: Option<Client>,
    handover: Option<Handover>,
    guard: Option<ConnectionGuard>,
    idle: Arc<Idle>,
    timer: Pin<Box<Sleep>>,
}

impl Events {
    pub(super) fn new(
        sink: Arc<Sink>,
        client: Client,
        handover: Option<Handover>,
        guard: Option<ConnectionGuard>,
        idle: &Arc<Idle>,
    ) -> Self {
        let (client, idle, timer) = (Some(client), Arc::clone(idle), Box::pin(sleep(idle.interval)));
        Self { sink, client, handover, guard, idle, timer }
    }
}

/// What is sent to the silent; one for all.
pub(super) fn idle() -> Arc<Idle> {
    Arc::new(Idle { interval: COMMENT_INTERVAL, chunk: event_framing::comment() })
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if let Some(handover) = this.handover.take()
            && let Some(client) = this.client.take()
        {
            let (sink, idle, guard) = (Arc::clone(&this.sink), Arc::clone(&this.idle), this.guard.take());
            handover.take_over(move |taken| leave(taken, &sink, client, idle, guard));
        }
        let Some(client) = &this.client else { return Poll::Pending };
        let (next, room) = this.sink.poll_next(cx);
        if room {
            client.has_room();
        }
        let chunk = match next {
            Poll::Ready(Some(chunk)) => chunk,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {
                std::task::ready!(this.timer.as_mut().poll(cx));
                this.idle.chunk.clone()
            }
        };
        this.timer.as_mut().reset(Instant::now() + this.idle.interval);
        Poll::Ready(Some(Ok(Frame::data(chunk.payload()))))
    }
}

/// Goes on with a stream whose head is written, in a task of its own.
fn leave(taken: TakenOver, sink: &Sink, client: Client, idle: Arc<Idle>, guard: Option<ConnectionGuard>) {
    let (stream, driver) = ResponseStream::new(taken);
    if sink.stream_to(&stream) {
        client.has_room();
    }
    tokio::spawn(async move {
        let _guard = guard;
        driver.run(Some(idle), move || client.has_room()).await;
    });
}
