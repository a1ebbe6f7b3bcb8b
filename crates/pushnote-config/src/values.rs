//! Times and sizes as people write them. For clap's `value_parser`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
#[cfg(feature = "server")]
use pushnote_store::Fsync;

const SENSIBLE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// `5s`, `500ms`, `1m 30s`, or bare seconds, `2.5`.
fn time(text: &str) -> Option<Duration> {
    let bare = || Duration::try_from_secs_f64(text.parse().ok()?).ok();
    bare().or_else(|| humantime::parse_duration(text).ok())
}

/// A time of any length: `5s`, `30m`, `1h`, or bare seconds, `2.5`.
///
/// # Errors
/// A text that says what to give instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    time(text).ok_or_else(|| "give a time, as in 5s, 30m or 1h".to_owned())
}

/// A time from a tenth of a second to an hour: `5s`, `500ms`, `1m 30s`, or bare seconds, `2.5`.
///
/// # Errors
/// A text that says what to give instead.
pub fn seconds(text: &str) -> Result<Duration, String> {
    time(text)
        .filter(|time| SENSIBLE.contains(time))
        .ok_or_else(|| "give a time from 0.1 to 3600 seconds, as in 2.5 or 500ms".to_owned())
}

/// A time in whole seconds, from one to an hour.
#[cfg(feature = "server")]
pub(crate) fn whole_seconds(text: &str) -> Result<u64, String> {
    time(text)
        .filter(|time| SENSIBLE.contains(time) && time.subsec_nanos() == 0 && !time.is_zero())
        .map(|time| time.as_secs())
        .ok_or_else(|| "give whole seconds from 1 to 3600, as in 25, 25s or 1m".to_owned())
}

/// A time of any length in whole seconds; 0 has a meaning of its own.
#[cfg(feature = "server")]
pub(crate) fn age(text: &str) -> Result<u64, String> {
    time(text)
        .filter(|time| time.subsec_nanos() == 0)
        .map(|time| time.as_secs())
        .ok_or_else(|| "give whole seconds, as in 86400 or 24h".to_owned())
}

/// When the disk is made to have what is kept.
#[cfg(feature = "server")]
pub(crate) fn fsync(text: &str) -> Result<Fsync, String> {
    match text.split_once(':') {
        None if text == "always" => Ok(Fsync::Always),
        None if text == "never" => Ok(Fsync::Never),
        Some(("interval", interval)) => seconds(interval).map(Fsync::Interval),
        _ => Err("give always, never or interval:SECONDS, as in interval:1".to_owned()),
    }
}

/// One of several, which may have a space after the comma before it.
pub(crate) fn listed<T: FromStr>(text: &str) -> Result<T, T::Err> {
    text.trim().parse()
}

/// How many.
pub(crate) fn count<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "give a whole number, from 0 on".to_owned())
}

/// A port of TCP.
#[cfg(feature = "server")]
pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "give a port from 0 to 65535, as in 8080".to_owned())
}

/// An IP address of this machine's.
pub(crate) fn ip_address(text: &str) -> Option<IpAddr> {
    match text {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        text => text.trim_matches(['[', ']']).parse().ok(),
    }
}

/// An IP address of this machine's and a port: `127.0.0.1:9000`, `localhost:9000`, `[::1]:9000`; an address alone takes this
/// port.
pub(crate) fn listener(text: &str, port: Option<u16>) -> Option<SocketAddr> {
    let both = || match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.parse().ok()?)),
        None => text.parse().ok(),
    };
    both().or_else(|| Some(SocketAddr::new(ip_address(text)?, port?)))
}

/// Where the API listens. Applications have its URL in a variable of the same name, and one environment may serve both.
#[cfg(feature = "server")]
pub(crate) fn api_address(text: &str) -> Result<SocketAddr, String> {
    const PORT: u16 = 8081;
    if let Some(authority) = text.strip_prefix("http://") {
        let found = listener(authority.trim_end_matches('/'), None);
        return found.ok_or_else(|| elsewhere(PORT));
    }
    if text.starts_with("https://") {
        return Err(elsewhere(PORT));
    }
    listener(text, Some(PORT))
        .ok_or_else(|| format!("give an IP address and a port, as in 127.0.0.1:{PORT} or [::1]:{PORT}"))
}

/// What to say of a URL at which this server cannot listen.
#[cfg(feature = "server")]
fn elsewhere(port: u16) -> String {
    format!(
        "this URL is for applications, which publish there; a server listens at an IP address and a port of its machine: give \
         these, as in 127.0.0.1:{port}, or leave PUSHNOTE_API out of its environment (env -u PUSHNOTE_API …)"
    )
}

