//! How a response leaves the server that has written its head.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::stream::Stream;

/// Of one connection: by which its responses may take its stream over.
#[derive(Clone, Default)]
pub struct Handovers(Arc<Mutex<State>>);

#[derive(Default)]
enum State {
    #[default]
    Kept,
    /// The stream goes there when what was written to it has left.
    Due(Box<Takeover>),
    TakenOver,
}

type Takeover = dyn FnOnce(Stream) + Send;

/// In the extensions of a request of HTTP/1: by it the body of its response, polled for the first time, may take the
/// connection's stream over, and from then on writes it itself. That is for what goes on for ever: the server's buffers and
/// its task are gone then. Where there is none, a response is streamed as any other.
///
/// Such a response has `Connection: close` in its head and says nothing of its length.
#[derive(Clone, Debug)]
pub struct Handover {
    handovers: Handovers,
    chunked: bool,
}

/// The stream of a response whose head is written.
#[derive(Debug)]
pub struct TakenOver {
    pub(super) stream: Stream,
    pub(super) chunked: bool,
}

impl Handovers {
    /// For one request; `chunked`: of HTTP/1.1, whose body comes in chunks then.
    #[must_use]
    pub fn offer(&self, chunked: bool) -> Handover {
        Handover { handovers: self.clone(), chunked }
    }

    /// Whether a response has taken the stream.
    #[must_use]
    pub fn taken_over(&self) -> bool {
        matches!(*self.lock(), State::TakenOver)
    }

    pub(super) fn take(&self) -> Option<Box<Takeover>> {
        let mut state = self.lock();
        if !matches!(*state, State::Due(_)) {
            return None;
        }
        match std::mem::replace(&mut *state, State::TakenOver) {
            State::Due(takeover) => Some(takeover),
            State::Kept | State::TakenOver => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handover {
    /// Called from the first poll of a response's body, which is pending from then on: its head is about to be written. When it
    /// is, `takeover` has the stream. It must not block. If the connection breaks before that, it is dropped.
    pub fn take_over(self, takeover: impl FnOnce(TakenOver) + Send + 'static) {
        let Self { handovers, chunked } = self;
        *handovers.lock() = State::Due(Box::new(move |stream| takeover(TakenOver { stream, chunked })));
    }
}

impl fmt::Debug for Handovers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handovers").field("taken_over", &self.taken_over()).finish_non_exhaustive()
    }
}
