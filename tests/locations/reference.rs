//! What nginx_http_push_module's own suite checks, besides what the protocol says.

use std::time::Duration;

use pushnote_tests::requests::rest;

use crate::site::{LOCATIONS, Relay};

/// Its information in four formats while subscribers wait and afterwards.
#[tokio::test]
async fn channel_info() {
    let relay = Relay::start();
    let mut held = Vec::new();
    for subscribers in 1..=20 {
        held.push(relay.hold("/sub/a", &[], subscribers).await);
    }
    let info = relay.ask("GET", "/pub/a", &[("Accept", "text/json")], b"").await;
    let json: serde_json::Value = serde_json::from_slice(&info.body).unwrap();
    assert_eq!((&json["messages"], &json["subscribers"]), (&0.into(), &20.into()));
    assert_eq!(relay.post("/pub/a", "x").await.status, 201);
    for one in held {
        assert_eq!(rest(one).await.text(), "x");
    }
    assert_eq!(relay.subscribers("a").await, 0);
}

#[tokio::test]
async fn channels_are_apart() {
    let relay = Relay::start();
    let held = relay.hold("/sub/a", &[], 1).await;
    for _ in 0..10 {
        assert_eq!(relay.post("/pub/b", "not yours").await.status, 202);
    }
    assert_eq!(relay.subscribers("a").await, 1);
    relay.post("/pub/a", "yours").await;
    assert_eq!(rest(held).await.text(), "yours");
}

#[tokio::test]
async fn only_channels_that_are_there() {
    let settings = r#"
        [[server.locations]]
        type = "publisher"
        url = "/pub/([^/]+)"
        create_on_post = false
        [[server.locations]]
        type = "subscriber"
        url = "/sub/([^/]+)"
        "#;
    let relay = Relay::with(settings, &[]);
    assert_eq!(relay.get("/sub/a").await.status, 404);
    assert_eq!(relay.post("/pub/a", "x").await.status, 404);
    assert_eq!(relay.ask("PUT", "/pub/a", &[], b"").await.status, 200);
    let held = relay.hold("/sub/a", &[], 1).await;
    assert_eq!(relay.post("/pub/a", "x").await.status, 201);
    assert_eq!(rest(held).await.text(), "x");
}

#[tokio::test]
async fn four_hundred_subscribers() {
    let relay = Relay::start();
    let mut held = Vec::new();
    for _ in 0..400 {
        held.push(pushnote_tests::requests::begin(relay.address(), "GET", "/sub/a", &[], b"").await);
    }
    relay.until_held("a", 400).await;
    assert!(relay.post("/pub/a", "all").await.text().ends_with("active subscribers: 400"));
    for one in held {
        assert_eq!(rest(one).await.text(), "all");
    }
}

#[tokio::test]
async fn many_messages_of_one_second_in_order() {
    let relay = Relay::start();
    for number in 0..200 {
        relay.post("/pub/a", &number.to_string()).await;
    }
    let mut message = relay.get("/sub/a").await;
    for number in 1..200 {
        message = relay.after("/sub/a", &message).await;
        assert_eq!(message.text(), number.to_string());
    }
}

#[tokio::test]
async fn messages_of_any_length() {
    let relay = Relay::with(LOCATIONS, &["--message-bytes-max=1MiB", "--zmq-frame-bytes-max=2MiB"]);
    for length in [0, 1, 5, 125, 126, 4095, 4096, 9999, 65_536, 500_000, 950_000] {
        let body = "ž".repeat(length / 2);
        relay.post("/pub/a", &body).await;
        assert_eq!(relay.get("/sub/a").await.text(), body);
        relay.ask("DELETE", "/pub/a", &[], b"").await;
    }
    let long = relay.post("/pub/a", &"x".repeat((1 << 20) + 1)).await;
    assert_eq!(long.status, 413);
    assert!(long.text().contains("1048576"), "{}", long.text());
}

#[tokio::test]
async fn a_subscriber_that_waits_long_enough_is_told() {
    let relay = Relay::start();
    let begun = std::time::Instant::now();
    assert_eq!(relay.get("/soon/a").await.status, 304);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(relay.subscribers("a").await, 0);
}

const BUFFERS: &str = r#"
    [[server.locations]]
    type = "publisher"
    url = "/pub/([^/]+)"
    store = "three"
    max_messages = 3
    [[server.locations]]
    type = "subscriber"
    url = "/sub/([^/]+)"
    store = "three"
    polling = "interval"
    create_on_get = true
    [[server.locations]]
    type = "publisher"
    url = "/short/pub/([^/]+)"
    store = "short"
    min_messages = 1
    message_timeout = 1
    [[server.locations]]
    type = "subscriber"
    url = "/short/sub/([^/]+)"
    store = "short"
    polling = "interval"
    create_on_get = true
    [[server.locations]]
    type = "publisher"
    url = "/none/pub/([^/]+)"
    store = "none"
    store_messages = false
    [[server.locations]]
    type = "subscriber"
    url = "/none/sub/([^/]+)"
    store = "none"
    create_on_get = true
    "#;

