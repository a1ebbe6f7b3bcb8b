//! The streams that somebody has created: bounded in number, and with a data directory, there in the next run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pushnote_core::ChannelName;
use tokio::sync::{Mutex as WritersTurn, watch};

use super::remembered::{self, Remembered};
use super::stream::Stream;
use crate::kept::Keeper;

/// Streams that are remembered at most, with those that were deleted while the log has something of them.
const STREAMS_MAX: usize = 10_000;

/// All streams.
#[derive(Debug)]
pub(super) struct Registry {
    slots: Mutex<HashMap<ChannelName, Slot>>,
    /// Has them stored.
    keeper: Option<Arc<Keeper>>,
}

/// What is known of a channel.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// It is a stream.
    Stream(Arc<Created>),
    /// It was one: what lies before this place in the log is no stream's any more.
    Deleted(u64),
}

/// A stream that was created.
#[derive(Debug)]
pub(super) struct Created {
    stream: Mutex<Stream>,
    /// When it was last read or written, in milliseconds since 1970.
    used_ms: AtomicU64,
    /// Held by the one who writes it.
    pub(super) turn: WritersTurn<()>,
    /// Sees that it was closed or deleted; `true` is deleted.
    deleted: watch::Sender<bool>,
}

/// There is no room for another stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this server has {STREAMS_MAX} streams, the most allowed; delete some, or give them a Stream-TTL")]
pub(super) struct Full;

/// It would not be there after a restart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stream is not stored: {0}")]
pub(super) struct NotStored(String);

impl Created {
    fn new(stream: Stream, now_ms: u64) -> Self {
        Self {
            stream: Mutex::new(stream),
            used_ms: AtomicU64::new(now_ms),
            turn: WritersTurn::new(()),
            deleted: watch::Sender::new(false),
        }
    }

    /// What is known of it. Never held while anything waits.
    pub(super) fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was read or written.
    pub(super) fn used(&self, now_ms: u64) {
        self.used_ms.fetch_max(now_ms, Relaxed);
    }

    /// Sees when it is closed or deleted.
    pub(super) fn changes(&self) -> watch::Receiver<bool> {
        self.deleted.subscribe()
    }

    /// Whoever reads it looks again.
    pub(super) fn changed(&self) {
        self.deleted.send_modify(|_| ());
    }

    pub(super) fn is_deleted(&self) -> bool {
        *self.deleted.borrow()
    }

    fn is_over(&self, now_ms: u64) -> bool {
        self.stream().lifetime.is_over(self.used_ms.load(Relaxed), now_ms)
    }
}

impl Registry {
    /// Those of earlier runs, whose log ends at `end`.
    pub(super) fn new(keeper: Option<Arc<Keeper>>, end: u64, now_ms: u64) -> Self {
        let stored = keeper.as_ref().map(|keeper| keeper.take_remembered()).unwrap_or_default();
        let slots = stored.iter().filter_map(|(name, value)| {
            let channel = remembered::channel(name)?;
            let slot = match Remembered::read(value, end) {
                Some(Remembered::Stream(stream)) => Slot::Stream(Arc::new(Created::new(stream, now_ms))),
                Some(Remembered::Deleted(end)) => Slot::Deleted(end),
                None => {
                    tracing::error!(%channel, "what is stored of a stream is of a later version: it is not there");
                    return None;
                }
            };
            Some((channel, slot))
        });
        Self { slots: Mutex::new(slots.collect()), keeper }
    }

    /// What is known of a channel. A stream whose time is over ends here, with all before `end`.
    pub(super) fn find(&self, channel: &ChannelName, now_ms: u64, end: u64) -> Option<Slot> {
        let mut slots = self.slots();
        let slot = slots.get_mut(channel)?;
        if let Slot::Stream(created) = slot
            && created.is_over(now_ms)
        {
            created.deleted.send_replace(true);
            *slot = Slot::Deleted(end);
            self.store_soon(channel, Some(Remembered::Deleted(end)));
        }
        Some(slot.clone())
    }

