//! How a sender sends, and what it tells.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::job::Outcome;

/// How a [`Sender`](crate::Sender) sends.
#[derive(Clone)]
pub struct SenderOptions {
    /// Requests at once to each push service.
    pub in_flight_max: usize,
    /// Makes of a message's id, a user and a payload what this user is sent. It is called for each device.
    pub personal: Option<Personal>,
    /// Is told of each device what became of a message for it, once that is written down. It must not block.
    pub events: Option<Events>,
}

/// See [`SenderOptions::personal`].
pub type Personal = Arc<dyn Fn(&str, &str, Bytes) -> Bytes + Send + Sync>;
/// See [`SenderOptions::events`].
pub type Events = Arc<dyn Fn(&Event) + Send + Sync>;

/// What became of a message for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// As it was given to [`Jobs::enqueue`](crate::Jobs::enqueue).
    pub message_id: Arc<str>,
    /// Whose device.
    pub user: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Default for SenderOptions {
    fn default() -> Self {
        Self { in_flight_max: 32, personal: None, events: None }
    }
}

impl fmt::Debug for SenderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SenderOptions").field("in_flight_max", &self.in_flight_max).finish_non_exhaustive()
    }
}
