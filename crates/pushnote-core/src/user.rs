//! User ids.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// Longest user id, in bytes of UTF-8.
pub const USER_ID_BYTES_MAX: usize = 128;

/// Who a message is for, as the application names its users: its primary key, as text.
///
/// Never empty, at most [`USER_ID_BYTES_MAX`] bytes, without control characters. Cheap to clone. In JSON a
/// string or an integer; `42` and `"42"` are the same user.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

/// Why a text is no user id.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserIdError {
    /// Nothing there.
    #[error("user id is empty")]
    Empty,
    /// Longer than [`USER_ID_BYTES_MAX`].
    #[error("user id of {len} bytes is too long, {USER_ID_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// Line breaks and the like would let an id forge log lines and protocol fields.
    #[error("user id has a control character at byte {at}")]
    ControlCharacter {
        /// Where, counted in bytes from 0.
        at: usize,
    },
}

/// As [`fmt::Display`]: it is what a `main` that returns an error prints.
impl fmt::Debug for UserIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl UserId {
    /// Takes `text` as it is, without trimming.
    ///
    /// # Errors
    ///
    /// [`UserIdError`] if it is empty, too long or has control characters.
    pub fn new(text: &str) -> Result<Self, UserIdError> {
        if text.is_empty() {
            return Err(UserIdError::Empty);
        }
        if text.len() > USER_ID_BYTES_MAX {
            return Err(UserIdError::TooLong { len: text.len() });
        }
        match text.char_indices().find(|(_, c)| c.is_control()) {
            Some((at, _)) => Err(UserIdError::ControlCharacter { at }),
            None => Ok(Self(text.into())),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = UserIdError;

    fn from_str(text: &str) -> Result<Self, UserIdError> {
        Self::new(text)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({:?})", &*self.0)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UserIdVisitor)
    }
}

struct UserIdVisitor;

impl Visitor<'_> for UserIdVisitor {
    type Value = UserId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user id: a string or an integer")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<UserId, E> {
        UserId::new(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<UserId, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<UserId, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_any_printable_text_up_to_the_limit() {
        for text in ["42", "None", "a b", "ünï✓", "user:42", &"x".repeat(128)] {
            assert_eq!(UserId::new(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_id() {
        assert_eq!(UserId::new(""), Err(UserIdError::Empty));
        assert_eq!(UserId::new(&"x".repeat(129)), Err(UserIdError::TooLong { len: 129 }));
        assert_eq!(UserId::new(&"ü".repeat(65)), Err(UserIdError::TooLong { len: 130 }));
        assert_eq!(UserId::new("a\nb"), Err(UserIdError::ControlCharacter { at: 1 }));
        assert_eq!(UserId::new("a\0"), Err(UserIdError::ControlCharacter { at: 1 }));
        assert_eq!(UserId::new("é\u{85}"), Err(UserIdError::ControlCharacter { at: 2 }));
        assert_eq!(UserId::new("\u{7f}"), Err(UserIdError::ControlCharacter { at: 0 }));
    }

    #[test]
    fn is_a_string_or_an_integer_in_json() {
        let read = |json| serde_json::from_str::<UserId>(json).map(|id| id.as_str().to_owned());
        assert_eq!(read("\"42\"").unwrap(), "42");
        assert_eq!(read("42").unwrap(), "42");
        assert_eq!(read("-7").unwrap(), "-7");
        assert_eq!(read("18446744073709551615").unwrap(), "18446744073709551615");
        for json in ["18446744073709551616", "4.2", "1e3", "true", "null", "[]", "{}", "\"\"", "\"a\\nb\""] {
            assert!(read(json).is_err(), "{json}");
        }
        assert_eq!(serde_json::to_string(&UserId::new("42").unwrap()).unwrap(), "\"42\"");
    }
}
