//! What is wrong with a command of CURVE.

use thiserror::Error;

/// A command that was not acceptable. The connection cannot go on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CurveError {
    /// Too short, too long, or fields that cannot be.
    #[error("malformed CURVE command {0}")]
    Malformed(&'static str),
    /// A box that was not made for us by the peer, or was changed on its way.
    #[error("CURVE command {0} cannot be opened: {suspicion}", suspicion = suspicion(.0))]
    Forged(&'static str),
    /// A nonce that is not higher than the one before: repeated, or out of order.
    #[error("CURVE command {0} comes twice or out of order")]
    Sequence(&'static str),
    /// A fault of this machine's.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

fn suspicion(command: &str) -> &'static str {
    match command {
        "HELLO" => "the client has another server's public key; give it this server's",
        "WELCOME" => {
            "the server has another secret key than the one that belongs to the public key we were given"
        }
        _ => "forged, or damaged on its way",
    }
}

impl From<getrandom::Error> for CurveError {
    fn from(_: getrandom::Error) -> Self {
        CurveError::NoRandomness
    }
}
