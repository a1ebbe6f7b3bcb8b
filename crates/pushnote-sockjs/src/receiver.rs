//! Receivers: a receiver is a response's body, so a client that goes away is noticed when its response is dropped; or what
//! that body has taken over (see [`crate::streaming`]).

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use pushnote_net::http::{Chunk, Handover, ResponseStream, TakenOver};
use pushnote_sockjs_proto::{
    Close, frame,
    session::{ReceiverId, Transmit},
};

use crate::{
    guard::ConnectionGuard, http_session::HttpSession, response::Body, streaming::Streaming,
    transport::endpoint::Wrapping,
};

/// A session's receiver; dropping it detaches it.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) session: Arc<HttpSession>,
    pub(crate) id: ReceiverId,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.session.detach(self.id);
    }
}

/// The one frame of a poll. It comes with the head: sockjs-client in Node waits for ever when the server dies between the
/// head of a response and its body.
pub(crate) async fn poll(attached: Attached, Wrapping { framing, .. }: Wrapping) -> Body {
    let frame = poll_fn(|cx| match attached.session.poll_transmit(attached.id, &framing, cx.waker()) {
        Transmit::Chunk(frame) => Poll::Ready(frame.payload()),
        Transmit::End => Poll::Ready(Bytes::new()),
        Transmit::Pending => Poll::Pending,
    });
    frame.await.into()
}

/// The body of a receiver that gets frame after frame. It leaves the server where that offers it.
pub(crate) fn stream(
    attached: Attached,
    wrapping: Wrapping,
    handover: Option<Handover>,
    guard: Option<ConnectionGuard>,
) -> Body {
    Body::chunks(Receiver { parts: Some((attached, wrapping)), handover, guard })
}

/// The body of a receiver that could not be attached: one close frame, and the end.
pub(crate) fn refusal(close: &Close, wrapping: Wrapping) -> Body {
    let frame = wrapping.framing.wrap(&frame::close(close));
    match wrapping.prelude {
        None => frame.into(),
        Some(prelude) => Body::chunks(stream::iter([prelude, frame])),
    }
}

/// A receiver. Each item becomes one HTTP chunk, as clients want it: the prelude, then frame by frame.
#[derive(Debug)]
struct Receiver {
    /// `None` when it has left the server.
    parts: Option<(Attached, Wrapping)>,
    handover: Option<Handover>,
    guard: Option<ConnectionGuard>,
}

impl Stream for Receiver {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(handover) = self.handover.take()
            && let Some((attached, wrapping)) = self.parts.take()
        {
            let guard = self.guard.take();
            handover.take_over(move |taken| leave(taken, attached, wrapping, guard));
        }
        let Some((Attached { session, id }, wrapping)) = &mut self.parts else { return Poll::Pending };
        if let Some(prelude) = wrapping.prelude.take() {
            return Poll::Ready(Some(prelude));
        }
        match session.poll_transmit(*id, &wrapping.framing, cx.waker()) {
            Transmit::Chunk(chunk) => Poll::Ready(Some(chunk.payload())),
            Transmit::End => Poll::Ready(None),
            Transmit::Pending => Poll::Pending,
        }
    }
}

/// Goes on with a response whose head is written, in a task of its own.
fn leave(
    taken: TakenOver,
    attached: Attached,
    Wrapping { prelude, framing }: Wrapping,
    guard: Option<ConnectionGuard>,
) {
    let (response, driver) = ResponseStream::new(taken);
    if let Some(prelude) = prelude {
        // A connection that is gone already tells its driver.
        let _ = response.send(&Chunk::new(&prelude));
    }
    let session = Arc::clone(&attached.session);
    session.stream(Streaming::new(attached.id, framing, response));
    tokio::spawn(async move {
        let _held = (attached, guard);
        driver.run(None, move || session.has_room()).await;
    });
}
