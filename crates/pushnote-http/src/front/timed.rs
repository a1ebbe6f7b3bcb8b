//! Bodies that pass through: each part comes in its time.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

/// A body that fails when nothing of it comes for too long, after it was asked for.
pub(crate) struct Timed<H> {
    body: Incoming,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
    /// The timer runs.
    waits: bool,
    /// Whatever is given back with it.
    _held: H,
}

/// Nothing came for too long.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {} s", .0.as_secs())]
struct Paused(Duration);

/// Whether this comes of a body that paused.
pub(crate) fn has_paused(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(<dyn Error + Send + Sync>::is::<Paused>) {
            return true;
        }
        next = error.source();
    }
    false
}

impl<H> Timed<H> {
    /// Each part of `body` comes within `patience`; `held` is dropped with it.
    pub(crate) fn new(body: Incoming, patience: Duration, held: H) -> Self {
        Self { body, patience, timer: Box::pin(sleep(patience)), waits: false, _held: held }
    }
}

impl<H: Unpin> Body for Timed<H> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.waits = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        if !std::mem::replace(&mut this.waits, true) {
            this.timer.as_mut().reset(Instant::now() + this.patience);
        }
        ready!(this.timer.as_mut().poll(cx));
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, Paused(this.patience)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
