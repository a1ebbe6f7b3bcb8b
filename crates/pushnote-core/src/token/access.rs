//! What a token allows.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

use crate::subject::{CHANNEL_NAME_BYTES_MAX, ChannelName, ChannelNameError};
use crate::user::UserId;

/// What a good token allows: to subscribe as a user, to channels, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Whose it is; `None` for anybody's, as a token for one channel is.
    pub user: Option<UserId>,
    /// Which channels it allows. Those that are public need no token.
    pub channels: Vec<ChannelPattern>,
    /// When it was made, in Unix seconds, if it says so.
    pub made_at: Option<u64>,
    /// From when on it is not valid, in Unix seconds; `None` for never.
    pub expires_at: Option<u64>,
}

impl Access {
    /// Whether it allows to subscribe to `channel`.
    #[must_use]
    pub fn allows(&self, channel: &ChannelName) -> bool {
        self.channels.iter().any(|pattern| pattern.allows(channel))
    }
}

/// Channels that a token allows: one by its name, or, with a `*` at the end, all whose names begin so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ChannelPattern {
    /// `news`: this one.
    Exactly(ChannelName),
    /// `news.*`: those that begin with what is here without the `*`.
    Beginning(Box<str>),
}

impl ChannelPattern {
    /// Whether `channel` is one of them.
    #[must_use]
    pub fn allows(&self, channel: &ChannelName) -> bool {
        match self {
            Self::Exactly(name) => name == channel,
            Self::Beginning(prefix) => channel.as_str().starts_with(&**prefix),
        }
    }
}

impl From<ChannelName> for ChannelPattern {
    fn from(name: ChannelName) -> Self {
        Self::Exactly(name)
    }
}

impl FromStr for ChannelPattern {
    type Err = ChannelNameError;

    fn from_str(text: &str) -> Result<Self, ChannelNameError> {
        match text.strip_suffix('*') {
            None => ChannelName::new(text).map(Self::Exactly),
            Some(prefix) if prefix.len() > CHANNEL_NAME_BYTES_MAX => {
                Err(ChannelNameError::TooLong { len: prefix.len() })
            }
            Some(prefix) => Ok(Self::Beginning(prefix.into())),
        }
    }
}

impl fmt::Display for ChannelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(name) => name.fmt(f),
            Self::Beginning(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Serialize for ChannelPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ChannelPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_a_beginning() {
        for (pattern, allowed, refused) in [
            ("news", &["news"][..], &["new", "news.", "news.a", "News"][..]),
            ("news.*", &["news.", "news.a", "news.a.b"], &["news", "newsx"]),
            ("*", &["news", "a*b"], &[]),
            ("a**", &["a*b"], &["ab"]),
            ("*.news", &["*.news"], &["a.news"]),
        ] {
            let parsed: ChannelPattern = pattern.parse().unwrap();
            assert_eq!(parsed.to_string(), pattern);
            for name in allowed {
                assert!(parsed.allows(&ChannelName::new(name).unwrap()), "{pattern} {name}");
            }
            for name in refused {
                assert!(!parsed.allows(&ChannelName::new(name).unwrap()), "{pattern} {name}");
            }
        }
        assert_eq!("".parse::<ChannelPattern>(), Err(ChannelNameError::Empty));
        let long = format!("{}*", "x".repeat(256));
        assert_eq!(long.parse::<ChannelPattern>(), Err(ChannelNameError::TooLong { len: 256 }));
    }
}
