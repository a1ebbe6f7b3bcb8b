//! Which channels there are without a message, who waits at each, and what has been deleted: bounded, in memory.
//!
//! A channel of which the log has a message is there in any case.

use std::num::NonZeroUsize;

use lru::LruCache;
use pushnote_core::ChannelName;

/// How many of the channels that were used longest ago are looked at for one in which nobody waits.
const LOOKED_AT_MAX: usize = 64;

/// Channels, and who waits there. `T` tells one who waits.
#[derive(Debug)]
pub struct Registry<T> {
    channels: LruCache<ChannelName, Channel<T>>,
    /// Where deleted channels begin: what is before is gone.
    floors: LruCache<ChannelName, u64>,
    /// The same for deletions that were forgotten: no message comes back, and others go with them.
    floor: u64,
    next_ticket: u64,
    held: usize,
}

#[derive(Debug)]
struct Channel<T> {
    /// When a subscriber has last asked, in seconds.
    requested_at_s: Option<u64>,
    held: Vec<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    id: u64,
    /// A message is on its way to it.
    served: bool,
    ticket: T,
}

/// What becomes of several subscribers that wait on one channel (protocol, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concurrency {
    /// All wait.
    Broadcast,
    /// The last to come waits, others are sent away.
    LastIn,
    /// The first to come waits, others are sent away.
    FirstIn,
}

/// There are as many channels as there may be, and somebody waits in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are too many channels in which somebody waits: try again later")]
pub struct RegistryError;

/// Why a request does not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Another one waits, and came first.
    #[error("another subscriber waits on this channel, and came first")]
    Conflict,
    /// The channel was deleted meanwhile.
    #[error("the channel was deleted")]
    Gone,
}

impl<T> Registry<T> {
    /// For so many channels, and so many deletions.
    #[must_use]
    pub fn new(channels_max: NonZeroUsize) -> Self {
        Self {
            channels: LruCache::new(channels_max),
            floors: LruCache::new(channels_max),
            floor: 0,
            next_ticket: 0,
            held: 0,
        }
    }

    /// Where a channel begins in the log: what is before this place has been deleted.
    #[must_use]
    pub fn floor(&self, channel: &ChannelName) -> u64 {
        self.floors.peek(channel).map_or(self.floor, |floor| self.floor.max(*floor))
    }

    /// Whether a channel is there without a message.
    #[must_use]
    pub fn has(&self, channel: &ChannelName) -> bool {
        self.channels.contains(channel)
    }

    /// Makes a channel be there. One that was used longest ago, and in which nobody waits, goes for it.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub fn create(&mut self, channel: &ChannelName) -> Result<(), RegistryError> {
        self.used(channel).map(|_| ())
    }

    /// A subscriber asks at this time, in seconds: the channel is there.
    ///
    /// # Errors
    ///
    /// [`RegistryError`].
    pub fn requested(&mut self, channel: &ChannelName, now_s: u64) -> Result<(), RegistryError> {
        self.used(channel)?.requested_at_s = Some(now_s);
        Ok(())
    }

    /// How long ago a subscriber has last asked, in seconds.
    #[must_use]
    pub fn requested_ago_s(&self, channel: &ChannelName, now_s: u64) -> Option<u64> {
        let at_s = self.channels.peek(channel)?.requested_at_s?;
        Some(now_s.saturating_sub(at_s))
    }

    /// How many wait for a message of a channel.
    #[must_use]
    pub fn held(&self, channel: &ChannelName) -> usize {
        self.channels.peek(channel).map_or(0, Channel::waiting)
    }

    /// How many wait, in all.
    #[must_use]
    pub fn held_in_all(&self) -> usize {
        self.held
    }

    /// Channels in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether a request may not wait beside those that do.
    #[must_use]
    pub fn conflicts(&self, channel: &ChannelName, concurrency: Concurrency) -> bool {
        concurrency == Concurrency::FirstIn && self.held(channel) > 0
    }

    /// A request begins to wait; gives its number, and the tickets of those that it sends away.
    ///
    /// # Errors
    ///
    /// [`HoldError`].
    pub fn hold(
        &mut self,
        channel: &ChannelName,
        ticket: T,
        concurrency: Concurrency,
    ) -> Result<(u64, Vec<T>), HoldError> {
        let conflicts = self.conflicts(channel, concurrency);
        let entry = self.channels.get_mut(channel).ok_or(HoldError::Gone)?;
        if conflicts {
            return Err(HoldError::Conflict);
        }
        let away = match concurrency {
            Concurrency::LastIn => std::mem::take(&mut entry.held),
            Concurrency::Broadcast | Concurrency::FirstIn => Vec::new(),
        };
        let id = self.next_ticket;
        self.next_ticket += 1;
        entry.held.push(Held { id, served: false, ticket });
        self.held = self.held + 1 - away.len();
        Ok((id, away.into_iter().map(|held| held.ticket).collect()))
    }

    /// A request waits no more.
    pub fn release(&mut self, channel: &ChannelName, id: u64) {
        let Some(entry) = self.channels.peek_mut(channel) else { return };
        let before = entry.held.len();
        entry.held.retain(|held| held.id != id);
        self.held -= before - entry.held.len();
    }

    /// A message is published: gives how many wait for it. They wait for no other.
    pub fn serve(&mut self, channel: &ChannelName) -> usize {
        let Some(entry) = self.channels.get_mut(channel) else { return 0 };
        let waiting = entry.waiting();
        entry.held.iter_mut().for_each(|held| held.served = true);
        waiting
    }

    /// The message was not published: who waited for it waits still.
    pub fn unserve(&mut self, channel: &ChannelName) {
        if let Some(entry) = self.channels.peek_mut(channel) {
            entry.held.iter_mut().for_each(|held| held.served = false);
        }
    }

    /// Deletes a channel with all that is before a place of the log; gives the tickets of those that wait.
    pub fn delete(&mut self, channel: &ChannelName, end: u64) -> Vec<T> {
        if let Some((name, floor)) = self.floors.push(channel.clone(), end)
            && name != *channel
        {
            self.floor = self.floor.max(floor);
        }
        let held = self.channels.pop(channel).map(|entry| entry.held).unwrap_or_default();
        self.held -= held.len();
        held.into_iter().map(|held| held.ticket).collect()
    }

    fn used(&mut self, channel: &ChannelName) -> Result<&mut Channel<T>, RegistryError> {
        if !self.channels.contains(channel) && self.channels.len() == self.channels.cap().get() {
            let idle =
                self.channels.iter().rev().take(LOOKED_AT_MAX).find(|(_, entry)| entry.held.is_empty());
            let idle = idle.map(|(name, _)| name.clone()).ok_or(RegistryError)?;
            self.channels.pop(&idle);
        }
        let new = || Channel { requested_at_s: None, held: Vec::new() };
        Ok(self.channels.get_or_insert_mut(channel.clone(), new))
    }
}

