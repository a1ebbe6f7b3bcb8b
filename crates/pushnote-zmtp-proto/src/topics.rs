//! Who wants which messages: a set of prefixes for each peer.
//!
//! A message costs the way of its topic through a tree of all prefixes, however many there are; nothing where all want
//! everything.

mod trie;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use slab::Slab;
use thiserror::Error;

use trie::{Holder, NODE_BYTES, NodeId, Trie};

/// Bytes of bookkeeping a subscription is charged with besides its prefix.
const SUBSCRIPTION_BYTES: usize = 64;

/// A subscriber, as its owner numbers it.
pub type PeerId = u64;

/// More subscriptions than there may be.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TooMany {
    /// What [`Topics::new`] allows each peer is used up.
    #[error("more subscriptions than one peer may have: {0} bytes, 64 for each included")]
    OfPeer(usize),
    /// What [`Topics::new`] allows all together is used up.
    #[error("more subscriptions than all peers together may have: {0} bytes of memory")]
    OfAll(usize),
}

/// All subscriptions of all peers.
#[derive(Debug)]
pub struct Topics {
    peer_bytes_max: usize,
    bytes_max: usize,
    /// Those who want everything.
    all: Vec<PeerId>,
    /// Everybody's prefixes that are not empty.
    trie: Trie,
    /// How many subscriptions are in there.
    held: usize,
    peers: HashMap<PeerId, Holder>,
    holders: Slab<Subscriptions>,
    round: u64,
}

#[derive(Debug)]
struct Subscriptions {
    peer: PeerId,
    all: bool,
    /// Where they are, and this peer's place among those who hold the same.
    places: HashMap<NodeId, usize>,
    bytes: usize,
    /// The round in which it was found last.
    found: u64,
}

impl Topics {
    /// No subscriptions; each peer's may take `peer_bytes_max` bytes, 64 of overhead per prefix included, and all
    /// together `bytes_max` of memory. A subscription to everything takes none of that.
    pub fn new(peer_bytes_max: usize, bytes_max: usize) -> Self {
        Topics {
            peer_bytes_max,
            bytes_max,
            all: Vec::new(),
            trie: Trie::default(),
            held: 0,
            peers: HashMap::new(),
            holders: Slab::new(),
            round: 0,
        }
    }

    /// Subscribes the peer to `prefix`; the empty one matches everything. A second time changes nothing: a libzmq
    /// peer that subscribes twice counts by itself, sends both subscriptions and only the last cancellation.
    ///
    /// # Errors
    /// [`TooMany`] when the peer's share is used up, or that of all.
    pub fn subscribe(&mut self, peer: PeerId, prefix: &[u8]) -> Result<(), TooMany> {
        if prefix.is_empty() {
            let own = self.own(peer);
            if !self.holders[own as usize].all {
                self.holders[own as usize].all = true;
                self.all.push(peer);
            }
            return Ok(());
        }
        let bytes = prefix.len() + SUBSCRIPTION_BYTES;
        let known = self.peers.get(&peer).map(|own| &self.holders[*own as usize]);
        let before = known.map_or(0, |own| own.bytes);
        let held =
            self.trie.find(prefix).filter(|node| known.is_some_and(|own| own.places.contains_key(node)));
        if held.is_some() {
            return Ok(());
        }
        if before + bytes > self.peer_bytes_max {
            return Err(TooMany::OfPeer(self.peer_bytes_max));
        }
        if self.bytes() + SUBSCRIPTION_BYTES + Trie::nodes_for(prefix) * NODE_BYTES > self.bytes_max {
            return Err(TooMany::OfAll(self.bytes_max));
        }
        let own = self.own(peer);
        let (node, place) = self.trie.hold(prefix, own);
        let own = &mut self.holders[own as usize];
        own.bytes += bytes;
        own.places.insert(node, place);
        self.held += 1;
        Ok(())
    }

    fn own(&mut self, peer: PeerId) -> Holder {
        match self.peers.entry(peer) {
            Entry::Occupied(own) => *own.get(),
            Entry::Vacant(new) => {
                let own = Subscriptions { peer, all: false, places: HashMap::new(), bytes: 0, found: 0 };
                *new.insert(self.holders.insert(own) as Holder)
            }
        }
    }

    /// About the memory that all subscriptions take, those to everything left out.
    fn bytes(&self) -> usize {
        self.held * SUBSCRIPTION_BYTES + self.trie.nodes() * NODE_BYTES
    }

    /// Ends the peer's subscription to `prefix`, if it has one.
    pub fn cancel(&mut self, peer: PeerId, prefix: &[u8]) {
        let Some(holder) = self.peers.get(&peer).copied() else { return };
        let own = &mut self.holders[holder as usize];
        if prefix.is_empty() {
            if std::mem::take(&mut own.all) {
                self.all.retain(|other| *other != peer);
            }
        } else {
            let held = self.trie.find(prefix).and_then(|node| own.places.remove_entry(&node));
            let Some((node, place)) = held else { return };
            own.bytes -= prefix.len() + SUBSCRIPTION_BYTES;
            self.let_go(node, place);
        }
        let own = &self.holders[holder as usize];
        if !own.all && own.places.is_empty() {
            self.peers.remove(&peer);
            self.holders.remove(holder as usize);
        }
    }

    /// Ends all subscriptions of a peer.
    pub fn remove(&mut self, peer: PeerId) {
        let Some(holder) = self.peers.remove(&peer) else { return };
        let own = self.holders.remove(holder as usize);
        if own.all {
            self.all.retain(|other| *other != peer);
        }
        for (node, place) in own.places {
            self.let_go(node, place);
        }
    }

    fn let_go(&mut self, node: NodeId, place: usize) {
        self.held -= 1;
        if let Some(moved) = self.trie.let_go(node, place) {
            self.holders[moved as usize].places.insert(node, place);
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
        self.peers.get(&peer).is_some_and(|own| self.holders[*own as usize].all)
    }

    /// Peers that want everything.
    pub fn all(&self) -> &[PeerId] {
        &self.all
    }

    /// Whether anybody wants less than everything.
    pub fn any_prefix(&self) -> bool {
        !self.trie.is_empty()
    }

    /// Calls `found` for each peer that has subscribed to a beginning of `topic`, the empty one left out: once for
    /// each, however many of its prefixes match.
    pub fn matching(&mut self, topic: &[u8], mut found: impl FnMut(PeerId)) {
        self.round += 1;
        for node in self.trie.path(topic) {
            for holder in self.trie.holders(node) {
                let own = &mut self.holders[*holder as usize];
                if std::mem::replace(&mut own.found, self.round) != self.round {
                    found(own.peer);
                }
            }
        }
    }

    /// Whether one peer wants this topic.
    pub fn wants(&self, peer: PeerId, topic: &[u8]) -> bool {
        let Some(own) = self.peers.get(&peer).map(|own| &self.holders[*own as usize]) else { return false };
        own.all || self.trie.path(topic).any(|node| own.places.contains_key(&node))
    }
}

#[cfg(test)]
mod tests;
