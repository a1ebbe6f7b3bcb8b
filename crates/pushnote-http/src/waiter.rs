//! A request that waits for something to read: a long poll.

use pushnote_core::{Subject, UserId};
use pushnote_hub::{Attachment, Hub, SubscribeError};

use crate::receiver::{AnyReceiver, WaitingReceiver};

/// Who waits; dropped, it waits no more.
pub(crate) struct Waiter {
    receiver: WaitingReceiver,
    attachment: Attachment<AnyReceiver>,
}

impl Waiter {
    /// Begins to wait for what concerns `subject`. What is published from now on wakes it; what was before, it looks up after
    /// this.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`], of a user.
    pub(crate) fn new(hub: &Hub<AnyReceiver>, subject: Subject) -> Result<Self, SubscribeError> {
        let receiver = WaitingReceiver::default();
        let mut attachment = hub.attach(AnyReceiver::Waiting(receiver.clone()));
        attachment.subscribe(subject)?;
        Ok(Self { receiver, attachment })
    }

    /// Waits for nothing but the server's end.
    pub(crate) fn idle(hub: &Hub<AnyReceiver>) -> Self {
        let receiver = WaitingReceiver::default();
        let attachment = hub.attach(AnyReceiver::Waiting(receiver.clone()));
        Self { receiver, attachment }
    }

    /// It waits by this user's right, and ends with it.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`]: the user has too many connections.
    pub(crate) fn for_user(mut self, user: UserId) -> Result<Self, SubscribeError> {
        self.attachment.subscribe(Subject::User(user))?;
        Ok(self)
    }

    /// Waits until there may be something new; `false` if it is to end, with the server or its user's right. Cancel-safe.
    pub(crate) async fn woken(&self) -> bool {
        self.receiver.woken().await
    }
}
