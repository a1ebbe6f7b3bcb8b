//! A message on its way to one subscription.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::endpoint::SubscriptionId;
use crate::key::KeyId;
use crate::message::Message;
use crate::subscription::Subscription;

/// How late a message may be tried first that a service is not to keep at all: it is for who is here now.
const NOW_MS: i64 = 60_000;

/// What a job is known by: the row of its message, and its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JobKey {
    pub(crate) message: i64,
    pub(crate) subscription: SubscriptionId,
}

/// A message on its way to one subscription.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) key: JobKey,
    pub(crate) outgoing: Arc<Outgoing>,
    /// The service's, as the database has it.
    pub(crate) origin: Arc<str>,
    pub(crate) subscription: Subscription,
    /// Which of our keys the subscription was made with.
    pub(crate) key_id: KeyId,
    pub(crate) user: Arc<str>,
    /// How often it was tried before.
    pub(crate) attempts: u32,
}

/// A message that goes to many.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message_id: Arc<str>,
    pub(crate) message: Message,
    /// When it is worth nothing any more, in milliseconds of Unix time.
    pub(crate) expires_ms: i64,
}

/// What became of a message for one subscription, in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The push service has it.
    Accepted,
    /// The subscription was none any more, and is deleted.
    Gone,
    /// The service takes no message of this size.
    TooLarge,
    /// The service, or our own guard, does not take it, and would not the next time.
    Refused,
    /// The service did not believe our token, nor a fresh one.
    Unauthorized,
    /// The subscription was made with another key. Such a one is deleted after some of these.
    WrongKey,
    /// The service was asked often enough.
    GaveUp,
    /// Its TTL was over before a service took it.
    Expired,
}

impl Outcome {
    /// All of them, as they are counted.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Gone,
        Self::TooLarge,
        Self::Refused,
        Self::Unauthorized,
        Self::WrongKey,
        Self::GaveUp,
        Self::Expired,
    ];

    /// A word for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Gone => "gone",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::Unauthorized => "unauthorized",
            Self::WrongKey => "wrong_key",
            Self::GaveUp => "gave_up",
            Self::Expired => "expired",
        }
    }

    /// Whether no service took it though there was time, and the subscription is one.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Accepted | Self::Gone | Self::Expired)
    }
}

/// Jobs of a message for some users that are not to be sent any more.
#[derive(Clone, Debug)]
pub(crate) struct Cancelled {
    /// The message's row.
    pub(crate) message: i64,
    pub(crate) users: Vec<String>,
}

impl Cancelled {
    pub(crate) fn is_of(&self, job: &Job) -> bool {
        self.message == job.key.message && self.users.iter().any(|user| **user == *job.user)
    }
}

/// What is to be written down of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is over.
    Done(Outcome),
    /// It is tried again.
    Retry { due_ms: i64, attempts: u32 },
}

impl Job {
    /// Whether it is too late for another try.
    pub(crate) fn is_late(&self, now_ms: i64) -> bool {
        self.outgoing.is_late(self.attempts, now_ms)
    }

    /// The message as it is to be sent now: its TTL counts down while it waits here.
    pub(crate) fn message(&self, now_ms: i64) -> Message {
        let message = self.outgoing.message.clone();
        let left_ms = self.outgoing.expires_ms.saturating_sub(now_ms).max(0).unsigned_abs();
        let left = Duration::from_secs(left_ms.div_ceil(1000)).min(message.ttl);
        message.ttl(left)
    }
}

impl Outgoing {
    /// Whether it is too late for another try, after so many.
    pub(crate) fn is_late(&self, attempts: u32, now_ms: i64) -> bool {
        let grace = if attempts == 0 && self.message.ttl.is_zero() { NOW_MS } else { 0 };
        now_ms > self.expires_ms.saturating_add(grace)
    }
}

/// Milliseconds of Unix time.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
