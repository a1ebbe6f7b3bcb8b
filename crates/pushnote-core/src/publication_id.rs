//! What a message is known by when it comes more than once.

use std::fmt;
use std::str::FromStr;

/// Bytes that a publisher's name may have.
pub(crate) const PUBLISHER_BYTES_MAX: usize = 64;
/// Hexadecimal digits at the beginning of a name that was drawn at random: 64 bits, or a UUID.
const DRAWN_DIGITS: usize = 16;

/// One message of one publisher: `publisher/number`, as in `9f86d081884c7d65/42`.
///
/// A publisher gives itself a name that no other has, for example a random one at each start, and counts its messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicationId {
    /// The publisher: 1 to 64 visible ASCII characters.
    pub publisher: Box<str>,
    /// The message's number: one more than that of the message before.
    pub number: u64,
}

impl PublicationId {
    /// Whether the name looks drawn at random, as pushnote's own publishers and a UUID are: nobody has it a second time.
    pub(crate) fn is_drawn(&self) -> bool {
        let letters = self.publisher.bytes().filter(|byte| *byte != b'-');
        letters.take_while(u8::is_ascii_hexdigit).take(DRAWN_DIGITS).count() == DRAWN_DIGITS
    }
}

/// Text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("publication id must be a publisher's name (1 to 64 visible ASCII characters), a slash and a number")]
pub struct PublicationIdError;

impl FromStr for PublicationId {
    type Err = PublicationIdError;

    fn from_str(text: &str) -> Result<Self, PublicationIdError> {
        let (publisher, number) = text.rsplit_once('/').ok_or(PublicationIdError)?;
        let named = (1..=PUBLISHER_BYTES_MAX).contains(&publisher.len())
            && publisher.bytes().all(|byte| byte.is_ascii_graphic());
        if !named || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PublicationIdError);
        }
        // Half of what a u64 holds, so that no sum overflows.
        let number = number.parse().ok().filter(|number| *number <= u64::MAX / 2);
        Ok(Self { publisher: publisher.into(), number: number.ok_or(PublicationIdError)? })
    }
}

impl fmt::Display for PublicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.publisher, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_was_read() {
        for text in ["a/0", "9f86d081884c7d65/42", "web-1/worker/7", "x/9223372036854775807"] {
            assert_eq!(text.parse::<PublicationId>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_that_were_drawn_are_told_from_others() {
        let drawn = |name: &str| PublicationId { publisher: name.into(), number: 0 }.is_drawn();
        for name in ["9f86d081884c7d65", "9f86d081884c7d65-a", "c2b6f5a0-8a5e-4d7e-9a5b-0f3e2d1c4b5a"] {
            assert!(drawn(name), "{name}");
        }
        for name in ["a", "9f86d081884c7d6", "web-9f86d081884c7d65", "deadbeef-worker-12", "----------------"]
        {
            assert!(!drawn(name), "{name}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let long = format!("{}/1", "x".repeat(65));
        for text in
            ["", "/", "/1", "a", "a/", "a/-1", "a/+1", "a/x", "a b/1", "é/1", "a/9223372036854775808", &long]
        {
            assert_eq!(text.parse::<PublicationId>(), Err(PublicationIdError), "{text}");
        }
    }
}
