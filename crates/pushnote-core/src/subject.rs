//! What messages are about, and what connections subscribe to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use crate::user::UserId;

/// Longest channel name, in bytes of UTF-8.
pub const CHANNEL_NAME_BYTES_MAX: usize = 255;

/// Users, recipients and channels that one message may name, together.
pub const SUBJECTS_MAX: usize = 10_000;

/// What a message is for and a connection may subscribe to. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Whoever is there.
    Everyone,
    /// One user of the application.
    User(UserId),
    /// A topic that the application has named.
    Channel(ChannelName),
    /// Who comes to a channel, and who leaves it.
    Presence(ChannelName),
}

impl Subject {
    /// Bytes of its name; none has [`Subject::Everyone`].
    pub fn name_len(&self) -> usize {
        match self {
            Self::Everyone => 0,
            Self::User(user) => user.as_str().len(),
            Self::Channel(channel) | Self::Presence(channel) => channel.as_str().len(),
        }
    }
}

impl From<UserId> for Subject {
    fn from(user: UserId) -> Self {
        Self::User(user)
    }
}

impl From<ChannelName> for Subject {
    fn from(channel: ChannelName) -> Self {
        Self::Channel(channel)
    }
}

/// A channel's name: never empty, at most [`CHANNEL_NAME_BYTES_MAX`] bytes, without control characters, and without a
/// `*` at its end, so that it is never taken for a [pattern](crate::ChannelPattern).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

/// Why a text is no channel's name.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelNameError {
    /// Nothing there.
    #[error("channel name is empty")]
    Empty,
    /// Longer than [`CHANNEL_NAME_BYTES_MAX`].
    #[error("channel name of {len} bytes is too long, {CHANNEL_NAME_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// Line breaks and the like would let a name forge log lines and protocol fields.
    #[error("channel name has a control character at byte {at}")]
    ControlCharacter {
        /// Where, counted in bytes from 0.
        at: usize,
    },
    /// It would be taken for all names that begin so.
    #[error("channel name ends in *, which means all channels whose names begin so")]
    Pattern,
}

/// As [`fmt::Display`]: it is what a `main` that returns an error prints.
impl fmt::Debug for ChannelNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ChannelName {
    /// Takes `text` as it is, without trimming.
    ///
    /// # Errors
    ///
    /// [`ChannelNameError`] if it is empty, too long, has control characters or ends in `*`.
    pub fn new(text: &str) -> Result<Self, ChannelNameError> {
        if text.is_empty() {
            return Err(ChannelNameError::Empty);
        }
        if text.len() > CHANNEL_NAME_BYTES_MAX {
            return Err(ChannelNameError::TooLong { len: text.len() });
        }
        if text.ends_with('*') {
            return Err(ChannelNameError::Pattern);
        }
        match text.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, _)) => Err(ChannelNameError::ControlCharacter { at }),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChannelName {
    type Err = ChannelNameError;

    fn from_str(text: &str) -> Result<Self, ChannelNameError> {
        Self::new(text)
    }
}

impl Serialize for ChannelName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ChannelName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelName({:?})", &*self.0)
    }
}

/// Whom a message is for: subjects, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Audience(Vec<Subject>);

impl Audience {
    /// For whoever is there.
    pub fn everyone() -> Self {
        Self(vec![Subject::Everyone])
    }

    /// For these users, which must be each once.
    pub fn users(users: impl IntoIterator<Item = UserId>) -> Self {
        Self(users.into_iter().map(Subject::User).collect())
    }

    /// The subjects.
    pub fn subjects(&self) -> &[Subject] {
        &self.0
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it is for whoever is there.
    pub fn is_everyone(&self) -> bool {
        self.0.contains(&Subject::Everyone)
    }

    /// The channels among the subjects, in their order.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelName> {
        self.0.iter().filter_map(|subject| match subject {
            Subject::Channel(channel) => Some(channel),
            Subject::Everyone | Subject::User(_) | Subject::Presence(_) => None,
        })
    }

    /// The users among the subjects, in their order.
    pub fn user_ids(&self) -> impl Iterator<Item = &UserId> {
        self.0.iter().filter_map(|subject| match subject {
            Subject::User(user) => Some(user),
            Subject::Everyone | Subject::Channel(_) | Subject::Presence(_) => None,
        })
    }

    /// Adds a subject, which must not be among them.
    pub fn push(&mut self, subject: Subject) {
        self.0.push(subject);
    }
}

/// Of subjects that are each once.
impl FromIterator<Subject> for Audience {
    fn from_iter<I: IntoIterator<Item = Subject>>(subjects: I) -> Self {
        Self(subjects.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channels_name_has_bounds_and_no_control_characters() {
        for name in ["a", "news:sport/42", "Straße", "with space", &"x".repeat(255)] {
            assert_eq!(ChannelName::new(name).unwrap().to_string(), name);
        }
        assert_eq!(ChannelName::new(""), Err(ChannelNameError::Empty));
        assert_eq!(ChannelName::new(&"ä".repeat(128)), Err(ChannelNameError::TooLong { len: 256 }));
        assert_eq!(ChannelName::new("a\nb"), Err(ChannelNameError::ControlCharacter { at: 1 }));
        assert_eq!(ChannelName::new("a.*"), Err(ChannelNameError::Pattern));
        assert!(ChannelName::new("*a").is_ok());
        assert_eq!(ChannelName::new("ä\u{85}"), Err(ChannelNameError::ControlCharacter { at: 2 }));
    }

    #[test]
    fn a_user_and_a_channel_of_one_name_are_two_subjects() {
        let (user, channel) = (UserId::new("42").unwrap(), ChannelName::new("42").unwrap());
        assert_ne!(Subject::from(user), Subject::from(channel));
    }
}
