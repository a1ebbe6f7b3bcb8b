//! What is measured of the forwarder.

use crate::end::End;
use pushnote_net::metrics::{Label, Measured, Page};
use pushnote_zmtp::{CloseCause, Monitor, PeerStats, Stats};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The ends where messages come in, the one where they go out, and what that one has refused.
#[derive(Debug)]
pub(crate) struct Gauges {
    pub(crate) received: Vec<(End, Monitor)>,
    pub(crate) r#pub: Monitor,
    /// Messages for which no peer that the forwarder connects to had room.
    pub(crate) refused: Arc<AtomicU64>,
}

/// Whose counter it is: that of the ends where messages come in, of the one where they go out, or of each.
#[derive(Clone, Copy)]
enum Of {
    Received,
    Sent,
    All,
}

impl Of {
    fn has(self, end: End) -> bool {
        match self {
            Of::Received => end != End::Pub,
            Of::Sent => end == End::Pub,
            Of::All => true,
        }
    }
}

/// Whose each counter is, its name without `_total`, its help, and its value.
fn counts(stats: &Stats) -> [(Of, &'static str, &'static str, u64); 11] {
    // Without `..`: a counter that nobody can read is a fault when it is compiled.
    let Stats {
        peers: _,
        connections,
        reconnects,
        messages,
        bytes,
        dropped,
        missed,
        unread_bytes,
        confirmations_asked,
        confirmed,
        closed: _,
    } = *stats;
    let of_bytes = "Bytes of these messages with the heads of their frames";
    [
        (Of::Received, "received_messages", "Messages received from publishers", messages),
        (Of::Received, "received_bytes", of_bytes, bytes),
        (
            Of::Received,
            "missed_messages",
            "Messages that a publisher which is connected to no longer had when its link was back",
            missed,
        ),
        (
            Of::Received,
            "unread_bytes",
            "Bytes of publishers that were not read when the forwarder closed their connection",
            unread_bytes,
        ),
        (Of::Sent, "sent_messages", "Messages accepted for subscribers, each once", messages),
        (Of::Sent, "sent_bytes", of_bytes, bytes),
        (
            Of::Sent,
            "dropped_messages",
            "Messages that a subscriber did not get because too much waited for it, once for each subscriber",
            dropped,
        ),
        (
            Of::Sent,
            "asked_confirmations",
            "Confirmations asked of subscribers, once for each message and subscriber",
            confirmations_asked,
        ),
        (Of::Sent, "received_confirmations", "Confirmations that came", confirmed),
        (Of::All, "connections", "Connections whose handshake succeeded", connections),
        (
            Of::All,
            "reconnects",
            "Connections by which an end that connects came back to its peer",
            reconnects,
        ),
    ]
}

impl Measured for Gauges {
    fn measure(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = [("version", env!("CARGO_PKG_VERSION").into())];
        page.info("pushnote_mq_build", "The version that runs", &version)?;
        let mut ends: Vec<_> = self.received.iter().map(|(of, monitor)| (*of, monitor.stats())).collect();
        let mut r#pub = self.r#pub.stats();
        r#pub.dropped += self.refused.load(Relaxed);
        ends.push((End::Pub, r#pub));
        for (index, (of, name, help, _)) in counts(&Stats::default()).into_iter().enumerate() {
            let with_it = ends.iter().filter(|(end, _)| of.has(*end));
            let values = with_it.map(|(of, stats)| ([end(*of)], counts(stats)[index].3));
            page.counters(&format!("pushnote_mq_{name}"), help, values)?;
        }
        let peers = ends.iter().map(|(of, stats)| ([end(*of)], stats.peers));
        page.gauges("pushnote_mq_peers", "Peers connected now", peers)?;
        let closed = ends.into_iter().flat_map(|(of, stats)| {
            CloseCause::KINDS
                .iter()
                .zip(stats.closed)
                .map(move |(cause, count)| ([end(of), ("cause", (*cause).into())], count))
        });
        page.counters(
            "pushnote_mq_closed_connections",
            "Connections that ended or were refused, and attempts that failed",
            closed,
        )?;
        self.history(page)?;
        lags(page, self.r#pub.peers())
    }
}

impl Gauges {
    fn history(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(history) = self.r#pub.history() else { return Ok(()) };
        let epoch = [end(End::Pub), ("epoch", format!("{:016x}", history.epoch))];
        page.info("pushnote_mq_history", "The epoch: another one after each start", &epoch)?;
        let gauges = [
            ("first_sequence", "The number of the oldest message kept", history.first),
            ("next_sequence", "The number of the next message", history.next),
            ("bytes", "Bytes of memory that the messages kept take", history.bytes),
        ];
        for (name, help, value) in gauges {
            page.gauges(&format!("pushnote_mq_history_{name}"), help, [([end(End::Pub)], value)])?;
        }
        Ok(())
    }
}

/// How far each subscriber is behind. Several connections of one local process are one peer.
fn lags(page: &mut Page<'_>, peers: Vec<PeerStats>) -> fmt::Result {
    let (mut queued, mut behind) = (BTreeMap::new(), BTreeMap::new());
    for PeerStats { peer, queued_bytes, behind: messages } in peers {
        if let Some(messages) = messages {
            *behind.entry(peer.clone()).or_default() += messages;
        }
        *queued.entry(peer).or_default() += queued_bytes;
    }
    let gauges = [
        (
            "pushnote_mq_peer_queued_bytes",
            "Bytes that wait for a subscriber, counted as the memory they keep alive",
            queued,
        ),
        (
            "pushnote_mq_peer_behind_messages",
            "Messages that a subscriber has still to get from the history, besides those that wait for it",
            behind,
        ),
    ];
    for (name, help, values) in gauges {
        let values = values.into_iter().map(|(peer, value)| ([end(End::Pub), ("peer", peer)], value));
        page.gauges(name, help, values)?;
    }
    Ok(())
}

fn end(end: End) -> Label {
    ("end", end.to_string())
}

#[cfg(test)]
mod tests;
