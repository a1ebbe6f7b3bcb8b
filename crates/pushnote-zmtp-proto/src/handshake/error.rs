//! Why handshakes fail.

use crate::curve::{CurveError, PublicKey};
use crate::security::Right;
use thiserror::Error;

const REASON_BYTES_MAX: usize = 128;
/// Enough to know another protocol by.
const FOREIGN_BYTES_MAX: usize = 24;

/// Why a peer was turned away.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HandshakeError {
    /// The first bytes are no ZMTP greeting. What they are, as text.
    #[error("no ZMTP greeting: the peer speaks another protocol, it begins with {0:?}")]
    NotZmtp(String),
    /// A ZMTP version this crate does not speak.
    #[error("ZMTP version {0} is not spoken here")]
    Version(u8),
    /// Another security mechanism.
    #[error(
        "the peer wants security mechanism {theirs:?}, this side {ours}: give both CURVE keys, or neither"
    )]
    Mechanism {
        /// What the peer's greeting says.
        theirs: String,
        /// What ours says.
        ours: &'static str,
    },
    /// CURVE is wanted and the peer speaks a ZMTP that has none.
    #[error("the peer speaks {0}, which knows no encryption, and this side wants CURVE")]
    Unencrypted(&'static str),
    /// CURVE is wanted by both, and both are servers, or both clients.
    #[error("the peer is a CURVE {0}, as this side is: one has to be the server and one the client")]
    SameRole(&'static str),
    /// A step of CURVE failed.
    #[error(transparent)]
    Curve(#[from] CurveError),
    /// The client proved who it is, and is not on the list, or not with this right.
    #[error("client {client} may not {right} here; add it to the list of clients if it should")]
    NotAllowed {
        /// Its long-term key.
        client: PublicKey,
        /// The right it needs.
        right: Right,
    },
    /// Neither READY nor ERROR, or one with broken metadata.
    #[error("malformed READY")]
    Malformed,
    /// A socket that cannot be joined with ours.
    #[error("socket type {0:?} does not go with ours: who connects has the wrong port")]
    SocketType(String),
    /// The peer turned us away.
    #[error("the peer refused: {0:?}{explanation}", explanation = explanation(.0))]
    Refused(String),
}

impl HandshakeError {
    /// An ERROR command with this reason came, within the handshake or later.
    pub fn refused(reason: &[u8]) -> Self {
        Self::Refused(readable(reason))
    }

    pub(super) fn not_zmtp(input: &[u8]) -> Self {
        Self::NotZmtp(readable(&input[..input.len().min(FOREIGN_BYTES_MAX)]))
    }
}

/// How an authenticator, or a server of ours, says that it does not want a client (RFC 27).
pub(super) const DENIED: &str = "400";

/// What a client reads that was given another server's key.
pub(super) const WRONG_KEY: &str = "wrong-server-key";

fn explanation(reason: &str) -> &'static str {
    match reason {
        DENIED => ", that is, our CURVE key has no right to this there",
        WRONG_KEY => ", that is, the CURVE server key we were given is not its public key",
        _ => "",
    }
}

/// A peer's text, short and harmless enough for a log.
pub(super) fn readable(text: &[u8]) -> String {
    let text = &text[..text.len().min(REASON_BYTES_MAX)];
    String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '.' } else { c }).collect()
}
