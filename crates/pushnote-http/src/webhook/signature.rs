//! How a webhook is signed, as Standard Webhooks has it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a secret, least and most.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What secrets are written with, or without.
const PREFIX: &str = "whsec_";

/// What webhooks are signed with. Whoever gets them has the same.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

/// A text that is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookSecretError {
    /// Not base64.
    #[error("it is not base64; `openssl rand -base64 32` makes one")]
    NotBase64,
    /// Too short to be secret, or too long for others.
    #[error("it has {len} bytes, decoded; {} to {} are allowed: `openssl rand -base64 32` makes one", SECRET_BYTES.start(), SECRET_BYTES.end())]
    Length {
        /// How many it has, decoded.
        len: usize,
    },
}

impl WebhookSecret {
    /// Reads one: base64 of 24 to 64 bytes, with `whsec_` before it or without.
    ///
    /// # Errors
    ///
    /// [`WebhookSecretError`] for any other text.
    pub fn parse(text: &str) -> Result<Self, WebhookSecretError> {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let secret = BASE64.decode(encoded).map_err(|_| WebhookSecretError::NotBase64)?;
        let len = secret.len();
        if !SECRET_BYTES.contains(&len) {
            return Err(WebhookSecretError::Length { len });
        }
        // HMAC takes keys of any length.
        Hmac::new_from_slice(&secret).map(Self).map_err(|_| WebhookSecretError::Length { len })
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, unix_s: u64, body: &[u8]) -> String {
        let mac = self.0.clone().chain_update(format!("{id}.{unix_s}.")).chain_update(body);
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_standard_webhooks_do() {
        // Of the specification's own libraries.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_is_told() {
        let parse = |text: &str| WebhookSecret::parse(text).map(|_| ());
        assert_eq!(parse("whsec_*"), Err(WebhookSecretError::NotBase64));
        assert_eq!(parse("c2hvcnQ="), Err(WebhookSecretError::Length { len: 5 }));
        assert_eq!(parse(&BASE64.encode([7; 32])), Ok(()));
        assert_eq!(
            format!("{:?}", WebhookSecret::parse(&BASE64.encode([7; 32])).unwrap()),
            "WebhookSecret(..)"
        );
    }
}
