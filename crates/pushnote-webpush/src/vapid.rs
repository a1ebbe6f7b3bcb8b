//! Who sends: RFC 8292.

use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;
use url::Url;

use crate::base64url;
use crate::key::{Key, KeyId, Keys};

/// How long a token holds, in seconds: services refuse more than a day.
const LIFE_S: u64 = 12 * 3600;
/// Push services whose tokens are kept. There are a handful; but a subscription can name any host.
const ORIGINS_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Bytes of a subject.
const SUBJECT_BYTES_MAX: usize = 256;
const HEADER: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

/// Whom a push service writes to if something is wrong with what it is sent: `mailto:` or `https:`.
///
/// ```
/// use pushnote_webpush::Subject;
///
/// assert!("mailto:ops@example.com".parse::<Subject>().is_ok());
/// assert!("ops@example.com".parse::<Subject>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

/// Why a text is no [`Subject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// What is neither.
    #[error("the subject has to be mailto:… or https://…, an address at which push services reach you")]
    Scheme,
    /// Apple refuses these.
    #[error(
        "the subject's mail address has to be name@host with a dot in the host, and without spaces: Apple refuses others"
    )]
    Mail,
    /// Too much for a header.
    #[error("the subject has more than {SUBJECT_BYTES_MAX} bytes")]
    TooLong,
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > SUBJECT_BYTES_MAX {
            return Err(SubjectError::TooLong);
        }
        if let Some(address) = text.strip_prefix("mailto:") {
            let (name, host) = address.rsplit_once('@').ok_or(SubjectError::Mail)?;
            let labels = host.split('.').filter(|label| !label.is_empty()).count();
            let dotted = labels >= 2 && labels == host.split('.').count();
            if name.is_empty() || !dotted || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(SubjectError::Mail);
            }
        } else if !text.starts_with("https://")
            || !text.bytes().all(|byte| byte.is_ascii_graphic())
            || Url::parse(text).is_err()
        {
            return Err(SubjectError::Scheme);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Makes the `Authorization` header, one for each push service and key, and keeps it for hours: a signature costs as much as
/// a message.
#[derive(Debug)]
pub struct Vapid {
    keys: Keys,
    subject: Subject,
    kept: Mutex<LruCache<(KeyId, Box<str>), Kept>>,
}

#[derive(Debug)]
struct Kept {
    header: Arc<str>,
    /// Unix time in seconds.
    made: u64,
}

impl Vapid {
    /// Signs with these keys, for this subject.
    pub fn new(keys: Keys, subject: Subject) -> Self {
        Self { keys, subject, kept: Mutex::new(LruCache::new(ORIGINS_MAX)) }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The value of `Authorization` for a push service (an [`Endpoint::origin`](crate::Endpoint::origin)) and the key the
    /// subscription was made with; `None` if that key is not there any more. `now` is Unix time in seconds.
    pub fn authorization(&self, origin: &str, key: KeyId, now: u64) -> Option<Arc<str>> {
        let key = self.keys.find(key)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get_or_insert_mut((key.id(), origin.into()), || self.make(origin, key, now));
        // Of the future, too, if the clock was set back: a service would find that it holds too long.
        if !(kept.made..kept.made + LIFE_S / 2).contains(&now) {
            *kept = self.make(origin, key, now);
        }
        Some(kept.header.clone())
    }

    /// Forgets what was made for a push service, which has refused it.
    pub fn forget(&self, origin: &str, key: KeyId) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop(&(key, origin.into()));
    }

    fn make(&self, origin: &str, key: &Key, now: u64) -> Kept {
        let token = token(origin, &self.subject, key, now + LIFE_S);
        Kept { header: format!("vapid t={token}, k={}", key.public_base64url()).into(), made: now }
    }
}

/// A JWT; `expires` is Unix time in seconds.
fn token(origin: &str, subject: &Subject, key: &Key, expires: u64) -> String {
    let claims = serde_json::json!({ "aud": origin, "exp": expires, "sub": subject.0 }).to_string();
    let signed = format!("{}.{}", base64url::encode(HEADER.as_bytes()), base64url::encode(claims.as_bytes()));
    let signature = base64url::encode(&key.sign(&signed));
    format!("{signed}.{signature}")
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::signature::Verifier;
    use p256::ecdsa::{Signature, VerifyingKey};

    use super::*;

    /// RFC 8292, section 2.4: names and values, a line each.
    const VECTOR: &str = include_str!("../tests/vectors/rfc8292.txt");

    fn value(name: &str) -> &'static str {
        let line = VECTOR.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("{name} is not in the vector"))
    }

    fn verifies(token: &str, public: &[u8; 65]) -> bool {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = Signature::from_slice(&base64url::decode::<64>(signature).unwrap()).unwrap();
        VerifyingKey::from_sec1_bytes(public).unwrap().verify(signed.as_bytes(), &signature).is_ok()
    }

    #[test]
    fn the_example_of_the_rfc_byte_for_byte_but_for_the_signature() {
        let key = Key::generate().unwrap();
        let subject = value("subject").parse().unwrap();
        let token = token(value("origin"), &subject, &key, value("expires").parse().unwrap());
        let signed = |token: &str| token.rsplit_once('.').map(|(signed, _)| signed.to_owned());
        assert_eq!(signed(&token), signed(value("t")));
        assert!(
            verifies(value("t"), &base64url::decode(value("k")).unwrap()),
            "theirs, whose private key is not in the RFC"
        );
        assert!(verifies(&token, key.public_bytes()), "ours");
    }

    #[test]
    fn a_header_is_kept_for_half_the_life_of_its_token() {
        let [current, old] = [(); 2].map(|()| Key::generate().unwrap());
        let vapid =
            Vapid::new(Keys::new(current.clone(), vec![old.clone()]), "mailto:a@b.example".parse().unwrap());
        let now = 1_800_000_000;
        let header = |origin: &str, key: &Key, now| vapid.authorization(origin, key.id(), now).unwrap();
        let first = header("https://a.example", &current, now);
        assert!(
            first.starts_with("vapid t=ey")
                && first.ends_with(&format!(", k={}", current.public_base64url())),
            "{first}"
        );
        assert!(Arc::ptr_eq(&first, &header("https://a.example", &current, now + LIFE_S / 2 - 1)));
        assert_ne!(first, header("https://a.example", &old, now), "of another key");
        assert_ne!(first, header("https://b.example", &current, now), "for another service");
        assert_ne!(first, header("https://a.example", &current, now + LIFE_S / 2), "renewed");
        assert_eq!(first, header("https://a.example", &current, now), "the clock was set back");
        vapid.forget("https://a.example", current.id());
        assert!(!Arc::ptr_eq(&first, &header("https://a.example", &current, now)), "it was forgotten");
        assert_eq!(vapid.authorization("https://a.example", KeyId([0; 8]), now), None);
    }

    #[test]
    fn subjects_are_what_every_service_takes() {
        for subject in ["mailto:ops@example.com", "https://example.com/contact", "mailto:a+b@x.y.example"] {
            assert!(subject.parse::<Subject>().is_ok(), "{subject}");
        }
        for subject in [
            "mailto:ops@localhost",
            "mailto: ops@example.com",
            "mailto:example.com",
            "mailto:@a.b",
            "mailto:a@.b",
        ] {
            assert_eq!(subject.parse::<Subject>(), Err(SubjectError::Mail), "{subject}");
        }
        for subject in ["", "ops@example.com", "http://example.com", "https://", "https://a b"] {
            assert_eq!(subject.parse::<Subject>(), Err(SubjectError::Scheme), "{subject}");
        }
        assert_eq!("x".repeat(257).parse::<Subject>(), Err(SubjectError::TooLong));
    }
}
