//! Secrets and their rotation.

use std::fmt;

use zeroize::Zeroizing;

/// Shortest secret, in bytes: what HMAC-SHA-256 can make full use of.
pub const SECRET_BYTES_MIN: usize = 32;

/// What application and server share to sign and verify tokens: Django's `SECRET_KEY`, or one of its own.
///
/// Its `Debug` shows nothing, and its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Why a text is no secret. The texts never show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Short secrets can be guessed.
    #[error(
        "secret has {len} bytes, at least {SECRET_BYTES_MIN} are needed; make one with: openssl rand -base64 32"
    )]
    TooShort {
        /// Its length, in bytes.
        len: usize,
    },
    /// A file or variable with nothing in it.
    #[error("there is no secret; make one with: openssl rand -base64 32")]
    Missing,
}

impl Secret {
    /// Takes `text` as it is, in UTF-8, as Django does with its `SECRET_KEY`.
    ///
    /// # Errors
    ///
    /// [`SecretError::TooShort`] below [`SECRET_BYTES_MIN`].
    pub fn new(text: &str) -> Result<Self, SecretError> {
        if text.len() < SECRET_BYTES_MIN {
            return Err(SecretError::TooShort { len: text.len() });
        }
        Ok(Self(Zeroizing::new(text.as_bytes().to_vec())))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One secret, or several while one takes the place of another: the first signs, all verify.
///
/// To rotate: put the new one in second place on every server, then in first place everywhere, and take the
/// old one away when its last token has expired.
#[derive(Debug, Clone)]
pub struct Keys {
    pub(super) first: Secret,
    pub(super) others: Vec<Secret>,
}

impl Keys {
    /// The secret that signs.
    pub fn new(secret: Secret) -> Self {
        Self { first: secret, others: Vec::new() }
    }

    /// Adds a secret that verifies only.
    #[must_use]
    pub fn and(mut self, secret: Secret) -> Self {
        self.others.push(secret);
        self
    }

    /// Reads secrets from the contents of a file or a variable: one a line, the one that signs first. Empty
    /// lines, and white space around a secret, do not count.
    ///
    /// # Errors
    ///
    /// [`SecretError`] if there is none, or if any is too short.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let mut secrets = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new);
        let mut keys = Self::new(secrets.next().ok_or(SecretError::Missing)??);
        for secret in secrets {
            keys = keys.and(secret?);
        }
        Ok(keys)
    }
}
