//! Public keys of those who sign JWTs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::DecodePublicKey;
use rsa::BoxedUint;
use rsa::traits::PublicKeyParts;
use serde::Deserialize;
use sha2::Sha256;
use signature::Verifier;

/// Shortest RSA key, in bytes: what RFC 7518 asks for.
const RSA_BYTES_MIN: usize = 2048 / 8;

/// The algorithms of public keys, by their names in a JWT's header (RFC 7518, 8037, 9864).
pub(super) const PUBLIC_ALGS: [&str; 4] = ["RS256", "ES256", "EdDSA", "Ed25519"];

/// Public keys by which JWTs are verified that others than the application signed, or the application without giving its
/// secret away: RSA (RS256), P-256 (ES256) and Ed25519 (EdDSA).
#[derive(Debug, Clone, Default)]
pub struct JwtKeys(Vec<PublicKey>);

#[derive(Debug, Clone)]
enum PublicKey {
    Rsa(rsa::pkcs1v15::VerifyingKey<Sha256>),
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// Why a text has no public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtKeysError {
    /// Something else.
    #[error(
        "it has neither public keys in PEM (-----BEGIN PUBLIC KEY-----) nor a JWK set ({{\"keys\":[…]}})"
    )]
    NotKeys,
    /// A private key, which is nobody's but the signer's, or a secret.
    #[error("key {at} is private; give the public one: openssl pkey -in PRIVATE -pubout")]
    Private {
        /// Counted from 1.
        at: usize,
    },
    /// Damaged, or of a kind that is not taken.
    #[error("key {at} is no public key of RSA (2048 bits or more), P-256 or Ed25519")]
    NotAKey {
        /// Counted from 1.
        at: usize,
    },
    /// Keys, but for other purposes.
    #[error("none of its {len} keys is for RS256, ES256 or EdDSA")]
    NoneForUs {
        /// How many they are.
        len: usize,
    },
}

impl JwtKeys {
    /// Reads the contents of a file: public keys in PEM, one behind the other, or a JWK set (RFC 7517), of which keys
    /// for other algorithms and for encryption are left out.
    ///
    /// # Errors
    ///
    /// [`JwtKeysError`] if there is no key, or one that cannot be read.
    pub fn parse(text: &str) -> Result<Self, JwtKeysError> {
        let blocks: Vec<_> = text.match_indices("-----BEGIN ").map(|(at, _)| &text[at..]).collect();
        if !blocks.is_empty() {
            return blocks
                .iter()
                .zip(1..)
                .map(|(block, at)| pem(block, at))
                .collect::<Result<_, _>>()
                .map(Self);
        }
        let set: JwkSet = serde_json::from_str(text).map_err(|_| JwtKeysError::NotKeys)?;
        let keys = set.keys.iter().zip(1..).filter_map(|(jwk, at)| jwk.key(at).transpose());
        let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(JwtKeysError::NoneForUs { len: set.keys.len() }) } else { Ok(Self(keys)) }
    }

    /// These and `others`.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Whether one of the keys for `alg` made `signature` of `signed`.
    pub(super) fn have_signed(&self, alg: &str, signed: &[u8], signature: &[u8]) -> bool {
        self.0.iter().any(|key| match (alg, key) {
            ("RS256", PublicKey::Rsa(key)) => {
                signature.try_into().is_ok_and(|signature| key.verify(signed, &signature).is_ok())
            }
            ("ES256", PublicKey::P256(key)) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(signed, &signature).is_ok()),
            ("EdDSA" | "Ed25519", PublicKey::Ed25519(key)) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(signed, &signature).is_ok()),
            _ => false,
        })
    }
}

/// The first key of `text`.
fn pem(text: &str, at: usize) -> Result<PublicKey, JwtKeysError> {
    const END: &str = "-----END ";
    let label = text.lines().next().unwrap_or_default();
    if label.contains("PRIVATE") {
        return Err(JwtKeysError::Private { at });
    }
    let end =
        text.find(END).and_then(|end| Some(end + END.len() + text[end + END.len()..].find("-----")? + 5));
    let text = end.map_or(text, |end| &text[..end]);
    rsa::PublicKey::from_public_key_pem(text)
        .ok()
        .and_then(PublicKey::rsa)
        .or_else(|| p256::ecdsa::VerifyingKey::from_public_key_pem(text).ok().map(PublicKey::P256))
        .or_else(|| ed25519_dalek::VerifyingKey::from_public_key_pem(text).ok().map(PublicKey::Ed25519))
        .ok_or(JwtKeysError::NotAKey { at })
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// The members that count here; numbers are in base64url.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
    /// Of private keys.
    #[serde(default)]
    d: Option<serde::de::IgnoredAny>,
}

impl Jwk {
    /// `None` if it is a key for something else.
    fn key(&self, at: usize) -> Result<Option<PublicKey>, JwtKeysError> {
        if self.d.is_some() {
            return Err(JwtKeysError::Private { at });
        }
        let (algs, key): (&[_], fn(&Self) -> Option<PublicKey>) = match (self.kty.as_str(), self.crv.as_str())
        {
            ("RSA", _) => (&["RS256"], Self::rsa),
            ("EC", "P-256") => (&["ES256"], Self::p256),
            ("OKP", "Ed25519") => (&["EdDSA", "Ed25519"], Self::ed25519),
            _ => return Ok(None),
        };
        let signs = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        if !signs || self.alg.as_deref().is_some_and(|alg| !algs.contains(&alg)) {
            return Ok(None);
        }
        key(self).map(Some).ok_or(JwtKeysError::NotAKey { at })
    }

    fn rsa(&self) -> Option<PublicKey> {
        let number = |text: &str| decode(text).map(|bytes| BoxedUint::from_be_slice_vartime(&bytes));
        rsa::PublicKey::new(number(&self.n)?, number(&self.e)?).ok().and_then(PublicKey::rsa)
    }

    fn p256(&self) -> Option<PublicKey> {
        let (x, y) = (decode(&self.x)?, decode(&self.y)?);
        // SEC 1's form of a point that is not compressed.
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok().map(PublicKey::P256)
    }

    fn ed25519(&self) -> Option<PublicKey> {
        let bytes = decode(&self.x)?.try_into().ok()?;
        ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok().map(PublicKey::Ed25519)
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

impl PublicKey {
    fn rsa(key: rsa::PublicKey) -> Option<Self> {
        (key.size() >= RSA_BYTES_MIN).then(|| Self::Rsa(rsa::pkcs1v15::VerifyingKey::new(key)))
    }
}
