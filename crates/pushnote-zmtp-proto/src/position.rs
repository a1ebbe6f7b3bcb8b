//! Where a subscriber is in a publisher's stream, so that a link that breaks can go on where it was.
//!
//! Our own addition to ZMTP, which leaves every other peer alone. A subscriber that wants its stream numbered says so in
//! READY, with the property `X-Pushnote-Position`: empty for "from now on", or the position of the first message it has
//! not had. A publisher that keeps a history answers its first subscription to everything with the command `POSITION`:
//! the position of the next message on this connection. From there on both count. A later `POSITION` skips what the
//! history no longer held. Behind the first goes the command `LIVE`, with the position of what is published next: who
//! asked for all there is knows so what of it is history.

use std::fmt;

/// The property of READY, in lower case.
pub const PROPERTY: &str = "x-pushnote-position";
/// The command's name.
pub const COMMAND: &str = "POSITION";
/// The name of the command that tells where history ends.
pub const LIVE_COMMAND: &str = "LIVE";

/// A message's number in the stream of one run of a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Another one after each start of the publisher; at random.
    pub epoch: u64,
    /// Messages of this epoch before it.
    pub sequence: u64,
}

impl Position {
    /// As it is sent: 8 bytes of epoch, 8 of sequence.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[8..].copy_from_slice(&self.sequence.to_be_bytes());
        bytes
    }

    /// What [`Position::to_bytes`] made; `None` unless there are 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_first_chunk()?;
        let sequence = rest.try_into().ok()?;
        Some(Position { epoch: u64::from_be_bytes(*epoch), sequence: u64::from_be_bytes(sequence) })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}/{}", self.epoch, self.sequence)
    }
}
