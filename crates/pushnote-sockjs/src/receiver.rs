//! Receivers: a receiver is a response's body, so a client that goes away is noticed when its response is dropped.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use pushnote_sockjs_proto::{
    Close,
    frame::{self, Framing},
    session::{ReceiverId, Transmit},
};

use crate::{http_session::HttpSession, response::Body, transport::endpoint::Wrapping};

/// The body of a receiver that has been attached. A poll's comes with its one frame: sockjs-client in Node waits for
/// ever when the server dies between the head of a response and its body.
pub(crate) async fn body(session: Arc<HttpSession>, id: ReceiverId, wrapping: Wrapping, polls: bool) -> Body {
    let Wrapping { prelude, framing } = wrapping;
    let receiver = Receiver { prelude, session, id, framing };
    if !polls {
        return Body::chunks(receiver);
    }
    let frame = poll_fn(|cx| match receiver.transmit(cx.waker()) {
        Transmit::Chunk(frame) => Poll::Ready(frame),
        Transmit::End => Poll::Ready(Bytes::new()),
        Transmit::Pending => Poll::Pending,
    });
    frame.await.into()
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
    prelude: Option<Bytes>,
    session: Arc<HttpSession>,
    id: ReceiverId,
    framing: Framing,
}

impl Receiver {
    fn transmit(&self, waker: &Waker) -> Transmit {
        self.session.poll_transmit(self.id, &self.framing, waker)
    }
}

impl Stream for Receiver {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(prelude) = self.prelude.take() {
            return Poll::Ready(Some(prelude));
        }
        match self.transmit(cx.waker()) {
            Transmit::Chunk(chunk) => Poll::Ready(Some(chunk)),
            Transmit::End => Poll::Ready(None),
            Transmit::Pending => Poll::Pending,
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.session.detach(self.id);
    }
}
