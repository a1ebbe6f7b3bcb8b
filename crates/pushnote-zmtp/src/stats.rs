//! Counters of one socket, and why connections end.

use pushnote_net::{LogOnce, harmless};
use pushnote_zmtp_proto::handshake::HandshakeError;
use pushnote_zmtp_proto::position::Position;
use pushnote_zmtp_proto::scan::ScanError;
use pushnote_zmtp_proto::topics::TooMany;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use thiserror::Error;
use tracing::{debug, info, warn};

/// Why a connection ended or was refused.
#[derive(Debug, Error)]
pub enum CloseCause {
    /// The peer closed it.
    #[error("the peer closed the connection")]
    Peer,
    /// The system reports a fault: a reset, no route, refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Greeting and READY did not come in time.
    #[error("no handshake within the time allowed")]
    HandshakeTimeout,
    /// [`Options::handshakes_max`](crate::Options::handshakes_max) newer connections came before its handshake was over.
    #[error("its handshake was not over when newer connections needed the place")]
    HandshakeDisplaced,
    /// The greeting or READY was not acceptable.
    #[error("handshake failed: {0}")]
    Handshake(#[from] HandshakeError),
    /// The frames were not acceptable.
    #[error("protocol fault: {0}")]
    Protocol(#[from] ScanError),
    /// A command was not acceptable.
    #[error("protocol fault: malformed command")]
    BadCommand,
    /// A limit of subscriptions is used up: the peer's, or that of all together.
    #[error(transparent)]
    TooManySubscriptions(#[from] TooMany),
    /// Nothing was heard for two heartbeat intervals.
    #[error("nothing heard for two heartbeat intervals")]
    HeartbeatLost,
    /// Its queue stayed full too long.
    #[error("slow subscriber: its queue stayed full")]
    SlowSubscriber,
    /// [`Options::peers_max`](crate::Options::peers_max) connections are there already.
    #[error("as many peers as are allowed are connected")]
    TooManyPeers,
    /// As many were there as are allowed, and a newer peer needed the place: this one had said nothing, or came from where
    /// more than half of all came from.
    #[error("as many peers as are allowed are connected, and this one gave way to a newer one")]
    PeerDisplaced,
    /// The peer's address is in none of [`Options::networks`](crate::Options::networks).
    #[error("the address is in none of the networks allowed")]
    Network,
    /// This side's socket is closed.
    #[error("closed by this side")]
    Local,
}

impl CloseCause {
    /// A word for metrics, of the same order as [`CloseCause::KINDS`].
    pub fn kind(&self) -> &'static str {
        Self::KINDS[self.index()]
    }

    /// All words [`CloseCause::kind`] gives.
    pub const KINDS: [&'static str; 22] = [
        "peer",
        "io",
        "handshake_timeout",
        "not_zmtp",
        "handshake",
        "refused_by_peer",
        "reserved_flags",
        "frame_too_large",
        "message_too_large",
        "too_many_parts",
        "bad_command",
        "too_many_subscriptions",
        "heartbeat_lost",
        "slow_subscriber",
        "too_many_peers",
        "local",
        "security_mismatch",
        "curve",
        "key_not_allowed",
        "network_not_allowed",
        "handshake_displaced",
        "peer_displaced",
    ];

    fn index(&self) -> usize {
        match self {
            CloseCause::Peer => 0,
            CloseCause::Io(_) => 1,
            CloseCause::HandshakeTimeout => 2,
            CloseCause::Handshake(HandshakeError::NotZmtp(_)) => 3,
            CloseCause::Handshake(HandshakeError::Refused(_)) => 5,
            CloseCause::Handshake(
                HandshakeError::Mechanism { .. }
                | HandshakeError::Unencrypted(_)
                | HandshakeError::SameRole(_),
            ) => 16,
            CloseCause::Handshake(HandshakeError::Curve(_)) | CloseCause::Protocol(ScanError::Curve(_)) => 17,
            CloseCause::Handshake(HandshakeError::NotAllowed { .. }) => 18,
            CloseCause::Handshake(_) => 4,
            CloseCause::Protocol(ScanError::ReservedFlags(_)) => 6,
            CloseCause::Protocol(ScanError::FrameTooLarge { .. }) => 7,
            CloseCause::Protocol(ScanError::MessageTooLarge { .. }) => 8,
            CloseCause::Protocol(ScanError::TooManyParts { .. }) => 9,
            CloseCause::Protocol(ScanError::CommandInMessage) | CloseCause::BadCommand => 10,
            CloseCause::TooManySubscriptions(_) => 11,
            CloseCause::HeartbeatLost => 12,
            CloseCause::SlowSubscriber => 13,
            CloseCause::TooManyPeers => 14,
            CloseCause::Local => 15,
            CloseCause::Network => 19,
            CloseCause::HandshakeDisplaced => 20,
            CloseCause::PeerDisplaced => 21,
        }
    }

    /// Whether the peer ended the connection, not this side.
    pub(crate) fn is_the_peers(&self) -> bool {
        match self {
            CloseCause::Io(error) => error.kind() != io::ErrorKind::TimedOut,
            cause => matches!(cause, CloseCause::Peer),
        }
    }

    /// Whether it belongs to the daily coming and going of peers.
    fn ordinary(&self) -> bool {
        matches!(self, CloseCause::Peer | CloseCause::Io(_) | CloseCause::Local)
    }
}

/// Counters since the socket was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Peers connected now, handshake done.
    pub peers: u64,
    /// Handshakes that succeeded.
    pub connections: u64,
    /// Those of them by which a connecting socket came back to a peer it had been connected to before.
    pub reconnects: u64,
    /// Messages received, or accepted for sending.
    pub messages: u64,
    /// Bytes of these messages, with the heads of their frames.
    pub bytes: u64,
    /// Messages a peer did not get because its queue was full, or because it keeps refusing them.
    pub dropped: u64,
    /// Messages that a connecting subscriber knows it missed: its publisher's history did not reach back to them.
    pub missed: u64,
    /// Bytes of connected peers that were not read when this side closed the connection: messages in them are lost.
    pub unread_bytes: u64,
    /// Answers asked of subscribers that are to confirm a message: one for each message and subscriber.
    pub confirmations_asked: u64,
    /// Such answers that came.
    pub confirmed: u64,
    /// Ended or refused connections for each of [`CloseCause::KINDS`].
    pub closed: [u64; CloseCause::KINDS.len()],
}

impl Stats {
    /// Connections that ended for `kind`, one of [`CloseCause::KINDS`].
    pub fn closed_for(&self, kind: &str) -> u64 {
        let index = CloseCause::KINDS.iter().position(|known| *known == kind);
        index.map_or(0, |index| self.closed[index])
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    peers: AtomicU64,
    connections: AtomicU64,
    reconnects: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
    missed: AtomicU64,
    unread_bytes: AtomicU64,
    confirmations_asked: AtomicU64,
    confirmed: AtomicU64,
    /// Ends of connections, and all the rest: strangers who come and go do not hide that messages were lost.
    closes: PeerLog,
    log: PeerLog,
    closed: [AtomicU64; CloseCause::KINDS.len()],
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Stats {
        Stats {
            peers: self.peers.load(Relaxed),
            connections: self.connections.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
            messages: self.messages.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            missed: self.missed.load(Relaxed),
            unread_bytes: self.unread_bytes.load(Relaxed),
            confirmations_asked: self.confirmations_asked.load(Relaxed),
            confirmed: self.confirmed.load(Relaxed),
            closed: std::array::from_fn(|index| self.closed[index].load(Relaxed)),
        }
    }

    /// Counts a peer for as long as the guard lives.
    pub(crate) fn peer(&self) -> PeerGuard<'_> {
        self.connections.fetch_add(1, Relaxed);
        self.peers.fetch_add(1, Relaxed);
        PeerGuard(self)
    }

