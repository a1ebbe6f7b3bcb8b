//! The Web Push that follows a message where nobody acknowledges it: what an envelope says of it.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;

/// Seconds that pages have to acknowledge a message if its publisher does not say.
pub const AFTER_DEFAULT_S: u32 = 10;

/// Seconds that a publisher may give them.
pub const AFTER_MAX_S: u32 = 24 * 3600;

/// Seconds for which services may be asked to keep a push: four weeks, which is what the strictest takes.
pub const TTL_MAX_S: u32 = 28 * 24 * 3600;

/// Bytes that `title`, `body`, `url` and `icon` may have together, as JSON. What a service takes is 3,993, and more is in it.
pub const TEXTS_BYTES_MAX: usize = 3_000;

/// Longest topic, in characters (RFC 8030, 5.4).
pub const TOPIC_LEN_MAX: usize = 32;

/// Longest id of a message, in bytes.
pub const MESSAGE_ID_BYTES_MAX: usize = 128;

/// `push` of an envelope: `{"after_s":10,"title":"…","body":"…","url":"…","icon":"…","ttl_s":…,"urgency":"…","topic":"…","id":"…"}`,
/// of which only `title` must be there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Push {
    /// By what the message is acknowledged and asked for. Without one, that is its
    /// [`PublicationId`](crate::PublicationId); [`Envelope::parse`](crate::Envelope::parse) fills it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Box<str>>,
    /// How long pages have to acknowledge the message, in seconds, up to [`AFTER_MAX_S`].
    pub after_s: u32,
    /// What the notification says first; not empty.
    pub title: Box<str>,
    /// What it says then.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub body: Box<str>,
    /// The page that it opens: a path, or a URL with `http:` or `https:`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Box<str>>,
    /// Its picture; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<Box<str>>,
    /// How long a service keeps it for a device that is off, in seconds, up to [`TTL_MAX_S`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u32>,
    /// How much battery it is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub urgency: Option<Urgency>,
    /// Of two with the same topic, the later replaces the other: 1 to [`TOPIC_LEN_MAX`] letters, digits, `-` and `_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Box<str>>,
}

/// How much battery a push is worth (RFC 8030, 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// Only with power and Wi-Fi.
    VeryLow,
    /// With either.
    Low,
    /// With neither.
    Normal,
    /// With a battery that is almost empty, too.
    High,
}

impl Urgency {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// What is wrong with a `push`. The texts never quote it.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Something else than an object, or one that has a key twice.
    #[error("it is not a JSON object with distinct keys, such as {{\"after_s\":10,\"title\":\"…\"}}")]
    NotAnObject,
    /// No title.
    #[error("\"title\" is not a text, or empty; it is what the notification says")]
    Title,
    /// Something else than text.
    #[error("\"{0}\" is not a text")]
    NotText(&'static str),
    /// Texts are too long for a service.
    #[error(
        "\"title\", \"body\", \"url\" and \"icon\" have {len} bytes together as JSON, {TEXTS_BYTES_MAX} are allowed"
    )]
    TooLong {
        /// What they have, in bytes.
        len: usize,
    },
    /// Nothing that a page or a picture is found by.
    #[error(
        "\"{0}\" is neither a path (/…) nor a URL with http: or https:, without spaces and control characters"
    )]
    NotUrl(&'static str),
    /// No time to acknowledge in.
    #[error("\"after_s\" is not a whole number of seconds from 0 to {AFTER_MAX_S}")]
    After,
    /// No time to keep it for.
    #[error("\"ttl_s\" is not a whole number of seconds from 0 to {TTL_MAX_S}")]
    Ttl,
    /// None of the four.
    #[error("\"urgency\" is none of very-low, low, normal and high")]
    Urgency,
    /// Not what services take as one.
    #[error("\"topic\" is not a text of 1 to {TOPIC_LEN_MAX} letters (A-Z, a-z), digits, - and _")]
    Topic,
    /// Not what a message is known by.
    #[error("\"id\" is not a text of 1 to {MESSAGE_ID_BYTES_MAX} bytes without control characters")]
    Id,
}

/// As [`fmt::Display`]: it is what a `main` that returns an error prints.
impl fmt::Debug for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "json::field")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    after_s: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    title: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    body: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    url: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    icon: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    ttl_s: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    urgency: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "json::field")]
    topic: Option<&'a RawValue>,
}

