//! Requests to the application behind: what of a request is passed on, and by whom.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CONNECTION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::Authority;
use http::{Method, Version, request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Body;
use super::timed::Timed;

/// How long the application may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection to it is kept without a request: less than applications' servers do.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// The most connections that are kept so.
const IDLE_MAX: usize = 64;

/// Headers that are about one connection (RFC 9110, section 7.6.1), besides those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("http2-settings"),
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

/// Whether a request asks for a WebSocket. Other protocols are not passed: what a client says in them nobody here reads.
pub(super) fn asks_for_websocket(head: &request::Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && has_option(&head.headers, &CONNECTION, "upgrade")
        && has_option(&head.headers, &UPGRADE, "websocket")
}

/// Whether a header that is a list has this in it.
pub(super) fn has_option(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|option| option.trim().eq_ignore_ascii_case(wanted))
}

/// Says in the headers of HTTP/1.1 what HTTP/2 says otherwise: which host is asked (RFC 9113, section 8.3.1; also RFC 9112,
/// section 3.2.2), and all cookies in one line (RFC 9113, section 8.2.3).
pub(super) fn as_http_1(headers: &mut HeaderMap, authority: Option<&Authority>) {
    // A user's name and password are none of the host.
    let host = authority.and_then(|authority| authority.as_str().rsplit('@').next());
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
        headers.insert(HOST, host);
    }
    let cookies: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let (2.., Ok(joined)) = (cookies.len(), HeaderValue::from_bytes(&cookies.join(&b"; "[..]))) {
        headers.insert(COOKIE, joined);
    }
}

/// A request's body, which notifies `sent` of each part; a part has so long to come.
pub(super) fn watched(body: Incoming, patience: Duration, sent: Arc<Notify>) -> Body {
    let watched = Timed::new(body, patience, ()).map_frame(move |frame| {
        sent.notify_one();
        frame
    });
    watched.boxed_unsync()
}

/// Ends when the answer is overdue: so long after the last part of the request.
pub(super) async fn overdue(sent: &Notify, within: Duration) {
    while timeout(within, sent.notified()).await.is_ok() {}
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
            ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
            ("cookie", "a=b"),
        ]);
        strip_hop_by_hop(&mut given);
        let mut left: Vec<_> = given.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["cookie", "host", "x-forwarded-for"]);
    }

    #[test]
    fn a_websocket_is_asked_for_by_two_headers_of_a_get_over_http_1_1() {
        let asked = |method: &Method, version, pairs| {
            let (mut head, ()) = http::Request::new(()).into_parts();
            (head.method, head.version, head.headers) = (method.clone(), version, headers(pairs));
            asks_for_websocket(&head)
        };
        let (get, newest) = (Method::GET, Version::HTTP_11);
        let both = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
        assert!(asked(&get, newest, &both));
        assert!(!asked(&Method::POST, newest, &both));
        assert!(!asked(&get, Version::HTTP_10, &both));
        assert!(!asked(&get, Version::HTTP_2, &both));
        assert!(!asked(&get, newest, &[("connection", "keep-alive"), ("upgrade", "websocket")]));
        assert!(!asked(&get, newest, &[("connection", "upgrade")]));
        assert!(!asked(&get, newest, &[("connection", "upgrade, http2-settings"), ("upgrade", "h2c")]));
    }

    #[test]
    fn what_http_2_says_otherwise_is_said_in_headers() {
        let mut given = headers(&[("cookie", "a=b"), ("cookie", "c=d; e=f"), ("cookie", "g=h")]);
        as_http_1(&mut given, Some(&Authority::from_static("user:password@site:8080")));
        assert_eq!(
            (&given[HOST], &given[COOKIE]),
            (&"site:8080".parse().unwrap(), &"a=b; c=d; e=f; g=h".parse().unwrap())
        );
        assert_eq!(given.len(), 2);
        let mut given = headers(&[("host", "other")]);
        as_http_1(&mut given, None);
        assert_eq!((&given[HOST], given.len()), (&"other".parse().unwrap(), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_overdue_when_the_request_has_long_been_sent() {
        let (sent, start) = (Notify::new(), tokio::time::Instant::now());
        let sending = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                sent.notify_one();
            }
        };
        tokio::join!(sending, overdue(&sent, Duration::from_secs(60)));
        assert_eq!(start.elapsed(), Duration::from_secs(150 + 60));
    }

    #[test]
    fn where_a_request_comes_from_is_also_said_with_underscores() {
        for name in ["x-forwarded-for", "x_forwarded_for", "x-forwarded_proto", "forwarded", "x-real-ip"] {
            assert!(is_forwarding(&HeaderName::from_static(name)), "{name}");
        }
        assert!(!is_forwarding(&HeaderName::from_static("x-requested-with")));
    }
}