    pub(crate) fn add_reconnect(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_confirmations_asked(&self, asked: usize) {
        self.confirmations_asked.fetch_add(asked as u64, Relaxed);
    }

    pub(crate) fn add_confirmed(&self) {
        self.confirmed.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_messages(&self, messages: usize, bytes: usize) {
        self.messages.fetch_add(messages as u64, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts lost messages. A flood of them is not worth a flood of lines.
    pub(crate) fn add_dropped(&self, messages: usize, peer: &str, why: &'static str) {
        self.dropped.fetch_add(messages as u64, Relaxed);
        if let Some(unlogged) = self.log.due(peer, why) {
            harmless(|| {
                warn!(
                    messages,
                    peer,
                    why,
                    unlogged,
                    "messages dropped; more for this peer in the next minute are only counted"
                )
            });
        }
    }

    /// As [`Counters::add_dropped`] for what has been reported.
    pub(crate) fn add_dropped_again(&self, messages: usize) {
        self.dropped.fetch_add(messages as u64, Relaxed);
    }

    /// Counts messages that were published and never came.
    pub(crate) fn add_missed(&self, messages: u64, peer: &str) {
        // Its publisher claims how many.
        let total = self.missed.fetch_add(messages, Relaxed).wrapping_add(messages);
        if let Some(unlogged) = self.log.due(peer, "missed") {
            harmless(|| {
                warn!(
                    messages,
                    total,
                    peer,
                    unlogged,
                    "messages missed: published while the link was broken or slow, and no longer kept"
                )
            });
        }
    }

    /// Counts what was not read of a peer when this side closed the connection.
    pub(crate) fn add_unread(&self, bytes: usize, peer: &str) {
        let total = self.unread_bytes.fetch_add(bytes as u64, Relaxed).wrapping_add(bytes as u64);
        if let Some(unlogged) = self.log.due(peer, "unread") {
            harmless(|| {
                warn!(
                    bytes,
                    total, peer, unlogged, "connection closed with bytes unread: messages in them are lost"
                )
            });
        }
    }

    /// A connection to `peer` is there. Peers decide how often.
    pub(crate) fn log_connected(&self, peer: &str) {
        if let Some(unlogged) = self.log.due(peer, "connected") {
            harmless(|| info!(peer, unlogged, "connected"));
        }
    }

    /// The publisher at `peer` has our subscription: what it publishes from now on comes.
    pub(crate) fn log_subscribed(&self, peer: &str) {
        if let Some(unlogged) = self.log.due(peer, "subscribed") {
            harmless(|| info!(peer, unlogged, "subscribed"));
        }
    }

    /// There is no connection to `peer`, which matters as `lost` says.
    pub(crate) fn log_away(&self, peer: &str, cause: &CloseCause, lost: &str) {
        if let Some(unlogged) = self.log.due(peer, "away") {
            harmless(
                || warn!(peer, %cause, unlogged, "no connection{lost}; trying again until there is one"),
            );
        }
    }

    /// The publisher at `peer` counts anew.
    pub(crate) fn log_new_run(&self, peer: &str, before: Position, now: Position) {
        if let Some(unlogged) = self.log.due(peer, "new run") {
            harmless(|| info!(peer, %before, %now, unlogged, "the publisher was started anew"));
        }
    }

    /// Counts the end of a connection. It is logged, limited for each peer and cause; the others at debug level.
    pub(crate) fn close(&self, cause: &CloseCause, peer: &str) {
        self.closed[cause.index()].fetch_add(1, Relaxed);
        let kind = cause.kind();
        let due = if cause.ordinary() { None } else { self.closes.due(peer, kind) };
        if let Some(unlogged) = due {
            harmless(|| {
                warn!(
                    peer,
                    kind,
                    %cause,
                    unlogged,
                    "peer closed; more for this cause in the next minute are only counted"
                )
            });
        } else {
            harmless(|| debug!(peer, kind, %cause, "peer closed"));
        }
    }
}

/// What is logged about peers: a line for each peer and kind, and minute.
#[derive(Debug, Default)]
struct PeerLog(LogOnce<(String, &'static str)>);

impl PeerLog {
    /// A peer is an address here; its port is another one each time.
    fn due(&self, peer: &str, kind: &'static str) -> Option<u64> {
        let host = peer.parse::<SocketAddr>().map_or_else(|_| peer.to_owned(), |peer| peer.ip().to_string());
        self.0.due((host, kind))
    }
}

pub(crate) struct PeerGuard<'a>(&'a Counters);

impl Drop for PeerGuard<'_> {
    fn drop(&mut self) {
        self.0.peers.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_and_kind_has_one_line_whatever_its_port() {
        let log = PeerLog::default();
        let is_due = |peer, kind| log.due(peer, kind).is_some();
        assert!(is_due("192.0.2.1:1000", "curve"));
        assert!(!is_due("192.0.2.1:2000", "curve"));
        assert!(is_due("192.0.2.1:1000", "handshake") && is_due("[2001:db8::1]:1", "curve"));
        assert!(is_due("tcp://a:1", "curve") && is_due("tcp://a:2", "curve"), "endpoints are themselves");
    }
}
