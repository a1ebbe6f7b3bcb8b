//! What a connection may take, and how long.

use std::time::Duration;

use crate::codec::encode::Frames;

/// Limits and delays of a [`Socket`](super::Socket); one for all connections of a kind.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// What may wait for a peer that does not read, in bytes; frames that would exceed it are refused. One that comes
    /// while nothing waits may be larger. 1 MiB.
    pub outbox_bytes_max: usize,
    /// The longest message accepted from a peer, in bytes. 64 KiB.
    pub message_bytes_max: usize,
    /// The silence after which a ping is sent. 25 s.
    pub ping_interval: Duration,
    /// A frame for a peer that was sent nothing else for [`ping_interval`](Self::ping_interval): a page's script sees
    /// no pings, and cannot tell silence from a dead path. None.
    pub idle_frame: Option<Frames>,
    /// The silence after that ping which ends the connection. 10 s.
    pub pong_timeout: Duration,
    /// What the closing handshake may take, what is queued before it included. 5 s.
    pub close_timeout: Duration,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            outbox_bytes_max: 1024 * 1024,
            message_bytes_max: 64 * 1024,
            ping_interval: Duration::from_secs(25),
            idle_frame: None,
            pong_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
        }
    }
}
