//! Lets pages of other origins read answers, as far as they are allowed to.

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderMap, HeaderValue, ORIGIN, VARY};
use pushnote_sockjs::AllowedOrigin;

/// Sets the headers that say whether the page which asks may read the answer; without a list every page may. What is asked
/// with a cookie is none of it: tokens come as headers.
pub(crate) fn allow_origin(allowed: &[AllowedOrigin], request: &HeaderMap, response: &mut HeaderMap) {
    if allowed.is_empty() {
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return;
    }
    response.append(VARY, HeaderValue::from_name(ORIGIN));
    if let Some(origin) = request.get(ORIGIN)
        && allowed.iter().any(|allowed| allowed.allows_pages_of(origin))
    {
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(list: &[&str], origin: &'static str) -> Option<HeaderValue> {
        let list: Vec<AllowedOrigin> = list.iter().map(|text| text.parse().unwrap()).collect();
        let request = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
        let mut response = HeaderMap::new();
        allow_origin(&list, &request, &mut response);
        assert_eq!(response.contains_key(VARY), !list.is_empty());
        response.remove(ACCESS_CONTROL_ALLOW_ORIGIN)
    }

    #[test]
    fn pages_of_listed_origins_may_read() {
        let some = |value| Some(HeaderValue::from_static(value));
        assert_eq!(allowed(&[], "https://a.example"), some("*"));
        assert_eq!(allowed(&["https://*.example"], "https://a.example"), some("https://a.example"));
        assert_eq!(allowed(&["https://*.example"], "https://a.test"), None);
        assert_eq!(allowed(&["https://a.example", "*"], "https://a.test"), some("https://a.test"));
    }
}
