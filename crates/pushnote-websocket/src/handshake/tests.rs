use http::header::HOST;

use super::*;

fn headers() -> HeaderMap {
    // RFC 6455, 1.3.
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("server.example.com"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers
}

fn check_get(headers: &HeaderMap) -> Result<Accept, HandshakeError> {
    check(&Method::GET, Version::HTTP_11, headers)
}

fn refusal_with(name: HeaderName, value: &'static str) -> HandshakeError {
    let mut headers = headers();
    headers.insert(name, HeaderValue::from_static(value));
    check_get(&headers).expect_err("refused")
}

#[test]
fn the_example_of_the_rfc() {
    let response = check_get(&headers()).unwrap().response();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(response.headers()[CONNECTION], "Upgrade");
    assert_eq!(response.headers()[UPGRADE], "websocket");
}

#[test]
fn tokens_stand_in_lists_of_any_case() {
    let mut headers = headers();
    headers.insert(CONNECTION, HeaderValue::from_static("keep-alive, UPGRADE"));
    headers.insert(UPGRADE, HeaderValue::from_static("h2c"));
    headers.append(UPGRADE, HeaderValue::from_static("WebSocket ,other"));
    assert!(check_get(&headers).is_ok());
}

#[test]
fn what_is_no_handshake_is_refused() {
    assert_eq!(check(&Method::POST, Version::HTTP_11, &headers()).unwrap_err(), HandshakeError::Method);
    assert_eq!(check(&Method::GET, Version::HTTP_10, &headers()).unwrap_err(), HandshakeError::HttpVersion);
    assert_eq!(check(&Method::GET, Version::HTTP_2, &headers()).unwrap_err(), HandshakeError::HttpVersion);
    assert_eq!(refusal_with(UPGRADE, "websockets"), HandshakeError::Upgrade);
    assert_eq!(refusal_with(CONNECTION, "close"), HandshakeError::Connection);
    assert_eq!(refusal_with(CONNECTION, "x-upgrade"), HandshakeError::Connection);
    for key in
        ["", "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZSE=", "dGhlIHNhbXBsZSBub25jZQ", "!!!!!!!!!!!!!!!!!!!!!!=="]
    {
        assert_eq!(refusal_with(SEC_WEBSOCKET_KEY, key), HandshakeError::Key, "{key}");
    }
    assert_eq!(check_get(&HeaderMap::new()).unwrap_err(), HandshakeError::Upgrade);
    assert_eq!(HandshakeError::Key.response().status(), StatusCode::BAD_REQUEST);
}

#[test]
fn doubled_keys_are_refused() {
    let mut headers = headers();
    headers.append(SEC_WEBSOCKET_KEY, HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(check_get(&headers).unwrap_err(), HandshakeError::Key);
}

#[test]
fn another_version_is_told_ours() {
    for version in ["8", "13, 8", ""] {
        let response = refusal_with(SEC_WEBSOCKET_VERSION, version).response();
        assert_eq!(response.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(response.headers()[SEC_WEBSOCKET_VERSION], "13");
    }
}
