//! How far each peer is, and what is kept.

use super::{Fanout, Outlet};
use crate::monitor::{HistoryStats, PeerStats};
use std::sync::atomic::Ordering::Relaxed;

impl Fanout {
    pub(crate) fn peers(&self) -> Vec<PeerStats> {
        // Whoever publishes waits for this only.
        let (mut outlets, next) = {
            let shared = self.shared();
            (shared.outlets.values().cloned().collect::<Vec<_>>(), shared.history.next())
        };
        outlets.sort_unstable_by_key(|outlet| outlet.id);
        outlets.iter().map(|outlet| outlet.stats(next)).collect()
    }

    pub(crate) fn history(&self) -> Option<HistoryStats> {
        let history = &self.shared().history;
        (self.options.history_bytes_max > 0).then(|| HistoryStats {
            epoch: self.epoch,
            first: history.start(),
            next: history.next(),
            bytes: history.bytes() as u64,
        })
    }
}

impl Outlet {
    /// The history goes up to `next`. A peer that is not behind is at [`LIVE`](super::LIVE), far beyond.
    fn stats(&self, next: u64) -> PeerStats {
        PeerStats {
            peer: self.name.clone(),
            queued_bytes: self.outbox.bytes() as u64,
            behind: self.numbered.map(|_| next.saturating_sub(self.cursor.load(Relaxed))),
        }
    }
}
