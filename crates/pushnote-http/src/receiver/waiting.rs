//! Somebody who waits until there is something to read, and then reads the log itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pushnote_hub::Delivery;
use tokio::sync::Notify;

/// What the hub wakes.
#[derive(Debug, Clone, Default)]
pub(crate) struct WaitingReceiver(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    news: Notify,
    /// It is to leave: the server ends.
    closed: AtomicBool,
}

impl WaitingReceiver {
    pub(super) fn wake(&self) -> Delivery {
        self.0.news.notify_one();
        Delivery::Accepted
    }

    pub(super) fn close(&self) {
        self.0.closed.store(true, Relaxed);
        self.0.news.notify_one();
    }

    /// Waits until there may be something new; `false` if the server ends. Cancel-safe.
    pub(crate) async fn woken(&self) -> bool {
        self.0.news.notified().await;
        !self.0.closed.load(Relaxed)
    }
}
