//! Django's `Signer`: `value:signature`, where
//!
//! ```text
//! key       = HASH(salt ‖ "signer" ‖ secret)
//! signature = base64url without padding (HMAC_HASH(key, value))
//! ```

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroize;

/// Django's separator between value, stamp and signature.
pub(super) const SEPARATOR: char = ':';

/// Lengths of a signature's text.
const SHA1_TEXT_LEN: usize = 27;
const SHA256_TEXT_LEN: usize = 43;

/// Signs with its first secret and SHA-256, verifies with all of them and with SHA-1 too.
pub(super) struct Signer {
    first: Key,
    others: Vec<Key>,
}

/// The keyed starts of one secret's two HMACs, computed once.
struct Key {
    sha256: Hmac<Sha256>,
    sha1: Hmac<Sha1>,
}

impl Signer {
    /// `first` signs; it and `others` verify.
    pub(super) fn new<'a>(salt: &str, first: &[u8], others: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let others = others.into_iter().map(|secret| Key::new(salt, secret)).collect();
        Self { first: Key::new(salt, first), others }
    }

    /// `value:signature`.
    pub(super) fn sign(&self, value: &str) -> String {
        format!("{value}{SEPARATOR}{}", signature(&self.first.sha256, value))
    }

    /// The value of `signed`, if any of the secrets signed it.
    ///
    /// Compares the text of signatures, so that no other spelling of a good one passes, in constant time, and
    /// goes through all secrets whichever of them it was.
    pub(super) fn unsign<'a>(&self, signed: &'a str) -> Option<&'a str> {
        let (value, given) = signed.rsplit_once(SEPARATOR)?;
        let matches: fn(&Key, &str, &str) -> Choice = match given.len() {
            SHA256_TEXT_LEN => |key, value, given| equal(&signature(&key.sha256, value), given),
            SHA1_TEXT_LEN => |key, value, given| equal(&signature(&key.sha1, value), given),
            _ => return None,
        };
        let mut good = Choice::from(0);
        for key in std::iter::once(&self.first).chain(&self.others) {
            good |= matches(key, value, given);
        }
        bool::from(good).then_some(value)
    }
}

impl Key {
    fn new(salt: &str, secret: &[u8]) -> Self {
        Self { sha256: keyed::<Sha256, _>(salt, secret), sha1: keyed::<Sha1, _>(salt, secret) }
    }
}

/// An HMAC whose key is derived as Django derives it.
pub(super) fn keyed<D: Digest, M: KeyInit>(salt: &str, secret: &[u8]) -> M {
    let mut derived = D::new().chain_update(salt).chain_update("signer").chain_update(secret).finalize();
    let mac = M::new_from_slice(&derived).expect("HMAC takes a key of any length");
    derived.as_mut_slice().zeroize();
    mac
}

/// The text of the signature that `mac` makes of `value`.
pub(super) fn signature<M: Mac + Clone>(mac: &M, value: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac.clone().chain_update(value).finalize().into_bytes())
}

fn equal(ours: &str, given: &str) -> Choice {
    ours.as_bytes().ct_eq(given.as_bytes())
}
