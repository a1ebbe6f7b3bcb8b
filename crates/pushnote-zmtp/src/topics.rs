//! Who wants which messages: a set of prefixes for each peer.
//!
//! A message costs one hash lookup per prefix *length* in use, however many peers and prefixes there are.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Bytes of bookkeeping a subscription is charged with besides its prefix.
const SUBSCRIPTION_BYTES: usize = 64;

/// A subscriber, as its owner numbers it.
pub type PeerId = u64;

/// More subscriptions than a peer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// All subscriptions of all peers.
#[derive(Debug)]
pub struct Topics {
    peer_bytes_max: usize,
    by_length: BTreeMap<usize, HashMap<Arc<[u8]>, Vec<PeerId>>>,
    peers: HashMap<PeerId, Subscriptions>,
    no_peers: Vec<PeerId>,
}

#[derive(Debug, Default)]
struct Subscriptions {
    prefixes: HashSet<Arc<[u8]>>,
    bytes: usize,
}

impl Topics {
    /// No subscriptions; each peer's may take `peer_bytes_max` bytes, 64 of overhead per prefix included.
    pub fn new(peer_bytes_max: usize) -> Self {
        Topics { peer_bytes_max, by_length: BTreeMap::new(), peers: HashMap::new(), no_peers: Vec::new() }
    }

    /// Subscribes the peer to `prefix`; the empty one matches everything. A second time changes nothing: a libzmq
    /// peer that subscribes twice counts by itself, sends both subscriptions and only the last cancellation.
    ///
    /// # Errors
    /// [`TooMany`] when the peer's share is used up.
    pub fn subscribe(&mut self, peer: PeerId, prefix: &[u8]) -> Result<(), TooMany> {
        let own = self.peers.entry(peer).or_default();
        if own.prefixes.contains(prefix) {
            return Ok(());
        }
        let bytes = own.bytes + prefix.len() + SUBSCRIPTION_BYTES;
        if bytes > self.peer_bytes_max {
            return Err(TooMany);
        }
        own.bytes = bytes;
        let prefix: Arc<[u8]> = prefix.into();
        own.prefixes.insert(Arc::clone(&prefix));
        self.by_length.entry(prefix.len()).or_default().entry(prefix).or_default().push(peer);
        Ok(())
    }

    /// Ends the peer's subscription to `prefix`, if it has one.
    pub fn cancel(&mut self, peer: PeerId, prefix: &[u8]) {
        let Some(own) = self.peers.get_mut(&peer) else { return };
        if !own.prefixes.remove(prefix) {
            return;
        }
        own.bytes -= prefix.len() + SUBSCRIPTION_BYTES;
        if own.prefixes.is_empty() {
            self.peers.remove(&peer);
        }
        self.forget(peer, prefix);
    }

    /// Ends all subscriptions of a peer.
    pub fn remove(&mut self, peer: PeerId) {
        for prefix in self.peers.remove(&peer).unwrap_or_default().prefixes {
            self.forget(peer, &prefix);
        }
    }

    fn forget(&mut self, peer: PeerId, prefix: &[u8]) {
        let Some(same_length) = self.by_length.get_mut(&prefix.len()) else { return };
        let Some(peers) = same_length.get_mut(prefix) else { return };
        peers.retain(|other| *other != peer);
        if peers.is_empty() {
            same_length.remove(prefix);
        }
        if same_length.is_empty() {
            self.by_length.remove(&prefix.len());
        }
    }

    /// Whether the peer has any subscription.
    pub fn subscribed(&self, peer: PeerId) -> bool {
        self.peers.contains_key(&peer)
    }

    /// Peers with any subscription.
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// Whether the peer wants everything.
    pub fn wants_all(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|own| own.prefixes.contains(&b""[..]))
    }

    /// Peers that want everything.
    pub fn all(&self) -> &[PeerId] {
        self.by_length.get(&0).and_then(|same| same.get(&b""[..])).unwrap_or(&self.no_peers)
    }

    /// Whether anybody wants less than everything.
    pub fn any_prefix(&self) -> bool {
        self.by_length.last_key_value().is_some_and(|(length, _)| *length > 0)
    }

    /// Calls `found` for each non-empty prefix of `topic` and each of its peers: a peer may be found twice.
    pub fn matching(&self, topic: &[u8], mut found: impl FnMut(PeerId)) {
        for (length, prefixes) in self.by_length.range(1..=topic.len().max(1)) {
            let Some(prefix) = topic.get(..*length) else { break };
            prefixes.get(prefix).into_iter().flatten().copied().for_each(&mut found);
        }
    }

    /// Whether one peer wants this topic.
    pub fn wants(&self, peer: PeerId, topic: &[u8]) -> bool {
        let Some(own) = self.peers.get(&peer) else { return false };
        let mut lengths = self.by_length.range(..=topic.len());
        lengths.any(|(length, _)| topic.get(..*length).is_some_and(|prefix| own.prefixes.contains(prefix)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(topics: &Topics, topic: &[u8]) -> Vec<PeerId> {
        let mut found = Vec::new();
        topics.matching(topic, |peer| found.push(peer));
        found
    }

    #[test]
    fn each_peer_has_a_set_of_prefixes() {
        let mut topics = Topics::new(1000);
        topics.subscribe(1, b"a").unwrap();
        topics.subscribe(2, b"a").unwrap();
        topics.subscribe(2, b"a").unwrap();
        assert_eq!(matching(&topics, b"abc"), [1, 2]);
        topics.cancel(2, b"a");
        assert_eq!(matching(&topics, b"abc"), [1]);
        topics.cancel(2, b"a");
        topics.cancel(7, b"never");
        assert_eq!(matching(&topics, b"abc"), [1]);
        assert!(matching(&topics, b"").is_empty());
    }

    #[test]
    fn the_empty_prefix_wants_all() {
        let mut topics = Topics::new(1000);
        topics.subscribe(1, b"").unwrap();
        topics.subscribe(2, b"x").unwrap();
        assert_eq!(topics.all(), [1]);
        assert!(topics.any_prefix() && topics.wants_all(1) && !topics.wants_all(2));
        assert!(topics.wants(1, b"") && topics.wants(2, b"xy") && !topics.wants(2, b"yx"));
        topics.remove(2);
        assert!(!topics.any_prefix());
        topics.remove(1);
        assert!(topics.all().is_empty() && topics.peers() == 0 && topics.by_length.is_empty());
    }

    #[test]
    fn a_peers_share_is_bounded_and_given_back() {
        let mut topics = Topics::new(2 * (SUBSCRIPTION_BYTES + 1));
        topics.subscribe(1, b"a").unwrap();
        topics.subscribe(1, b"b").unwrap();
        assert_eq!(topics.subscribe(1, b"c"), Err(TooMany));
        topics.subscribe(2, b"c").unwrap();
        topics.cancel(1, b"a");
        topics.subscribe(1, b"c").unwrap();
    }
}
