//! Streams of HTTP/2: each counts as a connection, and none holds anything for a client that does not take it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use pushnote_net::Permit;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::front::Body;

/// What is given to hyper of a body at one time, and so held for a stream whose client takes nothing.
const PIECE_BYTES: usize = 16 * 1024;

/// Those of one connection.
#[derive(Clone, Default)]
pub(super) struct Streams(Arc<All>);

#[derive(Default)]
struct All {
    open: Mutex<Vec<Weak<Mutex<State>>>>,
    begun: Notify,
}

/// One that is there until its answer is over; its place among connections is kept for as long.
pub(super) struct Stream {
    state: Arc<Mutex<State>>,
    _permit: Arc<Permit>,
}

#[derive(Default)]
struct State {
    /// `None`: there is no answer yet, or it is given up.
    body: Option<Body>,
    /// What hyper has not had of the last frame.
    rest: Bytes,
    /// How often hyper has asked for more.
    asked: u64,
    /// Hyper has something that the client is to take.
    gives: bool,
    /// How often it had asked when somebody looked.
    looked: u64,
}

impl Streams {
    /// A new one.
    pub(super) fn begin(&self, permit: Arc<Permit>) -> Stream {
        let state = Arc::new(Mutex::default());
        let mut open = lock(&self.0.open);
        open.retain(|stream| stream.strong_count() > 0);
        open.push(Arc::downgrade(&state));
        self.0.begun.notify_one();
        Stream { state, _permit: permit }
    }

    /// Gives up what streams hold whose client takes nothing of it for `write_timeout`, twice that at most. Ends when the
    /// connection is to end: its client takes nothing of any stream, or it has had none for `keep_alive`. Of a connection that
    /// never has one, it does not end.
    pub(super) async fn watch(&self, write_timeout: Duration, keep_alive: Duration) {
        self.0.begun.notified().await;
        // Boxed: most connections are of HTTP/1.
        Box::pin(self.look(write_timeout, keep_alive)).await;
    }

    async fn look(&self, write_timeout: Duration, keep_alive: Duration) {
        let mut idle = Duration::ZERO;
        while idle < keep_alive {
            sleep(write_timeout).await;
            let open: Vec<_> = lock(&self.0.open).iter().filter_map(Weak::upgrade).collect();
            idle = if open.is_empty() { idle + write_timeout } else { Duration::ZERO };
            let stuck = open.iter().filter(|stream| give_up_if_stuck(stream)).count();
            if stuck > 0 && stuck == open.len() {
                return;
            }
        }
    }
}

/// Whether hyper has asked for nothing since the last look, though there is something to take.
fn give_up_if_stuck(stream: &Mutex<State>) -> bool {
    let mut state = lock(stream);
    let stuck = state.gives && state.looked == state.asked;
    state.looked = state.asked;
    let given_up =
        if stuck { (state.body.take(), std::mem::take(&mut state.rest)) } else { Default::default() };
    // What ends with it may lock what it likes.
    drop(state);
    drop(given_up);
    stuck
}

impl Stream {
    /// With its answer.
    pub(super) fn answer(self, body: Body) -> Self {
        lock(&self.state).body = Some(body);
        self
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut state = lock(&self.state);
        (state.asked, state.gives) = (state.asked + 1, false);
        if state.rest.is_empty() {
            let Some(body) = &mut state.body else {
                return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
            };
            match std::task::ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => state.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        state.gives = true;
        let piece = if state.rest.len() <= PIECE_BYTES {
            std::mem::take(&mut state.rest)
        } else {
            // A share would keep all of it.
            Bytes::copy_from_slice(&state.rest.split_to(PIECE_BYTES))
        };
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        let state = lock(&self.state);
        state.rest.is_empty() && state.body.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let state = lock(&self.state);
        let rest = state.rest.len() as u64;
        let inner = state.body.as_ref().map(Body::size_hint).unwrap_or_default();
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower() + rest);
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
