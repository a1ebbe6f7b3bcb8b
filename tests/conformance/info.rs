//! What a client asks first.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::client::Server;

fn info(server: &Server, service: &str) -> Value {
    serde_json::from_str(&server.get(&format!("{service}/info")).text()).expect("JSON")
}

#[test]
fn info_is_json_of_these_four() {
    let server = Server::start();
    let response = server.get("/echo/info");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Content-Type"), Some("application/json; charset=UTF-8"));
    let info = info(&server, "/echo");
    assert_eq!(info["websocket"], json!(true));
    assert_eq!(info["origins"], json!(["*:*"]));
    assert_eq!(info["cookie_needed"], json!(false));
    assert!(info["entropy"].is_u64(), "{info}");
}

#[test]
fn entropy_is_fresh_and_has_32_bits() {
    let server = Server::start();
    let drawn: HashSet<_> =
        (0..16).map(|_| info(&server, "/echo")["entropy"].as_u64().expect("an integer")).collect();
    assert_eq!(drawn.len(), 16, "drawn twice: {drawn:?}");
    assert!(drawn.iter().all(|entropy| *entropy < 1 << 32), "{drawn:?}");
    // Sixteen draws all below 2^26: once in 10^28 runs.
    assert!(drawn.iter().any(|entropy| *entropy >= 1 << 26), "{drawn:?}");
}

#[test]
fn a_service_without_websockets_says_so() {
    let info = info(&Server::start(), "/disabled_websocket_echo");
    assert_eq!(info["websocket"], json!(false));
    assert_eq!(info["cookie_needed"], json!(false));
}

#[test]
fn a_service_that_needs_cookies_says_so() {
    let info = info(&Server::start(), "/cookie_needed_echo");
    assert_eq!(info["cookie_needed"], json!(true));
    assert_eq!(info["websocket"], json!(true));
}
