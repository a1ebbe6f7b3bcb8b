//! CURVE: who a peer is, and that nobody else reads or changes what it says (RFC 26 CurveZMQ, in ZMTP 3.x as RFC 25 and
//! RFC 37 carry it), for both roles, without IO and without a clock.
//!
//! Each side has a long-term key pair; a client knows its server's public key beforehand. HELLO, WELCOME, INITIATE and
//! READY prove the long-term keys and agree on keys for this connection alone; each frame then travels in a MESSAGE.
//! [`client`] and [`server`] are the two roles, step by step; [`Sealer`] and [`Opener`] the two directions afterwards.
//!
//! The boxes are NaCl's: X25519, HSalsa20, XSalsa20 and Poly1305.

pub mod client;
mod error;
mod keys;
mod message;
mod sealed;
pub mod server;
mod z85;

pub use error::CurveError;
pub use keys::{KeyError, KeyPair, PublicKey, SecretKey};
pub use message::{MESSAGE_OVERHEAD_BYTES, Opener, Sealer};

use keys::{KEY_BYTES, random};
use sealed::{NONCE_BYTES, SharedKey, TAG_BYTES};

/// Prefixes of the nonces (RFC 26, "Commands"): no box of one kind can pass for one of another.
mod prefix {
    pub(super) const HELLO: &[u8; 16] = b"CurveZMQHELLO---";
    pub(super) const WELCOME: &[u8; 8] = b"WELCOME-";
    pub(super) const COOKIE: &[u8; 8] = b"COOKIE--";
    pub(super) const INITIATE: &[u8; 16] = b"CurveZMQINITIATE";
    pub(super) const VOUCH: &[u8; 8] = b"VOUCH---";
    pub(super) const READY: &[u8; 16] = b"CurveZMQREADY---";
    pub(super) const MESSAGE_FROM_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
    pub(super) const MESSAGE_FROM_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";
}

const LONG_NONCE_BYTES: usize = 16;
/// What HELLO holds and nobody reads (RFC 26, "The HELLO Command"): it makes HELLO longer than its answer.
const PADDING_BYTES: usize = 72;
const ZEROS: [u8; 64] = [0; 64];
const COOKIE_BYTES: usize = LONG_NONCE_BYTES + TAG_BYTES + 2 * KEY_BYTES;

/// What both sides have after the handshake: keys of this connection alone.
#[derive(Debug)]
pub struct Session {
    /// For what we send.
    pub sealer: Sealer,
    /// For what the peer sends.
    pub opener: Opener,
}

/// A nonce of an incrementing number.
fn short_nonce(prefix: &[u8; 16], number: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[..16].copy_from_slice(prefix);
    nonce[16..].copy_from_slice(&number.to_be_bytes());
    nonce
}

/// A nonce of random bytes.
fn long_nonce(prefix: &[u8; 8], random: &[u8; LONG_NONCE_BYTES]) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[..8].copy_from_slice(prefix);
    nonce[8..].copy_from_slice(random);
    nonce
}

/// Takes a command's fields off its front.
struct Fields<'a> {
    command: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn new(command: &'static str, rest: &'a [u8]) -> Self {
        Fields { command, rest }
    }

    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], CurveError> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(CurveError::Malformed(self.command))?;
        self.rest = rest;
        Ok(field)
    }

    fn number(&mut self) -> Result<u64, CurveError> {
        Ok(u64::from_be_bytes(*self.take()?))
    }

    fn key(&mut self) -> Result<PublicKey, CurveError> {
        PublicKey::from_bytes(*self.take()?).map_err(|_| CurveError::Malformed(self.command))
    }

    fn end(&self) -> Result<(), CurveError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CurveError::Malformed(self.command)) }
    }
}

/// What both can compute and nobody else; a public key that makes it predictable is refused.
fn agree(command: &'static str, secret: &SecretKey, public: &PublicKey) -> Result<SharedKey, CurveError> {
    SharedKey::agree(secret, public).ok_or(CurveError::Malformed(command))
}

#[cfg(test)]
mod tests;