impl<T> Channel<T> {
    fn waiting(&self) -> usize {
        self.held.iter().filter(|held| !held.served).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ChannelName {
        text.parse().unwrap()
    }

    fn registry(max: usize) -> Registry<&'static str> {
        Registry::new(NonZeroUsize::new(max).unwrap())
    }

    #[test]
    fn a_channel_is_there_from_its_creation_to_its_deletion() {
        let (mut registry, a) = (registry(2), name("a"));
        assert!(!registry.has(&a));
        registry.create(&a).unwrap();
        assert_eq!((registry.has(&a), registry.requested_ago_s(&a, 9), registry.floor(&a)), (true, None, 0));
        registry.requested(&a, 5).unwrap();
        assert_eq!(registry.requested_ago_s(&a, 9), Some(4));
        assert_eq!(registry.requested_ago_s(&a, 1), Some(0));
        registry.hold(&a, "one", Concurrency::Broadcast).unwrap();
        assert_eq!(registry.delete(&a, 7), ["one"]);
        assert_eq!((registry.has(&a), registry.floor(&a), registry.held_in_all()), (false, 7, 0));
        assert_eq!(registry.hold(&a, "two", Concurrency::Broadcast), Err(HoldError::Gone));
    }

    #[test]
    fn who_waits_is_served_once() {
        let (mut registry, a) = (registry(2), name("a"));
        assert_eq!(registry.serve(&a), 0);
        registry.requested(&a, 0).unwrap();
        let (first, _) = registry.hold(&a, "one", Concurrency::Broadcast).unwrap();
        let (_, away) = registry.hold(&a, "two", Concurrency::Broadcast).unwrap();
        assert!(away.is_empty());
        assert_eq!(
            (registry.held(&a), registry.serve(&a), registry.held(&a), registry.serve(&a)),
            (2, 2, 0, 0)
        );
        registry.unserve(&a);
        assert_eq!(registry.serve(&a), 2);
        registry.release(&a, first);
        registry.release(&a, first);
        assert_eq!(registry.held_in_all(), 1);
    }

    #[test]
    fn of_several_the_last_or_the_first_waits() {
        let (mut registry, a) = (registry(2), name("a"));
        registry.requested(&a, 0).unwrap();
        registry.hold(&a, "one", Concurrency::LastIn).unwrap();
        let (two, away) = registry.hold(&a, "two", Concurrency::LastIn).unwrap();
        assert_eq!((away, registry.held_in_all()), (vec!["one"], 1));
        assert!(registry.conflicts(&a, Concurrency::FirstIn) && !registry.conflicts(&a, Concurrency::LastIn));
        assert_eq!(registry.hold(&a, "three", Concurrency::FirstIn), Err(HoldError::Conflict));
        registry.release(&a, two);
        assert!(registry.hold(&a, "four", Concurrency::FirstIn).is_ok());
    }

    #[test]
    fn the_longest_unused_goes_but_none_in_which_somebody_waits() {
        let mut registry = registry(2);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(name);
        registry.create(&a).unwrap();
        registry.create(&b).unwrap();
        registry.hold(&a, "one", Concurrency::Broadcast).unwrap();
        registry.create(&c).unwrap();
        assert_eq!([&a, &b, &c].map(|channel| registry.has(channel)), [true, false, true]);
        registry.hold(&c, "two", Concurrency::Broadcast).unwrap();
        assert_eq!(registry.create(&d), Err(RegistryError));
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn what_was_deleted_never_comes_back() {
        let mut registry = registry(2);
        let [a, b, c] = ["a", "b", "c"].map(name);
        registry.delete(&a, 1);
        registry.delete(&a, 2);
        assert_eq!((registry.floor(&a), registry.floor(&b)), (2, 0));
        registry.delete(&b, 3);
        registry.delete(&c, 4);
        assert_eq!([&a, &b, &c].map(|channel| registry.floor(channel)), [2, 3, 4]);
        assert_eq!(registry.floor(&name("d")), 2);
    }
}
