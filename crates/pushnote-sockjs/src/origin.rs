//! Which web pages may use a service.

use http::{HeaderMap, HeaderValue, header};

/// The origins that are allowed.
#[derive(Clone, Debug, Default)]
pub(crate) enum AllowedOrigins {
    #[default]
    Any,
    /// As browsers write them, `https://example.net`.
    These(Vec<String>),
}

impl AllowedOrigins {
    pub(crate) fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }

    /// Whether a request may be served: from a page of an allowed origin, or from no page at all. Browsers always send
    /// `Origin` where it matters (WebSocket, cross-origin XMLHttpRequest); other programs can send what they like.
    pub(crate) fn allow(&self, request: &HeaderMap) -> bool {
        match (self, of(request)) {
            (Self::Any, _) | (_, None) => true,
            (Self::These(origins), Some(origin)) => {
                origins.iter().any(|allowed| origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes()))
            }
        }
    }
}

/// The request's origin, unless it is empty.
pub(crate) fn of(request: &HeaderMap) -> Option<&HeaderValue> {
    request.get(header::ORIGIN).filter(|origin| !origin.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_its_origins_and_requests_without_one() {
        let these = AllowedOrigins::These(vec!["https://a.example".to_owned()]);
        for (origin, allowed) in [
            (None, true),
            (Some(""), true),
            (Some("https://a.example"), true),
            (Some("https://A.example"), true),
            (Some("https://a.example.evil"), false),
            (Some("http://a.example"), false),
            (Some("null"), false),
        ] {
            let mut request = HeaderMap::new();
            if let Some(origin) = origin {
                request.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(these.allow(&request), allowed, "{origin:?}");
            assert!(AllowedOrigins::Any.allow(&request));
        }
    }
}
