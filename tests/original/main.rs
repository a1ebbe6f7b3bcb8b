//! The original pushnote, in Python 2 on libzmq 2.1, works with our binaries as it is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod original;

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pushnote_tests::{Browser, Forwarder, PythonPublisher, Server, Single, free_endpoint};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::original::{Original, SALT, is_here, next};

const USER: u32 = 42;

fn salt_file() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "{SALT}").unwrap();
    file
}

fn accepting_its_tokens(salt: &NamedTempFile) -> String {
    format!("--legacy-salt-file={}", salt.path().display())
}

/// Every kind of value, and every length of UTF-8.
fn data() -> [Value; 6] {
    [
        json!({"msg": "Hi all!"}),
        json!({"čeština": "žluťoučký kůň", "日本": "語", "emoji": "🐎 \u{10ffff}", "quote": "\"\\/\u{0}\u{2028}"}),
        json!([1, -2.5, true, null, "", {}]),
        json!("plain"),
        json!(null),
        // Longer than a length of one byte can say.
        json!("ž".repeat(1000)),
    ]
}

/// All that an application does: to everybody, and to the one user whose page showed it that user's token.
async fn all_reaches(mut original: Original, server: &Server) {
    let mut browser = Browser::open(&server.websocket_url()).await;
    original.reach(None, &mut browser).await;
    for data in data() {
        original.notify_all(&data);
        assert_eq!(next(&mut browser).await, data);
    }

    let mut other = Browser::open(&server.websocket_url()).await;
    original.reach(None, &mut other).await;
    browser.subscribe(&original.token(USER)).await;
    original.reach(Some(USER), &mut browser).await;
    for data in data() {
        original.notify(USER + 1, &json!("for nobody"));
        original.notify(USER, &data);
        assert_eq!(next(&mut browser).await, data);
    }
    // What was the user's alone reached nobody else.
    original.notify_all(&json!("the end"));
    assert_eq!(next(&mut other).await, json!("the end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_publisher_reaches_a_browser_through_the_forwarder() {
    if !is_here() {
        return;
    }
    let salt = salt_file();
    for start in [Original::publisher, Original::debug_publisher] {
        let forwarder = Forwarder::start();
        let mq_socket = format!("--mq_socket={}", forwarder.publ);
        let server = Server::with(&[&mq_socket, &accepting_its_tokens(&salt)]);
        all_reaches(start(&forwarder.sub), &server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_publisher_reaches_a_browser_of_a_single_server() {
    if !is_here() {
        return;
    }
    let salt = salt_file();
    for start in [Original::publisher, Original::debug_publisher] {
        let single = Single::with(&[&accepting_its_tokens(&salt)]);
        all_reaches(start(&single.endpoint), &single.server).await;
    }
}

/// Nothing tells such a publisher who listens: it sends all it has, from the first message on, in order.
#[tokio::test(flavor = "multi_thread")]
async fn its_publisher_loses_nothing() {
    const MESSAGES: u32 = 5000;
    if !is_here() {
        return;
    }
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    Original::publisher(&single.endpoint).reach(None, &mut browser).await;
    let mut original = Original::publisher(&single.endpoint);
    for number in 0..MESSAGES {
        original.notify_all(&json!(number));
    }
    for number in 0..MESSAGES {
        assert_eq!(next(&mut browser).await, json!(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_tokens_are_refused_without_its_salt() {
    if !is_here() {
        return;
    }
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    browser.subscribe(&Original::publisher(&single.endpoint).token(USER)).await;
    assert_eq!(browser.close_code().await, Some(3500));
}

/// libzmq 2 asks for nothing and filters what it gets.
#[tokio::test(flavor = "multi_thread")]
async fn its_subscribers_hear_the_forwarder() {
    if !is_here() {
        return;
    }
    let forwarder = Forwarder::start();
    let everything = Original::subscriber(&forwarder.publ, "");
    let some = Original::subscriber(&forwarder.publ, "some");
    // libzmq of today knocks until both are there.
    let mut publisher = PythonPublisher::connect(&forwarder.sub);
    let (knocking, quiet) = mpsc::channel::<()>();
    let knocks = std::thread::spawn(move || {
        while quiet.recv_timeout(Duration::from_millis(10)) == Err(RecvTimeoutError::Timeout) {
            publisher.line("all knock");
            publisher.line("some knock");
        }
        publisher.line("some end");
        publisher
    });
    // Whatever it hears first, it may be there since the middle of a turn.
    while everything.heard() != "all knock" {}
    assert_eq!(some.heard(), "some knock");
    drop(knocking);
    let _publisher = knocks.join().unwrap();
    while everything.heard() != "some end" {}
    while some.heard() != "some end" {}

    let mut original = Original::publisher(&forwarder.sub);
    original.notify_all(&json!("Hi"));
    assert_eq!(everything.heard(), r#"{"data": "Hi", "name": "notify_all"}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_forwarder_serves_our_server() {
    if !is_here() {
        return;
    }
    let (publ, sub) = (free_endpoint(), free_endpoint());
    let _forwarder = Original::forwarder(&publ, &sub);
    let salt = salt_file();
    let mq_socket = format!("--mq_socket={publ}");
    let server = Server::with(&[&mq_socket, &accepting_its_tokens(&salt)]);
    all_reaches(Original::publisher(&sub), &server).await;
}
