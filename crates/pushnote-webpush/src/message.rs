//! What is sent.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};

/// Bytes of a payload: what a body of 4096 bytes, which every service takes, has room for (RFC 8291, section 4).
pub const PAYLOAD_BYTES_MAX: usize = 3993;
/// How long a service keeps a message that says nothing of it.
pub const TTL_DEFAULT: Duration = Duration::from_secs(12 * 3600);
/// How long a service keeps a message at most: FCM takes no longer time.
pub const TTL_MAX: Duration = Duration::from_secs(28 * 24 * 3600);
/// Letters of a topic (RFC 8030, section 5.4).
const TOPIC_BYTES_MAX: usize = 32;

/// What a browser is sent, and how its push service is to treat it.
///
/// ```
/// use std::time::Duration;
/// use pushnote_webpush::{Message, Topic, Urgency};
///
/// let message = Message::new(r#"{"title":"Match","body":"2:1"}"#)?
///     .ttl(Duration::from_secs(90 * 60))
///     .urgency(Urgency::High)
///     .topic(Topic::of("match 42"));
/// # Ok::<(), pushnote_webpush::MessageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    payload: Option<Bytes>,
    /// How long a service keeps it for a browser that is away; with zero, it is for who is here now.
    pub ttl: Duration,
    /// What a device that saves power waits with.
    pub urgency: Urgency,
    /// A message with the same topic that a service still keeps is replaced by this one.
    pub topic: Option<Topic>,
    /// Nothing is shown for it. Apple's devices do not get such a message: a page that sends them loses its permission there.
    pub quiet: bool,
}

/// Why something cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No service need take it.
    #[error(
        "the payload has {bytes} bytes, and a push message has room for {PAYLOAD_BYTES_MAX}: send a reference to it"
    )]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// Not such a topic.
    #[error(
        "a topic has 1 to {TOPIC_BYTES_MAX} of the letters A-Z a-z 0-9 - _; Topic::of makes one of any text"
    )]
    Topic,
    /// Not such an urgency.
    #[error("an urgency is one of very-low, low, normal, high")]
    Urgency,
}

impl Message {
    /// A message with this payload, which may be empty; kept for [`TTL_DEFAULT`].
    ///
    /// # Errors
    ///
    /// [`MessageError::TooLong`] with more than [`PAYLOAD_BYTES_MAX`] bytes.
    pub fn new(payload: impl Into<Bytes>) -> Result<Self, MessageError> {
        let payload = payload.into();
        match payload.len() {
            0..=PAYLOAD_BYTES_MAX => Ok(Self { payload: Some(payload), ..Self::without_payload() }),
            bytes => Err(MessageError::TooLong { bytes }),
        }
    }

    /// A message whose payload is JSON, as service workers mostly want it.
    ///
    /// # Errors
    ///
    /// [`MessageError::TooLong`].
    pub fn json(payload: &serde_json::Value) -> Result<Self, MessageError> {
        Self::new(payload.to_string())
    }

    /// A message that says only that there is one: its body is empty, and nothing is encrypted.
    pub fn without_payload() -> Self {
        Self { payload: None, ttl: TTL_DEFAULT, urgency: Urgency::default(), topic: None, quiet: false }
    }

    /// How long a service keeps it; longer than [`TTL_MAX`] is cut to that.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { ttl: ttl.min(TTL_MAX), ..self }
    }

    /// What a device that saves power waits with.
    #[must_use]
    pub fn urgency(self, urgency: Urgency) -> Self {
        Self { urgency, ..self }
    }

    /// What it replaces while a service still keeps it.
    #[must_use]
    pub fn topic(self, topic: Topic) -> Self {
        Self { topic: Some(topic), ..self }
    }

    /// What the browser will read; `None` is a message without a body.
    pub fn payload(&self) -> Option<&Bytes> {
        self.payload.as_ref()
    }
}

/// How soon a device that saves power wants to know (RFC 8030, section 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// On power and Wi-Fi: advertisements.
    VeryLow,
    /// On power or Wi-Fi: news.
    Low,
    /// On neither: chat, calendar.
    #[default]
    Normal,
    /// With a battery that is low: a call, something that is soon too late.
    High,
}

impl Urgency {
    /// As the header has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

impl FromStr for Urgency {
    type Err = MessageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::VeryLow, Self::Low, Self::Normal, Self::High];
        all.into_iter().find(|urgency| urgency.as_str() == text).ok_or(MessageError::Urgency)
    }
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a message replaces at a push service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic(String);

impl Topic {
    /// The topic of any text, a channel's name perhaps: hex digits of its hash, which every service takes.
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text)[..TOPIC_BYTES_MAX / 2].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As the header has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Topic {
    type Err = MessageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=TOPIC_BYTES_MAX).contains(&text.len()) && text.bytes().all(letter);
        fits.then(|| Self(text.to_owned())).ok_or(MessageError::Topic)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_as_much_as_every_service_takes() {
        assert_eq!(Message::new(vec![0; 3993]).unwrap().payload().map(Bytes::len), Some(3993));
        assert_eq!(Message::new(vec![0; 3994]), Err(MessageError::TooLong { bytes: 3994 }));
        assert_eq!(Message::new("").unwrap().payload(), Some(&Bytes::new()));
        assert_eq!(Message::without_payload().payload(), None);
        assert_eq!(Message::without_payload().ttl(Duration::MAX).ttl, TTL_MAX);
    }

    #[test]
    fn topics_and_urgencies_are_of_the_header() {
        for text in ["a", "A-z_0", &"x".repeat(32)] {
            assert_eq!(text.parse::<Topic>().unwrap().as_str(), text);
        }
        for text in ["", "a b", "a=", "é", &"x".repeat(33)] {
            assert_eq!(text.parse::<Topic>(), Err(MessageError::Topic), "{text}");
        }
        let derived = Topic::of("any text, é");
        assert_eq!(derived.as_str().parse(), Ok(derived));
        for urgency in ["very-low", "low", "normal", "high"] {
            assert_eq!(urgency.parse::<Urgency>().unwrap().as_str(), urgency);
        }
        assert_eq!("High".parse::<Urgency>(), Err(MessageError::Urgency));
    }
}
