//! What a socket allows and how long it waits.

use bytes::Bytes;
use pushnote_net::Network;
use pushnote_zmtp_proto::handshake::Version;
use pushnote_zmtp_proto::scan::Limits;
use pushnote_zmtp_proto::security::Security;
use std::net::IpAddr;
use std::time::Duration;

/// What a listening publisher does with a message when a subscriber's queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlowSubscriber {
    /// That subscriber does not get the message; it is counted. Nobody else notices.
    #[default]
    DropNewest,
    /// As [`SlowSubscriber::DropNewest`], and the connection is closed when the queue stays full so long.
    Disconnect(Duration),
    /// Whoever awaits [`Publisher::ready`](crate::Publisher::ready) or [`Publisher::send`](crate::Publisher::send)
    /// waits for room: nothing is lost, and one stalled subscriber holds up all others.
    Wait,
}

/// Limits and times of one socket. The defaults suit a relay on a private network.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of one frame. Default 1 MiB. A peer that announces more is disconnected before room is made for it.
    pub frame_bytes_max: usize,
    /// Bytes of one message with the heads of its frames. Default 2 MiB.
    pub message_bytes_max: usize,
    /// Frames of one message. Default 1024.
    pub parts_max: usize,
    /// Connections of a listener beyond the handshake. Default 1024. A further peer gets the place of
    /// one that has said nothing in the time a handshake may take, or of one from where more than half of all come from;
    /// else it is closed at once.
    pub peers_max: usize,
    /// Connections of a listener within the handshake. Default 1024. A further one closes the oldest of them.
    pub handshakes_max: usize,
    /// Time for the handshake. Default 5 s.
    pub handshake_timeout: Duration,
    /// A PING each time; a peer silent for twice as long is dead. Default 5 s. Only peers of ZMTP 3.1 are asked.
    pub heartbeat_interval: Duration,
    /// A peer that connects to a publisher or a responder by TCP and takes nothing of what is sent to it for so long is
    /// gone: its machine has vanished, or it does not read. Default 30 s. Linux only, and not where
    /// [`SlowSubscriber::Wait`] has everybody wait for it.
    pub write_timeout: Duration,
    /// Bytes waiting for one peer, counted as the memory they keep alive. Default 8 MiB.
    pub queue_bytes_max: usize,
    /// Bytes of one peer's subscriptions, 64 of overhead for each included. Default 1 MiB.
    pub subscription_bytes_max: usize,
    /// Bytes of memory for the subscriptions of all peers together, those to everything left out. Default 64 MiB.
    pub subscriptions_bytes_max: usize,
    /// Bytes of the last messages that a publisher keeps, counted as the memory they keep alive, for subscribers that
    /// were away or are slow. Default 0: none.
    pub history_bytes_max: usize,
    /// A connecting subscriber asks for what it missed while its link was broken. Only publishers that keep a history
    /// understand it; to others it means nothing. Default true.
    pub resume: bool,
    /// Ask publishers that are met for the first time for all that they keep, to know what was before. It is marked as
    /// [old](crate::Multipart::is_old).
    pub history: bool,
    /// What happens when a subscriber's queue is full, unless it reads on from the history.
    pub slow_subscriber: SlowSubscriber,
    /// The first delay before connecting again. Default 100 ms.
    pub backoff_min: Duration,
    /// The longest delay before connecting again. Default 1 s.
    pub backoff_max: Duration,
    /// Bytes asked of the system by one read. Default 64 KiB.
    pub read_bytes: usize,
    /// What a subscriber wants: prefixes of the first frame. Default: everything.
    pub topics: Vec<Bytes>,
    /// Who the peers have to be and whether others can read along. Default: not secured. Without it, and with
    /// `networks` empty, whoever reaches a listener is a peer.
    pub security: Security,
    /// Where peers of a TCP listener may come from; all others are closed at once. Default: empty, from everywhere.
    /// An address is no proof of who somebody is.
    pub networks: Vec<Network>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            frame_bytes_max: 1 << 20,
            message_bytes_max: 2 << 20,
            parts_max: 1024,
            peers_max: 1024,
            handshakes_max: 1024,
            handshake_timeout: Duration::from_secs(5),
            heartbeat_interval: Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
            queue_bytes_max: 8 << 20,
            subscription_bytes_max: 1 << 20,
            subscriptions_bytes_max: 64 << 20,
            history_bytes_max: 0,
            resume: true,
            history: false,
            slow_subscriber: SlowSubscriber::DropNewest,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
            read_bytes: 64 << 10,
            topics: vec![Bytes::new()],
            security: Security::Null,
            networks: Vec::new(),
        }
    }
}

impl Options {
    /// Whether a peer may come from there; `None`: from nobody knows where.
    pub(crate) fn admits(&self, address: Option<IpAddr>) -> bool {
        self.networks.is_empty()
            || address.is_some_and(|address| self.networks.iter().any(|network| network.contains(address)))
    }

    /// Limits for what a peer of this version sends.
    pub(crate) fn limits(&self, version: Version) -> Limits {
        Limits {
            frame_bytes_max: self.frame_bytes_max,
            message_bytes_max: self.message_bytes_max,
            parts_max: self.parts_max,
            commands: version >= Version::V3_0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_come_from_the_networks_allowed() {
        let networks = |texts: &[&str]| Options {
            networks: texts.iter().map(|text| text.parse().unwrap()).collect(),
            ..Options::default()
        };
        let admits = |options: &Options, address: &str| options.admits(Some(address.parse().unwrap()));
        assert!(admits(&networks(&[]), "192.0.2.1") && networks(&[]).admits(None));
        let private = networks(&["10.0.0.0/8", "fd00::/8"]);
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
            assert!(admits(&private, inside), "{inside}");
        }
        for outside in ["11.0.0.1", "::ffff:11.0.0.1", "fe80::1", "::1"] {
            assert!(!admits(&private, outside), "{outside}");
        }
        assert!(!private.admits(None), "gone, or nobody knows where");
    }
}
