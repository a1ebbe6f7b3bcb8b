//! Which subscribers have what was sent: a PING behind a message comes back as a PONG when all before it has been read
//! (RFC 37 §2.6), by any peer of ZMTP 3.1.

use crate::topics::PeerId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::Notify;

/// What the PING carries.
pub(crate) type Context = [u8; 8];

/// Messages that are waited for.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    next: u64,
    open: HashMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    waiting: HashSet<PeerId>,
    confirmed: usize,
    settled: Arc<Notify>,
}

impl Open {
    /// Wakes whoever waits when nobody is left to wait for.
    fn look(&self) {
        if self.waiting.is_empty() {
            self.settled.notify_one();
        }
    }
}

impl Confirmations {
    /// What the next [`Confirmations::expect`] sends.
    pub(crate) fn context(&self) -> Context {
        self.next.to_be_bytes()
    }

    /// Waits for these peers: notifies when all of them have answered or are gone.
    pub(crate) fn expect(&mut self, waiting: HashSet<PeerId>) -> Arc<Notify> {
        let settled = Arc::new(Notify::new());
        let open = Open { waiting, confirmed: 0, settled: Arc::clone(&settled) };
        open.look();
        self.open.insert(self.next, open);
        self.next += 1;
        settled
    }

    /// A peer has sent a PONG; whether it was waited for.
    pub(crate) fn pong(&mut self, peer: PeerId, context: &[u8]) -> bool {
        let Ok(id) = context.try_into().map(u64::from_be_bytes) else { return false };
        let Some(open) = self.open.get_mut(&id) else { return false };
        let waited_for = open.waiting.remove(&peer);
        if waited_for {
            open.confirmed += 1;
            open.look();
        }
        waited_for
    }

    /// A peer is gone.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        for open in self.open.values_mut() {
            if open.waiting.remove(&peer) {
                open.look();
            }
        }
    }

    /// How many have confirmed. Nothing is waited for any more.
    pub(crate) fn close(&mut self, context: Context) -> usize {
        self.open.remove(&u64::from_be_bytes(context)).map_or(0, |open| open.confirmed)
    }
}