impl Push {
    /// A notification that says this, if no page acknowledges the message within [`AFTER_DEFAULT_S`] seconds.
    #[must_use]
    pub fn new(title: impl Into<Box<str>>) -> Self {
        Self { title: title.into(), after_s: AFTER_DEFAULT_S, ..Self::default() }
    }

    /// If none does within this time: whole seconds, up to a day. Zero pushes at once.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self { after_s: whole_seconds(time), ..self }
    }

    /// What the notification says below its title.
    #[must_use]
    pub fn body(self, text: impl Into<Box<str>>) -> Self {
        Self { body: text.into(), ..self }
    }

    /// The page that it opens: a path, or a URL with `http:` or `https:`.
    #[must_use]
    pub fn url(self, url: impl Into<Box<str>>) -> Self {
        Self { url: Some(url.into()), ..self }
    }

    /// Its picture: likewise.
    #[must_use]
    pub fn icon(self, url: impl Into<Box<str>>) -> Self {
        Self { icon: Some(url.into()), ..self }
    }

    /// How long it is worth something to a device that is off: whole seconds, up to four weeks.
    #[must_use]
    pub fn ttl(self, time: Duration) -> Self {
        Self { ttl_s: Some(whole_seconds(time)), ..self }
    }

    /// How much battery it is worth.
    #[must_use]
    pub fn urgency(self, urgency: Urgency) -> Self {
        Self { urgency: Some(urgency), ..self }
    }

    /// Of two with the same topic, the later replaces the other.
    #[must_use]
    pub fn topic(self, topic: impl Into<Box<str>>) -> Self {
        Self { topic: Some(topic.into()), ..self }
    }

    /// By what the message is acknowledged and asked for, where its number among its publisher's does not do.
    #[must_use]
    pub fn id(self, id: impl Into<Box<str>>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Reads one, within its limits. Keys that it does not know are skipped.
    ///
    /// # Errors
    ///
    /// [`PushError`] for anything else. No input makes it panic.
    pub fn parse(text: &[u8]) -> Result<Self, PushError> {
        let fields: Fields<'_> = json::object(text).map_err(|_| PushError::NotAnObject)?;
        let text = |field, name| read::<Box<str>>(field, PushError::NotText(name));
        let push = Self {
            id: read(fields.id, PushError::Id)?,
            after_s: read(fields.after_s, PushError::After)?.unwrap_or(AFTER_DEFAULT_S),
            title: read(fields.title, PushError::Title)?.unwrap_or_default(),
            body: text(fields.body, "body")?.unwrap_or_default(),
            url: text(fields.url, "url")?,
            icon: text(fields.icon, "icon")?,
            ttl_s: read(fields.ttl_s, PushError::Ttl)?,
            urgency: read(fields.urgency, PushError::Urgency)?,
            topic: read(fields.topic, PushError::Topic)?,
        };
        push.check()?;
        Ok(push)
    }

    /// Its JSON, as [`Push::parse`] reads it.
    #[must_use]
    pub fn to_json(&self) -> String {
        // What it consists of always serialises.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it is within its limits.
    ///
    /// # Errors
    ///
    /// [`PushError`] if not.
    pub fn check(&self) -> Result<(), PushError> {
        if self.title.is_empty() {
            return Err(PushError::Title);
        }
        let len = self.texts().map(json_len).sum();
        if len > TEXTS_BYTES_MAX {
            return Err(PushError::TooLong { len });
        }
        for (name, url) in [("url", &self.url), ("icon", &self.icon)] {
            if url.as_ref().is_some_and(|url| !is_url(url)) {
                return Err(PushError::NotUrl(name));
            }
        }
        if self.after_s > AFTER_MAX_S {
            return Err(PushError::After);
        }
        if self.ttl_s.is_some_and(|ttl| ttl > TTL_MAX_S) {
            return Err(PushError::Ttl);
        }
        if self.topic.as_ref().is_some_and(|topic| !is_topic(topic)) {
            return Err(PushError::Topic);
        }
        if self.id.as_ref().is_some_and(|id| !is_message_id(id)) {
            return Err(PushError::Id);
        }
        Ok(())
    }

    /// Bytes of the texts of its notification.
    #[must_use]
    pub fn texts_len(&self) -> usize {
        self.texts().map(str::len).sum()
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let urls = [&self.url, &self.icon].into_iter().flatten();
        [&self.title, &self.body].into_iter().chain(urls).map(|text| &**text)
    }
}

/// Whether a message may be known by this: 1 to [`MESSAGE_ID_BYTES_MAX`] bytes without control characters.
#[must_use]
pub fn is_message_id(text: &str) -> bool {
    (1..=MESSAGE_ID_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
}

/// Of parts of a second, the whole; of more than a number holds, one that no limit lets through.
fn whole_seconds(time: Duration) -> u32 {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// A path of the application's, or a URL of the web: never a script.
fn is_url(text: &str) -> bool {
    let web = ["/", "http://", "https://"].into_iter().any(|start| text.starts_with(start));
    web && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

fn is_topic(text: &str) -> bool {
    (1..=TOPIC_LEN_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn json_len(text: &str) -> usize {
    // A string always serialises.
    serde_json::to_string(text).map_or(0, |json| json.len())
}

/// A field that may be missing, or `null`.
fn read<T: DeserializeOwned>(field: Option<&RawValue>, error: PushError) -> Result<Option<T>, PushError> {
    match field {
        None => Ok(None),
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_is_enough() {
        let push = Push::parse(br#"{"title":"Hi","newer":1,"url":null}"#).unwrap();
        assert_eq!(push, Push::new("Hi"));
    }

    #[test]
    fn times_are_whole_seconds() {
        let push = Push::new("Hi").after(Duration::from_millis(1500)).ttl(Duration::MAX);
        assert_eq!((push.after_s, push.ttl_s), (2, Some(u32::MAX)));
        assert_eq!(push.check(), Err(PushError::Ttl));
    }

    #[test]
    fn what_is_written_is_what_was_read() {
        let text = r#"{"id":"a/1","after_s":0,"title":"Hi","body":"there","url":"/a?b","icon":"https://x.example/i","ttl_s":0,"urgency":"very-low","topic":"a-B_9"}"#;
        let push = Push::parse(text.as_bytes()).unwrap();
        assert_eq!(push.to_json(), text);
        for urgency in [Urgency::VeryLow, Urgency::Low, Urgency::Normal, Urgency::High] {
            assert_eq!(serde_json::to_value(urgency).unwrap(), urgency.as_str());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = format!(r#"{{"title":"{}"}}"#, "\\n".repeat(1500));
        for (text, error) in [
            ("[]", PushError::NotAnObject),
            (r#"{"title":"a","title":"b"}"#, PushError::NotAnObject),
            ("{}", PushError::Title),
            (r#"{"title":1}"#, PushError::Title),
            (r#"{"title":""}"#, PushError::Title),
            (r#"{"title":"a","body":1}"#, PushError::NotText("body")),
            (&long, PushError::TooLong { len: 3004 }),
            (r#"{"title":"a","url":"javascript:alert(1)"}"#, PushError::NotUrl("url")),
            (r#"{"title":"a","url":"/a b"}"#, PushError::NotUrl("url")),
            (r#"{"title":"a","icon":"data:x"}"#, PushError::NotUrl("icon")),
            (r#"{"title":"a","after_s":1.5}"#, PushError::After),
            (r#"{"title":"a","after_s":86401}"#, PushError::After),
            (r#"{"title":"a","ttl_s":-1}"#, PushError::Ttl),
            (r#"{"title":"a","ttl_s":2419201}"#, PushError::Ttl),
            (r#"{"title":"a","urgency":"soon"}"#, PushError::Urgency),
            (r#"{"title":"a","topic":"a.b"}"#, PushError::Topic),
            (r#"{"title":"a","topic":""}"#, PushError::Topic),
            (r#"{"title":"a","id":""}"#, PushError::Id),
            (r#"{"title":"a","id":"\n"}"#, PushError::Id),
        ] {
            assert_eq!(Push::parse(text.as_bytes()), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,64}") {
            let _ = Push::parse(text.as_bytes());
            let _ = Push::parse(format!(r#"{{"title":"a","topic":{text}}}"#).as_bytes());
        }
    }
}