/// `65536`, `64KiB`, `1MB`.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let size = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
    size.ok_or_else(|| "give a number of bytes, as in 65536 or 64KiB".to_owned())
}

/// A cookie's name (RFC 6265 section 4.1.1: a token).
#[cfg(feature = "server")]
pub(crate) fn cookie_name(text: &str) -> Result<String, String> {
    let is_of_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_of_token) {
        Ok(text.to_owned())
    } else {
        Err("give a cookie's name: letters, digits, - and _".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "server")]
    fn what_no_browser_sends_is_no_cookie() {
        assert_eq!(cookie_name("__Host-token"), Ok("__Host-token".to_owned()));
        for text in ["", "a b", "a=b", "a;b", "\"a\"", "ü", "a\n"] {
            assert!(cookie_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_sensible_times_parse() {
        for (text, milliseconds) in
            [("5", 5000), ("5s", 5000), ("0.1", 100), ("100ms", 100), ("1m 30s", 90_000), ("1h", 3_600_000)]
        {
            assert_eq!(seconds(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(duration("36h"), duration("129600"));
        assert!(duration("1x").is_err() && duration("-1").is_err());
        for text in ["", "0", "0.09", "99ms", "3601", "61m", "-1", "NaN", "inf", "1e300", "5x"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    #[cfg(feature = "server")]
    fn whole_seconds_are_whole() {
        assert_eq!(
            [whole_seconds("25"), whole_seconds("25s"), whole_seconds("2m")],
            [Ok(25), Ok(25), Ok(120)]
        );
        for text in ["0", "0.5", "1.5", "2h", "x", "-1"] {
            assert!(whole_seconds(text).is_err(), "{text}");
        }
        assert_eq!([age("0"), age("24h"), age("86400")], [Ok(0), Ok(86_400), Ok(86_400)]);
    }

    #[test]
    #[cfg(feature = "server")]
    fn when_to_sync() {
        for (text, policy) in [
            ("always", Fsync::Always),
            ("never", Fsync::Never),
            ("interval:1", Fsync::Interval(Duration::from_secs(1))),
            ("interval:250ms", Fsync::Interval(Duration::from_millis(250))),
        ] {
            assert_eq!(fsync(text), Ok(policy), "{text}");
        }
        for text in ["", "interval", "interval:", "interval:0", "always:1", "1"] {
            assert!(fsync(text).is_err(), "{text}");
        }
    }

    #[test]
    #[cfg(feature = "server")]
    fn addresses() {
        for (text, address) in [
            ("127.0.0.1", "127.0.0.1:8081"),
            ("localhost", "127.0.0.1:8081"),
            ("localhost:80", "127.0.0.1:80"),
            ("[::1]", "[::1]:8081"),
            ("::1", "[::1]:8081"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(listener(text, Some(8081)), address.parse().ok(), "{text}");
        }
        assert_eq!(listener("localhost", None), None);
        for text in ["", "8081", ":8081", "example.org", "localhost:x", "http://127.0.0.1:8081"] {
            assert_eq!(listener(text, Some(8081)), None, "{text}");
        }
    }

    #[test]
    #[cfg(feature = "server")]
    fn the_url_that_applications_have_is_where_the_api_listens() {
        for (text, address) in [
            ("127.0.0.1", "127.0.0.1:8081"),
            ("http://127.0.0.1:8082", "127.0.0.1:8082"),
            ("http://localhost:8082/", "127.0.0.1:8082"),
            ("http://[::1]:8082", "[::1]:8082"),
        ] {
            assert_eq!(api_address(text), Ok(address.parse().unwrap()), "{text}");
        }
        for url in ["https://127.0.0.1:8081", "http://push.example.org:8081", "http://127.0.0.1", "http://"] {
            assert!(api_address(url).unwrap_err().contains("for applications"), "{url}");
        }
        assert!(api_address("8081").unwrap_err().starts_with("give an IP address"));
    }

    #[test]
    fn numbers() {
        assert_eq!((count::<u32>("0"), count::<u64>("1024")), (Ok(0), Ok(1024)));
        for text in ["", "-1", "many", "1e6", "99999999999999999999"] {
            assert_eq!(count::<u32>(text), Err("give a whole number, from 0 on".to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, size) in
            [("0", 0), ("65536", 65_536), ("64KiB", 65_536), ("1MB", 1_000_000), ("1 MiB", 1 << 20)]
        {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "-1", "many", "64 apples"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
