//! Which message a subscriber asks for: the one after that which it names by `If-Modified-Since` and `If-None-Match`
//! (protocol, section 3.1).

use std::time::{Duration, SystemTime};

use http::header::{HeaderMap, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use httpdate::{HttpDate, parse_http_date};

/// Behind which message a subscriber goes on. Messages are in the order of their times, in whole seconds, and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// `If-Modified-Since`, in seconds since the Unix epoch.
    pub time_s: u64,
    /// `If-None-Match`.
    pub tag: Tag,
}

/// Which message of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The one with this tag.
    Is(u64),
    /// No `If-None-Match`: the first, as nginx_http_push_module takes it. A client that was not given the tag, because a proxy
    /// keeps it back, so goes on.
    First,
    /// A negative one: none yet, as py-hbpush takes it.
    None,
}

/// A header that names no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageIdError {
    /// The time is none.
    #[error(
        "If-Modified-Since is no date of HTTP: send back the Last-Modified of the last message, or leave it out"
    )]
    Time,
    /// The tag is none.
    #[error("If-None-Match is no number: send back the Etag of the last message, or leave it out")]
    Tag,
}

impl After {
    /// The id of a message that was published so long after the Unix epoch.
    #[must_use]
    pub fn message(at: Duration, offset: u64) -> Self {
        Self { time_s: at.as_secs(), tag: Tag::Is(offset) }
    }

    /// Whether it is before all messages: that of a client which has had none.
    #[must_use]
    pub fn is_begin(&self) -> bool {
        self.time_s == 0
    }

    /// `Last-Modified`.
    #[must_use]
    pub fn last_modified(&self) -> String {
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.time_s));
        HttpDate::from(time.unwrap_or(SystemTime::UNIX_EPOCH)).to_string()
    }
}

/// What a request asks for; `None` is the oldest message there is. Without `If-Modified-Since` a tag says nothing.
///
/// # Errors
///
/// [`MessageIdError`]: who is given the oldest again and again without knowing why is not helped.
pub fn asked_after(headers: &HeaderMap) -> Result<Option<After>, MessageIdError> {
    let Some(time) = text(headers, &IF_MODIFIED_SINCE).map_err(|()| MessageIdError::Time)? else {
        return Ok(None);
    };
    let time_s = seconds(time).ok_or(MessageIdError::Time)?;
    let tag = match text(headers, &IF_NONE_MATCH).map_err(|()| MessageIdError::Tag)? {
        None => Tag::First,
        Some(text) => tag(text).ok_or(MessageIdError::Tag)?,
    };
    Ok(Some(After { time_s, tag }))
}

/// The one header of a name, if it has a text.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut all = headers.get_all(name).iter();
    let text = all.next().map(|value| value.to_str().map(str::trim).map_err(|_| ())).transpose()?;
    if all.next().is_some() { Err(()) } else { Ok(text.filter(|text| !text.is_empty())) }
}

/// A date as HTTP has it, or with a day of one digit, as django-pushserver's script begins.
fn seconds(text: &str) -> Option<u64> {
    let time = parse_http_date(text).ok().or_else(|| {
        let (weekday, rest) = text.split_once(' ')?;
        parse_http_date(&format!("{weekday} 0{rest}")).ok()
    })?;
    time.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// `5`, `"5"`, and `W/"5"`, which a proxy makes of it that compresses.
fn tag(text: &str) -> Option<Tag> {
    let text = text.strip_prefix("W/").unwrap_or(text);
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if let Some(negative) = text.strip_prefix('-') {
        return negative.parse::<u64>().ok().map(|_| Tag::None);
    }
    // No sign, which `parse` would take.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok().map(Tag::Is) } else { None }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn asked(time: Option<&str>, tag: Option<&str>) -> Result<Option<After>, MessageIdError> {
        let mut headers = HeaderMap::new();
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        time.map(|time| headers.insert(IF_MODIFIED_SINCE, value(time)));
        tag.map(|tag| headers.insert(IF_NONE_MATCH, value(tag)));
        asked_after(&headers)
    }

    const TIME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const TIME_S: u64 = 784_111_777;

    #[test]
    fn tags_are_bare_or_quoted() {
        for (text, tag) in [
            ("5", Tag::Is(5)),
            ("\"5\"", Tag::Is(5)),
            ("W/\"5\"", Tag::Is(5)),
            (" 0 ", Tag::Is(0)),
            ("-1", Tag::None),
            ("18446744073709551615", Tag::Is(u64::MAX)),
        ] {
            assert_eq!(asked(Some(TIME), Some(text)), Ok(Some(After { time_s: TIME_S, tag })), "{text}");
        }
        for text in ["x", "\"\"", "\"5", "*", "5, 6", "+5", "-x", "18446744073709551616", "0x5"] {
            assert_eq!(asked(Some(TIME), Some(text)), Err(MessageIdError::Tag), "{text}");
        }
    }

    #[test]
    fn without_a_time_it_is_the_oldest_message() {
        assert_eq!(asked(None, None), Ok(None));
        assert_eq!(asked(None, Some("7")), Ok(None));
        assert_eq!(asked(Some(TIME), None), Ok(Some(After { time_s: TIME_S, tag: Tag::First })));
    }

    #[test]
    fn a_client_that_has_had_nothing_begins_at_the_epoch() {
        let begin = asked(Some("Thu, 1 Jan 1970 00:00:00 GMT"), Some("0")).unwrap().unwrap();
        assert!(begin.is_begin());
        for text in ["yesterday", "0", "Thu, 32 Jan 1970 00:00:00 GMT", "\u{1}"] {
            let value = HeaderValue::from_bytes(text.as_bytes());
            let Ok(value) = value else { continue };
            let headers = HeaderMap::from_iter([(IF_MODIFIED_SINCE, value)]);
            assert_eq!(asked_after(&headers), Err(MessageIdError::Time), "{text}");
        }
        let twice = [(IF_MODIFIED_SINCE, TIME), (IF_MODIFIED_SINCE, TIME)];
        let mut headers = HeaderMap::new();
        for (name, value) in twice {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(asked_after(&headers), Err(MessageIdError::Time));
    }

    proptest! {
        #[test]
        fn what_a_message_has_asks_for_the_next(at_s in 1u64..4_000_000_000, offset: u64) {
            let id = After::message(Duration::from_secs(at_s), offset);
            let again = asked(Some(&id.last_modified()), Some(&offset.to_string()));
            prop_assert_eq!(again, Ok(Some(id)));
        }
    }
}
