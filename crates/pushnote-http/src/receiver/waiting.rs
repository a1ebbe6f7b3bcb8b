//! Somebody who waits until there is something to read, and then reads the log itself: a long poll.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pushnote_core::Subject;
use pushnote_hub::{Attachment, Delivery, Hub, SubscribeError};
use tokio::sync::Notify;

use super::AnyReceiver;

/// What the hub wakes.
pub(crate) struct WaitingReceiver {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    news: Notify,
    /// It is to leave: the server ends.
    closed: AtomicBool,
}

/// Who waits; dropped, it waits no more.
pub(crate) struct Waiter {
    shared: Arc<Shared>,
    _attachment: Attachment<AnyReceiver>,
}

impl WaitingReceiver {
    pub(super) fn wake(&self) -> Delivery {
        self.shared.news.notify_one();
        Delivery::Accepted
    }

    pub(super) fn close(&self) {
        self.shared.closed.store(true, Relaxed);
        self.shared.news.notify_one();
    }
}

impl Waiter {
    /// Begins to wait for what concerns `subject`. What is published from now on wakes it; what was before, it looks up after
    /// this.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`], of a user.
    pub(crate) fn new(hub: &Hub<AnyReceiver>, subject: Subject) -> Result<Self, SubscribeError> {
        let shared = Arc::<Shared>::default();
        let mut attachment =
            hub.attach(AnyReceiver::Waiting(WaitingReceiver { shared: Arc::clone(&shared) }));
        attachment.subscribe(subject)?;
        Ok(Self { shared, _attachment: attachment })
    }

    /// Waits until there may be something new; `false` if the server ends. Cancel-safe.
    pub(crate) async fn woken(&self) -> bool {
        self.shared.news.notified().await;
        !self.shared.closed.load(Relaxed)
    }
}
