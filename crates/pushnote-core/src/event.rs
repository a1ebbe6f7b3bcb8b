//! What a publisher may call a message.

use std::fmt;

/// Longest event name, in bytes of UTF-8.
pub const EVENT_BYTES_MAX: usize = 128;

/// Why a text is no event's name.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "event name has {len} bytes, of which none may be a control character; 1 to {EVENT_BYTES_MAX} are allowed"
)]
pub struct EventNameError {
    /// Its length, in bytes.
    pub len: usize,
}

/// As [`fmt::Display`]: it is what a `main` that returns an error prints.
impl fmt::Debug for EventNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Takes `text` as an event's name: never empty, at most [`EVENT_BYTES_MAX`] bytes, without control characters.
///
/// # Errors
///
/// [`EventNameError`] for any other text.
pub fn event_name(text: &str) -> Result<&str, EventNameError> {
    let len = text.len();
    if (1..=EVENT_BYTES_MAX).contains(&len) && !text.contains(char::is_control) {
        Ok(text)
    } else {
        Err(EventNameError { len })
    }
}
