//! The name of the page's function that htmlfile and jsonp call.

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// A checked callback name: only `[a-zA-Z0-9-_.]`, so it can be written into a script as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback(Box<str>);

impl Callback {
    /// The callback of a raw query string, from `c=` or `callback=`, at most `bytes_max` long.
    ///
    /// # Errors
    /// When there is none, or when it holds a character that could be more than a name. Reflecting such a character
    /// into a script was a hole in several SockJS servers.
    pub fn from_query(query: &str, bytes_max: usize) -> Result<Self, CallbackError> {
        let raw = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| matches!(key, "c" | "callback").then_some(value))
            .filter(|value| !value.is_empty())
            .ok_or(CallbackError::Missing)?;
        let name = percent_decode_str(raw).decode_utf8().map_err(|_| CallbackError::Invalid)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.len() > bytes_max || !name.bytes().all(allowed) {
            return Err(CallbackError::Invalid);
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a request has no usable callback. The texts are the protocol's and go out in the 500 answer.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackError {
    /// No `c` parameter, or an empty one.
    #[error("\"callback\" parameter required")]
    Missing,
    /// A character outside `[a-zA-Z0-9-_.]`, or too long.
    #[error("invalid \"callback\" parameter")]
    Invalid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names() {
        for (query, name) in
            [("c=%63allback", "callback"), ("t=1&c=_jp.a1b2c3d", "_jp.a1b2c3d"), ("callback=x-y", "x-y")]
        {
            assert_eq!(Callback::from_query(query, 32).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for query in ["", "c", "c=", "d=x", "cc=x"] {
            assert_eq!(Callback::from_query(query, 32), Err(CallbackError::Missing), "{query}");
        }
        for query in ["c=%20", "c=*", "c=abc(", "c=abc%28", "c=%ff", "c=a+b", "c=%3Cscript%3E", "c=%c3%a9"] {
            assert_eq!(Callback::from_query(query, 32), Err(CallbackError::Invalid), "{query}");
        }
        let long = format!("c={}", "x".repeat(33));
        assert_eq!(Callback::from_query(&long, 32), Err(CallbackError::Invalid));
        assert!(Callback::from_query(&long, 33).is_ok());
    }
}
