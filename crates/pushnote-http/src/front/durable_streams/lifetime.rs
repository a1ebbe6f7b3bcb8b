//! How long a stream lives.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName};

/// The header with the seconds that a stream outlives its last use.
pub(super) const STREAM_TTL: HeaderName = HeaderName::from_static("stream-ttl");
/// The header with the end of a stream.
pub(super) const STREAM_EXPIRES_AT: HeaderName = HeaderName::from_static("stream-expires-at");

/// How long a stream lives.
#[derive(Debug, Clone, Default)]
pub(super) enum Lifetime {
    /// Until it is deleted.
    #[default]
    Unlimited,
    /// This long after it was last read or written.
    Idle(Duration),
    /// Until a time.
    Until {
        /// In milliseconds since 1970.
        unix_ms: u64,
        /// As it was written.
        text: Box<str>,
    },
}

/// A lifetime that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LifetimeError {
    /// Not seconds.
    #[error("Stream-TTL must be a whole number of seconds, without sign and leading zeros")]
    Ttl,
    /// Not a time.
    #[error("Stream-Expires-At must be a time as in RFC 3339, such as 2030-01-01T00:00:00Z")]
    ExpiresAt,
    /// One of the two is enough.
    #[error("give Stream-TTL or Stream-Expires-At, not both")]
    Both,
}

impl Lifetime {
    /// What the headers ask for.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, LifetimeError> {
        match (headers.get(STREAM_TTL), headers.get(STREAM_EXPIRES_AT)) {
            (None, None) => Ok(Self::Unlimited),
            (Some(_), Some(_)) => Err(LifetimeError::Both),
            (Some(ttl), None) => {
                let seconds = ttl.to_str().ok().and_then(seconds).ok_or(LifetimeError::Ttl)?;
                Ok(Self::Idle(Duration::from_secs(seconds)))
            }
            (None, Some(at)) => at.to_str().ok().and_then(Self::until).ok_or(LifetimeError::ExpiresAt),
        }
    }

    /// Until a time as in RFC 3339.
    pub(super) fn until(text: &str) -> Option<Self> {
        Some(Self::Until { unix_ms: unix_ms(text)?, text: text.into() })
    }

    /// Whether a stream that was last used at `used_ms` is over.
    pub(super) fn is_over(&self, used_ms: u64, now_ms: u64) -> bool {
        match self {
            Self::Unlimited => false,
            Self::Idle(ttl) => u128::from(now_ms.saturating_sub(used_ms)) >= ttl.as_millis(),
            Self::Until { unix_ms, .. } => now_ms >= *unix_ms,
        }
    }
}

/// However the same time was written.
impl PartialEq for Lifetime {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unlimited, Self::Unlimited) => true,
            (Self::Idle(one), Self::Idle(other)) => one == other,
            (Self::Until { unix_ms: one, .. }, Self::Until { unix_ms: other, .. }) => one == other,
            _ => false,
        }
    }
}

/// Decimal, without sign, leading zeros and fractions.
fn seconds(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// Milliseconds since 1970 of a time as in RFC 3339.
fn unix_ms(text: &str) -> Option<u64> {
    let upper = text.to_ascii_uppercase();
    let (local, ahead_s) = match upper.strip_suffix('Z') {
        Some(local) => (local, 0),
        None => {
            let (local, zone) = upper.split_at_checked(upper.len().checked_sub(6)?)?;
            (local, ahead_s(zone)?)
        }
    };
    let time = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let ms = i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()?;
    u64::try_from(ms - ahead_s * 1000).ok()
}

/// How many seconds a zone, such as `+01:00`, is ahead.
fn ahead_s(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str, max: i64| -> Option<i64> {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|number| plain && *number <= max)
    };
    Some(sign * (number(hours, 23)? * 3600 + number(minutes, 59)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(HeaderName, &str)]) -> Result<Lifetime, LifetimeError> {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), http::HeaderValue::from_str(value).unwrap()));
        Lifetime::read(&headers.collect())
    }

    #[test]
    fn seconds_are_plain() {
        assert_eq!(read(&[(STREAM_TTL, "3600")]), Ok(Lifetime::Idle(Duration::from_secs(3600))));
        assert_eq!(read(&[(STREAM_TTL, "0")]), Ok(Lifetime::Idle(Duration::ZERO)));
        for text in ["", "abc", "-1", "+60", "060", "60.5", "1e3", "99999999999999999999"] {
            assert_eq!(read(&[(STREAM_TTL, text)]), Err(LifetimeError::Ttl), "{text}");
        }
    }

    #[test]
    fn a_time_is_the_same_in_each_zone() {
        let second = read(&[(STREAM_EXPIRES_AT, "1970-01-01T01:00:01Z")]).unwrap();
        for text in [
            "1970-01-01T01:00:01.000Z",
            "1970-01-01T01:00:01+00:00",
            "1970-01-01T02:30:01+01:30",
            "1970-01-01t00:00:01-01:00",
        ] {
            assert_eq!(read(&[(STREAM_EXPIRES_AT, text)]), Ok(second.clone()), "{text}");
        }
        assert!(matches!(second, Lifetime::Until { unix_ms: 3_601_000, .. }));
        for text in [
            "",
            "tomorrow",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00+1:00",
            "1970-01-01T00:00:00+24:00",
            "ä+00:00",
        ] {
            assert_eq!(unix_ms(text), None, "{text}");
        }
    }

    #[test]
    fn one_of_both() {
        assert_eq!(read(&[]), Ok(Lifetime::Unlimited));
        let both = [(STREAM_TTL, "1"), (STREAM_EXPIRES_AT, "1970-01-01T00:00:00Z")];
        assert_eq!(read(&both), Err(LifetimeError::Both));
    }

    #[test]
    fn an_idle_stream_is_over() {
        let idle = Lifetime::Idle(Duration::from_secs(2));
        assert!(!idle.is_over(1000, 2999) && idle.is_over(1000, 3000) && !idle.is_over(5000, 3000));
        let until = Lifetime::until("1970-01-01T00:00:03Z").unwrap();
        assert!(!until.is_over(0, 2999) && until.is_over(2999, 3000));
        assert!(!Lifetime::Unlimited.is_over(0, u64::MAX));
    }
}
