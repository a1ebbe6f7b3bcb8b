//! Which channels have subscribers, for a source that brings only what somebody wants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pushnote_core::ChannelName;
use tokio::sync::Notify;

/// Hears which channels begin to have subscribers, and which have none any more: of those whose names have its prefix.
#[derive(Debug, Clone)]
pub struct Interest {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    prefix: Box<str>,
    /// What has not been taken: the last word of each channel.
    changes: Mutex<HashMap<ChannelName, bool>>,
    changed: Notify,
}

impl Interest {
    pub(crate) fn new(prefix: &str) -> Self {
        let (changes, changed) = (Mutex::default(), Notify::new());
        Self { shared: Arc::new(Shared { prefix: prefix.into(), changes, changed }) }
    }

    /// The channels that begin to have subscribers (`true`) or have none any more since the last call. Cancel-safe.
    pub async fn changed(&self) -> HashMap<ChannelName, bool> {
        loop {
            let changes =
                std::mem::take(&mut *self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner));
            if !changes.is_empty() {
                return changes;
            }
            self.shared.changed.notified().await;
        }
    }

    /// The first subscriber has come to a channel, or the last one has gone.
    pub(crate) fn note(&self, channel: &ChannelName, wanted: bool) {
        if channel.as_str().starts_with(&*self.shared.prefix) {
            let mut changes = self.shared.changes.lock().unwrap_or_else(PoisonError::into_inner);
            changes.insert(channel.clone(), wanted);
            self.shared.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_word_of_each_channel_is_heard_once() {
        let interest = Interest::new("redis:");
        let [a, b, other] = ["redis:a", "redis:b", "a"].map(|name| ChannelName::new(name).unwrap());
        for (channel, wanted) in [(&a, true), (&b, true), (&a, false), (&other, true)] {
            interest.note(channel, wanted);
        }
        assert_eq!(interest.changed().await, [(a, false), (b.clone(), true)].into());
        interest.note(&b, false);
        assert_eq!(interest.changed().await, [(b, false)].into());
    }
}
