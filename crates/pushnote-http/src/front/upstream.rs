//! Requests to the application behind: what of a request is passed on, and by whom.

use std::time::Duration;

use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::Body;

/// How long the application may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection to it is kept without a request: less than applications' servers do.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// The most connections that are kept so.
const IDLE_MAX: usize = 64;

/// Headers that are about one connection (RFC 9110, section 7.6.1), besides those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Who makes them.
pub(super) type Upstream = Client<HttpConnector, Body>;

/// A client that keeps a few connections.
pub(super) fn upstream() -> Upstream {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_MAX)
        .build(connector)
}

/// Takes away what is about the connection alone.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // These a client might have taken away by naming them.
        .filter_map(|name| name.trim().parse().ok().filter(|name| *name != HOST && !is_forwarding(name)))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Whether a header says where a request comes from.
pub(super) fn is_forwarding(name: &HeaderName) -> bool {
    // CGI, and so Django, takes an underscore for a dash.
    let name = name.as_str().replace('_', "-");
    name.starts_with("x-forwarded-") || matches!(name.as_str(), "forwarded" | "x-real-ip")
}

/// What `Upgrade` asks for, if `Connection` says that it is meant.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let meant = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|option| option.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(UPGRADE).filter(|_| meant).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.fold(HeaderMap::new(), |mut headers, (name, value)| {
            headers.append(name, value);
            headers
        })
    }

    #[test]
    fn what_is_about_the_connection_is_not_passed_on() {
        let mut given = headers(&[
            ("connection", "close, X-Own ,host, x-forwarded-for"),
            ("x-own", "1"),
            ("host", "a"),
            ("x-forwarded-for", "192.0.2.1"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("cookie", "a=b"),
        ]);
        strip_hop_by_hop(&mut given);
        let mut left: Vec<_> = given.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "host", "x-forwarded-for"]);
    }

    #[test]
    fn an_upgrade_is_asked_for_by_two_headers() {
        let asked = |pairs| upgrade(&headers(pairs)).is_some();
        assert!(asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert!(!asked(&[("connection", "keep-alive"), ("upgrade", "websocket")]));
        assert!(!asked(&[("connection", "upgrade")]));
    }

    #[test]
    fn where_a_request_comes_from_is_also_said_with_underscores() {
        for name in ["x-forwarded-for", "x_forwarded_for", "x-forwarded_proto", "forwarded", "x-real-ip"] {
            assert!(is_forwarding(&HeaderName::from_static(name)), "{name}");
        }
        assert!(!is_forwarding(&HeaderName::from_static("x-requested-with")));
    }
}
