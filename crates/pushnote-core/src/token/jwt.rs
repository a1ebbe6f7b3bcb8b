//! JSON Web Tokens (RFC 7515, 7519), of four algorithms and in the compact form `header.payload.signature`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::error::TokenFlaw;
use super::jwt_keys::{JwtKeys, PUBLIC_ALGS};
use super::keys::{Keys, Secret};

/// Finds whether a token was signed with a secret of the server's or by the owner of a public key. Each key has one
/// algorithm: what a token says of its own only chooses among the keys, so that no public key is ever a secret.
pub(super) struct JwtVerifier {
    /// The keyed starts of HS256, one for each secret.
    secrets: Vec<Hmac<Sha256>>,
    keys: JwtKeys,
}

impl JwtVerifier {
    /// By the server's secrets alone.
    pub(super) fn new(keys: &Keys) -> Self {
        let secrets = std::iter::once(&keys.first).chain(&keys.others).map(Secret::bytes);
        let keyed = |secret| Hmac::new_from_slice(secret).expect("HMAC takes a key of any length");
        Self { secrets: secrets.map(keyed).collect(), keys: JwtKeys::default() }
    }

    /// By these public keys, too.
    pub(super) fn with_keys(self, keys: JwtKeys) -> Self {
        Self { keys, ..self }
    }

    /// The payload of `token`, if its signature is good.
    pub(super) fn payload(&self, token: &str) -> Result<Vec<u8>, TokenFlaw> {
        let Parts { signed, header, payload, signature } =
            parts(token).ok_or_else(|| TokenFlaw::of_no_token(token))?;
        // Extensions that whoever does not know them must refuse; we know none.
        if header.contains_key("crit") {
            return Err(TokenFlaw::Critical);
        }
        match header.get("alg").and_then(Value::as_str) {
            Some("HS256") if self.is_ours(signed.as_bytes(), &signature) => Ok(payload),
            Some("HS256") => Err(TokenFlaw::SecretSignature),
            Some(alg) if self.keys.have_signed(alg, signed.as_bytes(), &signature) => Ok(payload),
            Some(alg) if PUBLIC_ALGS.contains(&alg) => Err(TokenFlaw::KeySignature),
            _ => Err(TokenFlaw::Algorithm),
        }
    }

    /// Compares in constant time.
    fn is_ours(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.secrets.iter().any(|mac| mac.clone().chain_update(signed).verify_slice(signature).is_ok())
    }
}

/// A JWT, taken apart.
struct Parts<'a> {
    /// What is signed.
    signed: &'a str,
    header: Map<String, Value>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn parts(token: &str) -> Option<Parts<'_>> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let [header, payload, signature] =
        [header, payload, signature].map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    Some(Parts {
        signed,
        header: serde_json::from_slice(&header?).ok()?,
        payload: payload?,
        signature: signature?,
    })
}
