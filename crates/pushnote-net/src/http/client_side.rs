//! What a client does to its connection, which hyper does not tell.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// Of one connection of HTTP/1; among the extensions of its requests.
#[derive(Clone, Debug, Default)]
pub struct ClientSide(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Since when it takes nothing of what waits for it.
    deaf_since: Option<Instant>,
    /// Answers that it gets all the same.
    owed: usize,
    /// Who reads from it, while its end is not told.
    reader: Option<Waker>,
}

/// An answer that a client gets, though it may have ended its side: while this lives, that end is not told.
///
/// What waits for something to happen must not have one: that its client is gone is known by that end alone.
#[derive(Debug)]
#[must_use]
pub struct Owed(ClientSide);

impl ClientSide {
    /// How long the client has taken nothing of what waits for it.
    #[must_use]
    pub fn deaf_for(&self) -> Duration {
        self.lock().deaf_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// From now on it is owed an answer.
    pub fn owe(&self) -> Owed {
        self.lock().owed += 1;
        Owed(self.clone())
    }

    pub(super) fn set_deaf(&self, deaf: bool) {
        self.lock().deaf_since = deaf.then(Instant::now);
    }

    pub(super) fn poll_owed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.owed == 0 {
            return Poll::Ready(());
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.owed -= 1;
        let reader = if state.owed == 0 { state.reader.take() } else { None };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
