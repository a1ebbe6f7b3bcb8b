//! How far each peer is, and what is kept.

use super::{Fanout, Outlet};
use crate::history::History;
use crate::monitor::{HistoryStats, PeerStats};
use std::sync::atomic::Ordering::Relaxed;

impl Fanout {
    pub(crate) fn peers(&self) -> Vec<PeerStats> {
        let shared = self.shared();
        let mut outlets: Vec<_> = shared.outlets.values().collect();
        outlets.sort_unstable_by_key(|outlet| outlet.id);
        outlets.into_iter().map(|outlet| outlet.stats(&shared.history)).collect()
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
    fn stats(&self, history: &History) -> PeerStats {
        let behind = || match self.is_behind() {
            true => history.next() - self.cursor.load(Relaxed),
            false => 0,
        };
        PeerStats {
            peer: self.name.clone(),
            queued_bytes: self.outbox.bytes() as u64,
            behind: self.numbered.map(|_| behind()),
        }
    }
}
