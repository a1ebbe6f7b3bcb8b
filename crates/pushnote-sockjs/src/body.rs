//! Response bodies: a receiver is one, so a client that goes away is noticed when its response is dropped.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use pushnote_sockjs_proto::{
    Close,
    callback::Callback,
    frame::{self, Framing},
    session::{ReceiverId, Transmit},
};
use warp::reply::{Reply, Response};

use crate::http_session::HttpSession;

/// What a receiver's transport puts around and before its frames.
#[derive(Debug)]
pub(crate) enum ReceiverKind {
    Xhr,
    XhrStreaming,
    EventSource,
    HtmlFile(Callback),
    Jsonp(Callback),
}

impl ReceiverKind {
    fn framing(&self) -> Framing<'_> {
        match self {
            Self::Xhr | Self::XhrStreaming => Framing::Xhr,
            Self::EventSource => Framing::EventSource,
            Self::HtmlFile(_) => Framing::HtmlFile,
            Self::Jsonp(callback) => Framing::Jsonp(callback),
        }
    }

    fn prelude(&self) -> Option<Bytes> {
        match self {
            Self::Xhr | Self::Jsonp(_) => None,
            Self::XhrStreaming => Some(Bytes::from_static(frame::XHR_STREAMING_PRELUDE)),
            Self::EventSource => Some(Bytes::from_static(frame::EVENTSOURCE_PRELUDE)),
            Self::HtmlFile(callback) => Some(frame::htmlfile_prelude(callback)),
        }
    }

    fn is_polling(&self) -> bool {
        matches!(self, Self::Xhr | Self::Jsonp(_))
    }
}

/// The response of a receiver that has been attached. A poll's comes with its one frame: sockjs-client in Node waits
/// for ever when the server dies between the head of a response and its body.
pub(crate) async fn receiver(session: Arc<HttpSession>, id: ReceiverId, kind: ReceiverKind) -> Response {
    let body = ReceiverBody { prelude: kind.prelude(), session, id, kind };
    if !body.kind.is_polling() {
        return warp::reply::stream(body).into_response();
    }
    let frame = poll_fn(|cx| match body.transmit(cx.waker()) {
        Transmit::Chunk(frame) => Poll::Ready(frame),
        Transmit::End => Poll::Ready(Bytes::new()),
        Transmit::Pending => Poll::Pending,
    });
    http::Response::new(frame.await).into_response()
}

/// The response of a receiver that could not be attached: one close frame, and the end.
pub(crate) fn refusal(close: &Close, kind: &ReceiverKind) -> Response {
    let frame = kind.framing().wrap(&frame::close(close));
    match kind.prelude() {
        None => http::Response::new(frame).into_response(),
        Some(prelude) => {
            warp::reply::stream(stream::iter([prelude, frame].map(Ok::<_, Infallible>))).into_response()
        }
    }
}

/// A receiver. Each item becomes one HTTP chunk, as clients want it: the prelude, then frame by frame.
#[derive(Debug)]
struct ReceiverBody {
    prelude: Option<Bytes>,
    session: Arc<HttpSession>,
    id: ReceiverId,
    kind: ReceiverKind,
}

impl ReceiverBody {
    fn transmit(&self, waker: &Waker) -> Transmit {
        self.session.poll_transmit(self.id, self.kind.framing(), waker)
    }
}

impl Stream for ReceiverBody {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(prelude) = self.prelude.take() {
            return Poll::Ready(Some(Ok(prelude)));
        }
        match self.transmit(cx.waker()) {
            Transmit::Chunk(chunk) => Poll::Ready(Some(Ok(chunk))),
            Transmit::End => Poll::Ready(None),
            Transmit::Pending => Poll::Pending,
        }
    }
}

impl Drop for ReceiverBody {
    fn drop(&mut self) {
        self.session.detach(self.id);
    }
}
