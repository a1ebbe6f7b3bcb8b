//! What a request must be before the router sees it.

use http::header::{CONNECTION, HOST, HeaderValue};
use http::uri::Authority;
use http::{HeaderMap, Request, Response, StatusCode, Version};

/// Answers a request that is none with 400.
///
/// The router takes for granted that a target has a path, and panics at `CONNECT host:port`. A request without one
/// `Host`, or with two, is read differently by each server on its way (RFC 9112, section 3.2).
pub(crate) fn refusal<B>(request: &Request<B>) -> Option<warp::reply::Response> {
    let fault = fault(request)?;
    let mut response = Response::new(format!("{fault}\n").into());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    // Who sends such a thing may disagree about where it ends.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Some(response)
}

/// Whether a request of HTTP/1.0 is the last one of its connection, whatever else it says of that (RFC 9112, section 9.3);
/// of HTTP/1.1, hyper knows.
pub(crate) fn closes<B>(request: &Request<B>) -> bool {
    let mut lines = request.headers().get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    let is_close = |option: &str| option.trim().eq_ignore_ascii_case("close");
    request.version() == Version::HTTP_10 && lines.any(|line| line.split(',').any(is_close))
}

fn fault<B>(request: &Request<B>) -> Option<&'static str> {
    if request.uri().path_and_query().is_none() {
        return Some("the target has no path");
    }
    // HTTP/2 has the name in the target.
    if request.version() == Version::HTTP_2
        && let Some(authority) = request.uri().authority()
    {
        let other = request.headers().get_all(HOST).iter().any(|host| host != authority.as_str());
        return other.then_some("Host is another than the target's");
    }
    host_fault(request.headers(), request.version())
}

/// What is wrong with `Host`, if anything is.
pub(crate) fn host_fault(headers: &HeaderMap, version: Version) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => None,
        (None, _) => Some("Host is missing"),
        (Some(_), Some(_)) => Some("Host comes twice"),
        (Some(host), None) => (!is_host(host.as_bytes())).then_some("Host is no host"),
    }
}

/// `host` or `host:port`; empty is a host, too.
fn is_host(bytes: &[u8]) -> bool {
    if bytes.is_empty() {
        return true;
    }
    let Ok(authority) = Authority::try_from(bytes) else { return false };
    let whole = authority.as_str();
    let Some(port) = whole.strip_prefix(authority.host()) else { return false };
    let port_is_number = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    port_is_number && !whole.contains('@') && !authority.host().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(target: &str, version: Version, hosts: &[&str]) -> Option<&'static str> {
        let request =
            hosts.iter().fold(Request::builder().uri(target), |request, host| request.header(HOST, *host));
        fault(&request.version(version).body(()).unwrap())
    }

    #[test]
    fn a_target_has_a_path() {
        assert_eq!(fault_of("a:1", Version::HTTP_11, &["a"]), Some("the target has no path"));
        for target in ["/", "*", "http://a", "http://a/b?c"] {
            assert_eq!(fault_of(target, Version::HTTP_11, &["a"]), None, "{target}");
        }
    }

    #[test]
    fn there_is_one_host() {
        assert_eq!(fault_of("/", Version::HTTP_11, &[]), Some("Host is missing"));
        assert_eq!(fault_of("/", Version::HTTP_10, &[]), None);
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert_eq!(fault_of("/", version, &["a", "a"]), Some("Host comes twice"));
            assert_eq!(fault_of("/", version, &["a b"]), Some("Host is no host"));
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in ["", "a", "a.b:80", "127.0.0.1", "[::1]", "[::1]:80", "a_b-c", "a:"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a b", "a/b", "u@a", "a:b", ":80", "a:80:80", "http://a", "a?b", "a#b", "\u{e4}"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
