//! How far each peer is, and what is kept.

use super::Fanout;
use super::pipe::{Accepted, Pipe};
use crate::monitor::{HistoryStats, PeerStats, Watched};
use crate::stats::Counters;
use std::sync::atomic::Ordering::Relaxed;

impl Watched for Fanout {
    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn peers(&self) -> Vec<PeerStats> {
        // Whoever publishes waits for this only.
        let (dialled, accepted, next) = {
            let shared = self.shared();
            (
                shared.dialled.clone(),
                shared.accepted.values().cloned().collect::<Vec<_>>(),
                shared.history.next(),
            )
        };
        let mut peers: Vec<_> = dialled.iter().map(|pipe| (pipe.id, pipe.stats(None))).collect();
        // A peer that is not behind is at [`LIVE`](super::pipe::LIVE), far beyond.
        let behind = |peer: &Accepted| peer.resumable.map(|_| next.saturating_sub(peer.cursor.load(Relaxed)));
        peers.extend(accepted.iter().map(|peer| (peer.id, peer.stats(behind(peer)))));
        peers.sort_unstable_by_key(|(id, _)| *id);
        peers.into_iter().map(|(_, stats)| stats).collect()
    }

    fn history(&self) -> Option<HistoryStats> {
        let history = &self.shared().history;
        (self.options.history_bytes_max > 0).then(|| HistoryStats {
            epoch: self.epoch,
            first: history.start(),
            next: history.next(),
            bytes: history.bytes() as u64,
        })
    }
}

impl Pipe {
    fn stats(&self, behind: Option<u64>) -> PeerStats {
        PeerStats { peer: self.name.clone(), queued_bytes: self.outbox.bytes() as u64, behind }
    }
}
