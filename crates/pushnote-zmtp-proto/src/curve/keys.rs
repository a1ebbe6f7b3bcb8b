//! Long-term keys and connections' own, as bytes and as Z85 text (RFC 32): 40 characters.

use super::error::CurveError;
use super::z85;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

pub(super) const KEY_BYTES: usize = 32;

pub(super) fn random<const N: usize>() -> Result<[u8; N], CurveError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Characters of a key in Z85.
const TEXT_CHARACTERS: usize = 40;

/// Text or bytes that are no key. The text itself is not repeated: it may be a secret.
#[derive(Clone, Copy, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Too short or too long.
    #[error("a CURVE key has 40 characters, not {0}; `pushnote keygen` makes a pair")]
    Length(usize),
    /// Characters no Z85 has, or a number that is no key.
    #[error("these 40 characters are no CURVE key in Z85; `pushnote keygen` makes a pair")]
    NotAKey,
}

/// As [`fmt::Display`]: it is what a `main` that returns an error prints.
impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who a peer is. Not secret; [`fmt::Display`] gives Z85.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// # Errors
    /// [`KeyError::NotAKey`] if the highest bit is set, which X25519 ignores: one key must not have two forms.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Result<Self, KeyError> {
        if bytes[KEY_BYTES - 1] & 0x80 == 0 { Ok(PublicKey(bytes)) } else { Err(KeyError::NotAKey) }
    }

    /// The 32 bytes as they travel.
    pub fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(*bytes_of(text)?)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&z85::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({self})")
    }
}

/// What proves who we are. Wiped from memory when dropped; no text is made of it but by [`SecretKey::to_z85`].
#[derive(Clone)]
pub struct SecretKey(StaticSecret);

impl SecretKey {
    /// From the 32 bytes.
    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        SecretKey(StaticSecret::from(*bytes))
    }

    /// The text for a file that nobody else can read. Wiped when dropped.
    pub fn to_z85(&self) -> Zeroizing<String> {
        z85::encode(self.0.as_bytes())
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(x25519_dalek::PublicKey::from(&self.0).to_bytes())
    }

    pub(super) fn as_bytes(&self) -> &[u8; KEY_BYTES] {
        self.0.as_bytes()
    }

    pub(super) fn diffie_hellman(&self, public: &PublicKey) -> x25519_dalek::SharedSecret {
        self.0.diffie_hellman(&public.0.into())
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Ok(Self::from_bytes(&*bytes_of(text)?))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretKey(…)")
    }
}

fn bytes_of(text: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    let characters = text.chars().count();
    if characters != TEXT_CHARACTERS {
        return Err(KeyError::Length(characters));
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    z85::decode(text, &mut *bytes).ok_or(KeyError::NotAKey)?;
    Ok(bytes)
}

/// Both keys of one owner.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// For the owner alone.
    pub secret: SecretKey,
    /// For everybody.
    pub public: PublicKey,
}

impl KeyPair {
    /// A new pair.
    ///
    /// # Errors
    /// [`CurveError::NoRandomness`], which a sound system never has.
    pub fn generate() -> Result<Self, CurveError> {
        Ok(SecretKey::from_bytes(&Zeroizing::new(random()?)).into())
    }
}

impl From<SecretKey> for KeyPair {
    fn from(secret: SecretKey) -> Self {
        KeyPair { public: secret.public_key(), secret }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The keys of RFC 26's and libzmq's documentation (man zmq_curve).
    const PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
    const SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

    #[test]
    fn libzmqs_keys_belong_together() {
        let secret: SecretKey = SECRET.parse().unwrap();
        assert_eq!(secret.public_key().to_string(), PUBLIC);
        assert_eq!((&**secret.to_z85(), secret.public_key()), (SECRET, PUBLIC.parse().unwrap()));
    }

    #[test]
    fn a_new_pair_is_new_and_survives_its_text() {
        let [one, other] = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
        assert_ne!(one.public, other.public);
        let again = KeyPair::from(one.secret.to_z85().parse::<SecretKey>().unwrap());
        assert_eq!(again.public, one.public);
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        assert_eq!("short".parse::<PublicKey>(), Err(KeyError::Length(5)));
        assert_eq!("é".repeat(40).parse::<PublicKey>(), Err(KeyError::NotAKey));
        assert_eq!("#".repeat(40).parse::<SecretKey>().map(|_| ()), Err(KeyError::NotAKey));
        let two_forms = z85::encode(&[0xff; 32]);
        assert_eq!(two_forms.parse::<PublicKey>(), Err(KeyError::NotAKey));
    }

    #[test]
    fn debug_shows_no_secret() {
        let keys = KeyPair::from(SECRET.parse::<SecretKey>().unwrap());
        let shown = format!("{keys:?}");
        assert!(shown.contains(PUBLIC) && !shown.contains("D:)Q"), "{shown}");
    }
}
