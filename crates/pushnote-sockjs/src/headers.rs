//! The headers that answers share: caching, CORS, the sticky cookie.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    options::Options,
    origin,
    response::{self, Response},
};

const YEAR: Duration = Duration::from_secs(31_536_000);

/// Nothing on the way may keep the answer.
pub(crate) fn not_cached(response: &mut HeaderMap) {
    const VALUE: &str = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
    response.insert(header::CACHE_CONTROL, HeaderValue::from_static(VALUE));
}

/// Everything on the way may keep the answer for a year.
pub(crate) fn long_cached(response: &mut HeaderMap) {
    response.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000"));
    let expires = httpdate::fmt_http_date(SystemTime::now() + YEAR);
    if let Ok(expires) = HeaderValue::from_str(&expires) {
        response.insert(header::EXPIRES, expires);
    }
}

/// Lets pages of other origins read the answer, as far as they are allowed to use the service.
pub(crate) fn cors(options: &Options, request: &HeaderMap, response: &mut HeaderMap) {
    response.insert(header::VARY, HeaderValue::from_static("Origin"));
    if !options.allowed_origins.allow(request) {
        return;
    }
    match origin::of(request) {
        Some(origin) => {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        None if options.allowed_origins.is_any() => {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        None => {}
    }
    if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| !asked.is_empty())
    {
        response.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
}

/// The answer to a preflight request, beside [`cors`].
pub(crate) fn preflight(methods: &[Method]) -> Response {
    let mut response = response::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    long_cached(headers);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("31536000"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, response::list(methods));
    response
}

/// The cookie that load balancers stick to, when it is wanted: the one they made, or a dummy for them to replace.
pub(crate) fn sticky_cookie(options: &Options, request: &HeaderMap, response: &mut HeaderMap) {
    /// Longer ones are nobody's idea of a server's name.
    const VALUE_BYTES_MAX: usize = 256;
    if !options.jsessionid {
        return;
    }
    let value = request
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .find_map(|cookie| cookie.trim().strip_prefix("JSESSIONID="))
        .filter(|value| value.len() <= VALUE_BYTES_MAX);
    let cookie = format!("JSESSIONID={}; path=/", value.unwrap_or("dummy"));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.insert(header::SET_COOKIE, cookie);
    }
}

/// Asks nginx not to hold a streaming response back. Others ignore it.
pub(crate) fn unbuffered(response: &mut HeaderMap) {
    response.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
}

/// Whether `If-None-Match` names `etag` (RFC 9110 §13.1.2): one, several, weak ones, or `*`.
pub(crate) fn none_match(request: &HeaderMap, etag: &HeaderValue) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(|tag| tag.trim_ascii())
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags() {
        let etag = HeaderValue::from_static("\"abc\"");
        for (value, matches) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\"", true),
            ("\"x\",W/\"abc\"", true),
            ("*", true),
            ("\"x\"", false),
            ("abc", false),
            ("", false),
        ] {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(none_match(&request, &etag), matches, "{value}");
        }
        assert!(!none_match(&HeaderMap::new(), &etag));
    }
}
