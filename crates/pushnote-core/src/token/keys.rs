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
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Short secrets can be guessed.
    #[error(
        "secret has {len} bytes, at least {SECRET_BYTES_MIN} are needed; make one with: openssl rand -base64 32"
    )]
    TooShort {
        /// Its length, in bytes.
        len: usize,
    },
    /// Something else that is kept in files, and that others know.
    #[error("this is {what}, and no secret for user tokens; make one with: openssl rand -base64 32")]
    Another {
        /// What it is.
        what: &'static str,
    },
    /// A file or variable with nothing in it.
    #[error("there is no secret; make one with: openssl rand -base64 32")]
    Missing,
}

/// As [`fmt::Display`]: it is what a `main` that returns an error prints.
impl fmt::Debug for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Secret {
    /// Takes `text` as it is, in UTF-8, as Django does with its `SECRET_KEY`.
    ///
    /// # Errors
    ///
    /// [`SecretError::Another`]; [`SecretError::TooShort`] below [`SECRET_BYTES_MIN`].
    pub fn new(text: &str) -> Result<Self, SecretError> {
        if let Some(what) = other_than_secret(text) {
            return Err(SecretError::Another { what });
        }
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
    /// [`SecretError`] if there is none, or if any is too short or something else.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let mut secrets = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new);
        let mut keys = Self::new(secrets.next().ok_or(SecretError::Missing)??);
        for secret in secrets {
            keys = keys.and(secret?);
        }
        Ok(keys)
    }
}

/// How an API key begins; letters, digits, `-` and `_` follow.
const API_KEY_PREFIX: &str = "pn_";

/// Hexadecimal digits of the SHA-256 of an API key.
const API_KEY_HASH_DIGITS: usize = 64;

/// What else a line is by its look: one of the things that are easily taken for each other.
fn other_than_secret(line: &str) -> Option<&'static str> {
    let is_api_key = |word: &str| {
        let key = word.strip_prefix(API_KEY_PREFIX);
        key.filter(|key| key.len() >= SECRET_BYTES_MIN)
            .is_some_and(|key| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
    };
    let is_hash =
        |word: &str| word.len() == API_KEY_HASH_DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let line = line.trim();
    if line.split_whitespace().any(is_api_key) {
        Some("a key of the API, which whoever publishes shows")
    } else if line.split_whitespace().skip(2).any(is_hash) {
        Some("a line for the file of --api-keys")
    } else if line.starts_with("public key: ") || line.starts_with("secret key: ") {
        Some("a CURVE key, as pushnote keygen prints it")
    } else if line.starts_with("-----BEGIN ") {
        Some("a key in PEM (public ones are for --jwt-keys)")
    } else if line.starts_with('{') && line.contains("\"kty\"") {
        Some("a JSON Web Key (public ones are for --jwt-keys)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_easily_taken_for_a_secret_is_named() {
        let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let key = "pn_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_AbCdE";
        for (line, what) in [
            (key.to_owned(), "a key of the API"),
            (format!("key, for whoever publishes:  {key}"), "a key of the API"),
            (format!("shop publish,read {hash}"), "a line for the file of --api-keys"),
            (
                format!("line of the --api-keys file: shop publish {hash} news.*"),
                "a line for the file of --api-keys",
            ),
            ("public key: Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID".to_owned(), "a CURVE key"),
            ("-----BEGIN PUBLIC KEY-----".to_owned(), "a key in PEM"),
            (r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11"}]}"#.to_owned(), "a JSON Web Key"),
        ] {
            let said = Keys::parse(&format!("{line}\n")).unwrap_err().to_string();
            assert!(said.contains(what) && !said.contains(key) && !said.contains(hash), "{line}: {said}");
        }
        for secret in [hash, "pn_is how (this) secret begins, by chance", &"x".repeat(32)] {
            assert!(Keys::parse(secret).is_ok(), "{secret}");
        }
    }
}
