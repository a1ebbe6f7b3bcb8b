//! Which web pages may use a service.

use std::str::FromStr;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use pushnote_net::LogOnce;

/// Of an origin that is refused, what a log line tells at most: browsers' are shorter, a stranger may send anything.
const LOGGED_CHARS_MAX: usize = 100;

/// An origin whose pages may use a service: `https://example.org`, `https://*.example.org` for every name with one
/// label more, or `*` for all pages. Case, a slash at the end and a scheme's default port make no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    One(Origin),
    /// The origin is what follows `*.`.
    Subdomains(Origin),
}

/// Text that names no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no origin; give scheme, name and port only, as in https://example.org or http://localhost:8000; \
     https://*.example.org allows its subdomains, * all pages"
)]
pub struct OriginError(String);

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let trimmed = text.trim();
        if trimmed == "*" {
            return Ok(Self(Pattern::Any));
        }
        let origin = match trimmed.split_once("://*.") {
            Some((scheme, rest)) => Origin::parse(&format!("{scheme}://{rest}")).map(Pattern::Subdomains),
            None => Origin::parse(trimmed).map(Pattern::One),
        };
        origin.map(Self).ok_or_else(|| OriginError(text.to_owned()))
    }
}

impl AllowedOrigin {
    /// Whether pages of this origin, as their requests' `Origin` has it, may use a service.
    #[must_use]
    pub fn allows_pages_of(&self, origin: &HeaderValue) -> bool {
        self.allows(origin.to_str().ok().and_then(Origin::parse).as_ref())
    }

    /// Whether all pages may.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0 == Pattern::Any
    }

    fn allows(&self, origin: Option<&Origin>) -> bool {
        match (&self.0, origin) {
            (Pattern::Any, _) => true,
            (Pattern::One(allowed), Some(origin)) => allowed == origin,
            (Pattern::Subdomains(parent), Some(origin)) => {
                let above = origin.host.split_once('.').filter(|(label, _)| !label.is_empty());
                above.is_some_and(|(_, above)| above == parent.host)
                    && (&origin.scheme, origin.port) == (&parent.scheme, parent.port)
            }
            (_, None) => false,
        }
    }
}

/// In lower case, without the port where it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://")?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // The colons of an IPv6 address are within its brackets.
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (rest, None),
        };
        let name = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match name {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            }
        };
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let default = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        (is_host && is_scheme).then(|| Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port: port.filter(|port| Some(*port) != default),
        })
    }
}

/// The origins that are allowed.
#[derive(Clone, Debug, Default)]
pub(crate) enum AllowedOrigins {
    #[default]
    Any,
    These(Vec<AllowedOrigin>, Arc<LogOnce<String>>),
}

impl AllowedOrigins {
    pub(crate) fn new(origins: Vec<AllowedOrigin>) -> Self {
        if origins.iter().any(|origin| origin.0 == Pattern::Any) {
            return Self::Any;
        }
        Self::These(origins, Arc::default())
    }

    pub(crate) fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    /// Whether a request may be served: from a page of an allowed origin, or from no page at all. Browsers always send
    /// `Origin` where it matters (WebSocket, cross-origin XMLHttpRequest); other programs can send what they like.
    pub(crate) fn allow(&self, request: &HeaderMap) -> bool {
        let (Self::These(origins, log), Some(text)) = (self, of(request)) else {
            return true;
        };
        let origin = text.to_str().ok().and_then(Origin::parse);
        let allowed = origins.iter().any(|allowed| allowed.allows(origin.as_ref()));
        if !allowed {
            let shown: String =
                String::from_utf8_lossy(text.as_bytes()).chars().take(LOGGED_CHARS_MAX).collect();
            if let Some(unlogged) = log.due(shown.clone()) {
                tracing::warn!(
                    origin = ?shown,
                    unlogged,
                    "a page was refused, as its origin is not allowed; --allowed-origin with it would allow it"
                );
            }
        }
        allowed
    }
}

/// The request's origin, unless it is empty.
pub(crate) fn of(request: &HeaderMap) -> Option<&HeaderValue> {
    request.get(header::ORIGIN).filter(|origin| !origin.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &str, origin: Option<&str>) -> bool {
        let mut request = HeaderMap::new();
        if let Some(origin) = origin {
            request.insert(header::ORIGIN, origin.parse().unwrap());
        }
        AllowedOrigins::new(vec![allowed.parse().unwrap()]).allow(&request)
    }

    #[test]
    fn a_list_allows_its_origins_and_requests_without_one() {
        for (origin, allowed) in [
            (None, true),
            (Some(""), true),
            (Some("https://a.example"), true),
            (Some("https://A.example"), true),
            (Some("https://a.example.evil"), false),
            (Some("https://a.example:8443"), false),
            (Some("http://a.example"), false),
            (Some("null"), false),
        ] {
            for written in
                ["https://a.example", "https://a.example/", "HTTPS://A.example:443", " https://a.example"]
            {
                assert_eq!(allows(written, origin), allowed, "{written} {origin:?}");
            }
            assert!(allows("*", origin));
        }
        assert!(allows("http://[::1]:8000", Some("http://[::1]:8000")));
        assert!(allows("http://[::1]", Some("http://[::1]")));
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        for (origin, allowed) in [
            ("https://www.a.example", true),
            ("https://a.example", false),
            ("https://.a.example", false),
            ("https://x.www.a.example", false),
            ("https://evila.example", false),
            ("http://www.a.example", false),
            ("https://www.a.example:8443", false),
        ] {
            assert_eq!(allows("https://*.a.example/", Some(origin)), allowed, "{origin}");
        }
    }

    #[test]
    fn what_names_no_origin_is_refused_with_the_right_form() {
        for text in [
            "",
            "null",
            "example.org",
            "*.example.org",
            "https://",
            "https://*",
            "https://a.*.org",
            "https://a/b",
            "https://a b",
            "https://a:x",
            "https://*.*.org",
            "https://u@a",
            "//a",
        ] {
            let error = text.parse::<AllowedOrigin>().unwrap_err().to_string();
            assert!(error.contains("https://example.org"), "{error}");
        }
    }
}
