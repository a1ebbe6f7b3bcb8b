//! Which pages may read an answer.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST, HeaderValue,
    ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use pushnote_sockjs::AllowedOrigin;

use crate::front::{Body, whole};

/// How long browsers may remember what they asked before: a day, in seconds.
const MAX_AGE: &str = "86400";

/// The origins whose pages may; none for all.
pub(crate) struct Cors(Arc<[AllowedOrigin]>);

impl Cors {
    pub(crate) fn new(origins: Arc<[AllowedOrigin]>) -> Self {
        Self(origins)
    }

    /// Whether a request may be answered: it comes from such a page, or from none.
    pub(crate) fn allows(&self, request: &HeaderMap) -> bool {
        let Some(origin) = request.get(ORIGIN) else { return true };
        self.0.is_empty() || self.0.iter().any(|allowed| allowed.allows_pages_of(origin))
    }

    /// Whether a request may bring what the browser adds by itself, a cookie: it comes from a page of this very server, or of
    /// an origin that is named. Where all pages may ask, any of them could ask as its reader otherwise.
    pub(crate) fn trusts(&self, request: &Parts) -> bool {
        let Some(origin) = request.headers.get(ORIGIN) else { return true };
        let named = |allowed: &AllowedOrigin| !allowed.is_any() && allowed.allows_pages_of(origin);
        let own = request.headers.get(HOST).map(HeaderValue::as_bytes);
        let own = own.or(request.uri.authority().map(|authority| authority.as_str().as_bytes()));
        let name = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
        self.0.iter().any(named)
            || own.zip(name).is_some_and(|(own, name)| own.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// Lets the page that asks read the answer.
    pub(crate) fn put(&self, request: &HeaderMap, response: &mut HeaderMap) {
        response.append(VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = request.get(ORIGIN).filter(|_| self.allows(request)) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The answer to who asks what it may ask, beside [`Cors::put`].
pub(crate) fn preflight(request: &HeaderMap, methods: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_strangers_pages_do_not_count() {
        for (allowed, origin, trusted) in [
            (&[][..], None, true),
            (&[], Some("http://a:8080"), true),
            (&[], Some("http://b"), false),
            (&["*"], Some("http://b"), false),
            (&["http://b"], Some("http://b"), true),
            (&["http://b"], Some("http://c"), false),
            (&[], Some("null"), false),
        ] {
            let origins = allowed.iter().map(|origin| origin.parse().unwrap()).collect();
            let mut request = http::Request::builder().header(HOST, "a:8080");
            if let Some(origin) = origin {
                request = request.header(ORIGIN, origin);
            }
            let (request, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(Cors::new(origins).trusts(&request), trusted, "{allowed:?} {origin:?}");
        }
    }
}