/// Who asks for a message that the buffer has no more gets the oldest, and is told that some are missing.
#[tokio::test]
async fn a_buffer_has_a_length() {
    let relay = Relay::with(BUFFERS, &[]);
    relay.post("/pub/a", "0").await;
    let first = relay.get("/sub/a").await;
    for number in 1..=5 {
        relay.post("/pub/a", &number.to_string()).await;
    }
    assert!(relay.get("/pub/a").await.text().starts_with("queued messages: 3\r\n"));
    assert_eq!(relay.get("/sub/a").await.text(), "3");
    let next = relay.after("/sub/a", &first).await;
    assert_eq!((next.text(), next.header("pushnote-gap")), ("3", Some("true")));
    let next = relay.after("/sub/a", &next).await;
    assert_eq!((next.text(), next.header("pushnote-gap")), ("4", None));
}

#[tokio::test]
async fn messages_become_too_old_but_for_the_least_that_are_kept() {
    let relay = Relay::with(BUFFERS, &[]);
    relay.post("/short/pub/a", "0").await;
    let first = relay.get("/short/sub/a").await;
    relay.post("/short/pub/a", "1").await;
    relay.post("/short/pub/a", "2").await;
    // Until it is so.
    while !relay.get("/short/pub/a").await.text().starts_with("queued messages: 1\r\n") {
        tokio::task::yield_now().await;
    }
    assert_eq!(relay.get("/short/sub/a").await.text(), "2");
    assert_eq!(relay.after("/short/sub/a", &first).await.header("pushnote-gap"), Some("true"));
}

#[tokio::test]
async fn without_a_buffer_only_who_waits_gets_a_message() {
    let relay = Relay::with(BUFFERS, &[]);
    assert!(relay.post("/none/pub/a", "lost").await.text().starts_with("queued messages: 0\r\n"));
    let held = pushnote_tests::requests::begin(relay.address(), "GET", "/none/sub/a", &[], b"").await;
    while !relay.get("/none/pub/a").await.text().ends_with("active subscribers: 1") {
        tokio::task::yield_now().await;
    }
    assert_eq!(relay.post("/none/pub/a", "news").await.status, 201);
    assert_eq!(rest(held).await.text(), "news");
}

#[tokio::test]
async fn options_say_what_pages_may_do() {
    let relay = Relay::start();
    let page = [("Origin", "http://a"), ("Access-Control-Request-Method", "GET")];
    let of = relay.ask("OPTIONS", "/sub/a", &page, b"").await;
    assert_eq!((of.status, of.header("access-control-allow-origin")), (200, Some("*")));
    let has = |answer: &pushnote_tests::requests::Answer, name: &str, words: &[&str]| {
        let value = answer.header(name).unwrap().to_owned();
        words.iter().for_each(|word| assert!(value.contains(word), "{name}: {value} has no {word}"));
    };
    has(&of, "access-control-allow-methods", &["GET", "OPTIONS"]);
    has(&of, "access-control-allow-headers", &["If-None-Match", "If-Modified-Since", "Origin"]);
    let of = relay.ask("OPTIONS", "/pub/a", &page, b"").await;
    assert_eq!(of.header("access-control-allow-origin"), Some("*"));
    has(&of, "access-control-allow-methods", &["GET", "POST", "PUT", "DELETE", "OPTIONS"]);
    has(&of, "access-control-allow-headers", &["Content-Type", "Origin"]);
    relay.post("/pub/a", "x").await;
    let message = relay.get("/sub/a").await;
    has(&message, "access-control-expose-headers", &["Last-Modified", "Etag", "Cache-Control"]);
}

/// A server that ends leaves nobody waiting.
#[tokio::test]
async fn who_waits_is_told_that_the_server_ends() {
    let mut relay = Relay::start();
    let held = relay.hold("/sub/a", &[], 1).await;
    relay.single.server.process.terminate();
    let ended = rest(held).await;
    assert_eq!((ended.status, ended.header("retry-after")), (503, Some("1")));
    assert!(relay.single.server.process.ended().success());
}

/// A message that is on disk has its id after a restart, too.
#[tokio::test]
async fn the_log_is_the_truth() {
    let data = tempfile::tempdir().unwrap();
    let directory = format!("--data-dir={}", data.path().display());
    let mut relay = Relay::with(LOCATIONS, &[&directory]);
    for text in ["0", "1"] {
        relay.ask("POST", "/pub/a", &[("Content-Type", "application/json")], text.as_bytes()).await;
    }
    let first = relay.get("/sub/a").await;
    relay.single.crash_and_restart();
    let second = relay.after("/sub/a", &first).await;
    assert_eq!((second.text(), second.header("pushnote-gap")), ("1", None));
}