    /// Takes a new stream in, unless there is one meanwhile: gives that, then, and says that it is not the new one. If there are too many, it first forgets those whose
    /// time is over, and those of which the log has nothing any more, as `is_left` says of a channel and a place.
    pub(super) fn create(
        &self,
        channel: &ChannelName,
        stream: Stream,
        now_ms: u64,
        is_left: impl Fn(&ChannelName, u64) -> bool,
    ) -> Result<(Arc<Created>, bool), Full> {
        let mut slots = self.slots();
        match slots.get(channel) {
            Some(Slot::Stream(there)) => return Ok((Arc::clone(there), false)),
            None if slots.len() >= STREAMS_MAX => slots.retain(|channel, slot| {
                let stays = match slot {
                    Slot::Deleted(end) => is_left(channel, *end),
                    Slot::Stream(created) => !created.is_over(now_ms),
                };
                if !stays {
                    self.store_soon(channel, None);
                }
                stays
            }),
            _ => {}
        }
        if slots.len() >= STREAMS_MAX && !slots.contains_key(channel) {
            return Err(Full);
        }
        let created = Arc::new(Created::new(stream, now_ms));
        slots.insert(channel.clone(), Slot::Stream(Arc::clone(&created)));
        Ok((created, true))
    }

    /// Forgets a stream, and all of the channel before `end`.
    pub(super) fn delete(&self, channel: &ChannelName, end: u64) {
        let before = self.slots().insert(channel.clone(), Slot::Deleted(end));
        if let Some(Slot::Stream(created)) = before {
            created.deleted.send_replace(true);
        }
    }

    /// Stores what is known of a channel, where anything is stored.
    ///
    /// # Errors
    ///
    /// [`NotStored`].
    pub(super) async fn store(&self, channel: &ChannelName) -> Result<(), NotStored> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let slot = self.slots().get(channel).cloned();
        let known = slot.map(|slot| match slot {
            Slot::Stream(created) => Remembered::Stream(created.stream().clone()),
            Slot::Deleted(end) => Remembered::Deleted(end),
        });
        let value = known.map(|known| known.write());
        let stored = keeper.remember(remembered::name(channel), value).await;
        stored.map_err(|failure| NotStored(failure.to_string()))
    }

    /// Stores it without anybody who waits for that.
    fn store_soon(&self, channel: &ChannelName, known: Option<Remembered>) {
        let Some(keeper) = self.keeper.clone() else { return };
        let (name, value) = (remembered::name(channel), known.map(|known| known.write()));
        tokio::spawn(async move {
            // The store has logged what is wrong.
            let _ = keeper.remember(name, value).await;
        });
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<ChannelName, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::durable_streams::content_type::ContentType;
    use crate::front::durable_streams::lifetime::Lifetime;

    fn name(number: usize) -> ChannelName {
        ChannelName::new(&number.to_string()).unwrap()
    }

    fn stream(lifetime: Lifetime) -> Stream {
        Stream::new(ContentType::json(), lifetime, 0)
    }

    #[test]
    fn an_idle_stream_ends_and_its_messages_with_it() {
        let registry = Registry::new(None, 0, 0);
        let idle = stream(Lifetime::Idle(std::time::Duration::from_secs(1)));
        let (created, _) = registry.create(&name(0), idle, 0, |_, _| true).unwrap();
        created.used(500);
        assert!(matches!(registry.find(&name(0), 1499, 7), Some(Slot::Stream(_))));
        assert!(matches!(registry.find(&name(0), 1500, 7), Some(Slot::Deleted(7))));
        assert!(created.is_deleted());
        assert!(matches!(registry.find(&name(0), 1500, 9), Some(Slot::Deleted(7))));
        assert!(registry.find(&name(1), 1500, 9).is_none());
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let registry = Registry::new(None, 0, 0);
        let create =
            |number, left| registry.create(&name(number), stream(Lifetime::Unlimited), 0, |_, _| left);
        for number in 0..STREAMS_MAX {
            create(number, true).unwrap();
        }
        assert_eq!(create(STREAMS_MAX, true).unwrap_err(), Full);
        assert!(!create(0, true).unwrap().1, "it is there");
        registry.delete(&name(5), 9);
        assert_eq!(create(STREAMS_MAX, true).unwrap_err(), Full, "the log has something of it");
        assert!(create(STREAMS_MAX, false).unwrap().1);
        assert!(registry.find(&name(5), 0, 0).is_none());
    }
}
