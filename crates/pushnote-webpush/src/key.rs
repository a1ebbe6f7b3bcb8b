//! The key of an application server. A browser subscribes with the public half, and takes messages from who has the other.

use std::fmt;
use std::iter;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::SecretKey;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::{EncodePrivateKey, LineEnding};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::base64url;

/// A key pair on P-256.
///
/// ```
/// use pushnote_webpush::Key;
///
/// let key = Key::parse("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")?;
/// // What `pushManager.subscribe` wants as `applicationServerKey`.
/// assert!(key.public_base64url().starts_with("BP4z9KsN6nGRTbVYI_c7VJSP"));
/// # Ok::<(), pushnote_webpush::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Key {
    secret: SecretKey,
    signing: SigningKey,
    public: [u8; 65],
    id: KeyId,
}

/// Which key a subscription was made with: the first eight bytes of the public key's SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

/// Why a text is no key. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither PEM nor base64 of 32 bytes.
    #[error("no private key of P-256: PEM (PKCS#8 or SEC1) or base64url of 32 bytes is one")]
    Unknown,
    /// Half of what is needed.
    #[error("a public key: the private one is needed")]
    Public,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

impl Key {
    /// A new key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        Ok(Self::new(SecretKey::try_generate()?))
    }

    /// Reads a private key: PEM with PKCS#8 or SEC1 in it, or base64 of its 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unknown`], [`KeyError::Public`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.contains("-----BEGIN PUBLIC KEY-----") {
            return Err(KeyError::Public);
        }
        let secret = if text.contains("-----BEGIN") {
            Self::from_pem(text)
        } else {
            let bytes = base64url::decode::<32>(text).map(Zeroizing::new);
            bytes.and_then(|bytes| SecretKey::from_slice(&*bytes).ok())
        };
        secret.map(Self::new).ok_or(KeyError::Unknown)
    }

    /// OpenSSL writes the parameters of the curve before a SEC1 key.
    fn from_pem(text: &str) -> Option<SecretKey> {
        let begin = text
            .match_indices("-----BEGIN ")
            .find(|(at, _)| !text[*at..].starts_with("-----BEGIN EC PARAMETERS"))?
            .0;
        SecretKey::from_pem(&text[begin..]).ok()
    }

    fn new(secret: SecretKey) -> Self {
        let mut public = [0; 65];
        public.copy_from_slice(&secret.public_key().to_sec1_bytes());
        let hash = Sha256::digest(public);
        let mut id = [0; 8];
        id.copy_from_slice(&hash[..8]);
        Self { signing: SigningKey::from(&secret), secret, public, id: KeyId(id) }
    }

    /// The public key, an uncompressed point: 4, x, y.
    pub fn public_bytes(&self) -> &[u8; 65] {
        &self.public
    }

    /// The public key in base64, padded.
    pub fn public_base64(&self) -> String {
        STANDARD.encode(self.public)
    }

    /// The public key in url-safe base64 without padding: what a browser's `pushManager.subscribe` takes.
    pub fn public_base64url(&self) -> String {
        base64url::encode(&self.public)
    }

    /// The private key: a number, big end first.
    pub fn private_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes().into())
    }

    /// The private key in base64, padded.
    pub fn private_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&self.private_bytes()[..]))
    }

    /// The private key in url-safe base64 without padding, as most libraries of Web Push write it.
    pub fn private_base64url(&self) -> Zeroizing<String> {
        Zeroizing::new(base64url::encode(&self.private_bytes()[..]))
    }

    /// The private key in PEM, as PKCS#8.
    ///
    /// # Errors
    ///
    /// Never with a key of P-256.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        self.secret.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::Unknown)
    }

    /// What it is known by.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// An ES256 signature: r and s.
    pub(crate) fn sign(&self, text: &str) -> [u8; 64] {
        let signature: Signature = self.signing.sign(text.as_bytes());
        signature.to_bytes().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The key that browsers subscribe with, and those before it: a subscription takes messages only from the key that it was
/// made with, until its browser subscribes anew.
#[derive(Clone, Debug)]
pub struct Keys {
    current: Key,
    old: Vec<Key>,
}

impl Keys {
    /// The current key, and old ones.
    pub fn new(current: Key, old: Vec<Key>) -> Self {
        Self { current, old }
    }

    /// What browsers subscribe with.
    pub fn current(&self) -> &Key {
        &self.current
    }

    /// What all of them are known by.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.all().map(Key::id)
    }

    /// The key a subscription was made with, if it is still there.
    pub fn find(&self, id: KeyId) -> Option<&Key> {
        self.all().find(|key| key.id == id)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        iter::once(&self.current).chain(&self.old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same key in each form, as OpenSSL 3 writes it.
    const RAW: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    const SEC1: &str = include_str!("../tests/vectors/sec1.pem");
    const SEC1_WITH_PARAMETERS: &str = include_str!("../tests/vectors/sec1_parameters.pem");
    const PKCS8: &str = include_str!("../tests/vectors/pkcs8.pem");
    const PUBLIC: &str = include_str!("../tests/vectors/public.pem");

    #[test]
    fn a_key_is_the_same_in_each_form() {
        let key = Key::parse(RAW).unwrap();
        assert_eq!(
            key.public_base64url(),
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
        );
        assert_eq!(key.public_base64(), key.public_base64url().replace('-', "+").replace('_', "/") + "=");
        assert_eq!(*key.private_base64url(), RAW);
        let written = key.to_pem().unwrap();
        for text in
            [SEC1, SEC1_WITH_PARAMETERS, PKCS8, &*written, &*key.private_base64(), &format!(" {RAW}\n")]
        {
            assert_eq!(Key::parse(text).unwrap().id(), key.id(), "{text}");
        }
        assert_eq!(*written, PKCS8);
    }

    #[test]
    fn what_is_no_key() {
        assert_eq!(Key::parse(PUBLIC).unwrap_err(), KeyError::Public);
        let zero = base64url::encode(&[0; 32]);
        let too_large = base64url::encode(&[255; 32]);
        for text in ["", "hello", &RAW[1..], &zero, &too_large, "-----BEGIN", &SEC1[..90]] {
            assert_eq!(Key::parse(text).unwrap_err(), KeyError::Unknown, "{text}");
        }
    }

    #[test]
    fn old_keys_are_found() {
        let [current, old, other] = [(); 3].map(|()| Key::generate().unwrap());
        let keys = Keys::new(current.clone(), vec![old.clone()]);
        assert_eq!(keys.find(old.id()).map(Key::public_bytes), Some(old.public_bytes()));
        assert_eq!(keys.find(current.id()).map(Key::id), Some(current.id()));
        assert!(keys.find(other.id()).is_none());
        assert!(!format!("{keys:?}").contains(&*current.private_base64url()));
    }
}
