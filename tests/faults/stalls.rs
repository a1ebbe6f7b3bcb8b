//! Processes that stand still for longer than any heartbeat: afterwards they read first, and blame nobody.

use std::time::Duration;

use pushnote::Publisher;
use pushnote_tests::{
    Browser, Forwarder, Launch, PATIENCE, Process, PythonPublisher, Server, Single, free_endpoint,
};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::raw::{SIGNATURE, greeting, ready};
use crate::target::Relay;

/// Twice the heartbeats' patience, and more.
const STANDSTILL: Duration = Duration::from_secs(5);
const HEARTBEAT: &str = "--heartbeat-interval=1";

/// Publishes until the browser hears it, and reads what else of that comes.
async fn settle(publisher: &mut PythonPublisher, browser: &mut Browser) {
    let mut publish = |data| publisher.publish(&json!({"name": "notify_all", "data": data}));
    publish("settle");
    while browser.next_within(Duration::from_millis(200)).await.is_none() {
        publish("settle");
    }
    publish("settled");
    while browser.next().await != json!("settled") {}
}

/// Publishes a hundred messages while `process` stands still.
async fn publish_meanwhile(process: &Process, publisher: &mut PythonPublisher) {
    process.signal("-STOP");
    for number in 0..100 {
        publisher.publish(&json!({"name": "notify_all", "data": number}));
        tokio::time::sleep(STANDSTILL / 100).await;
    }
    process.signal("-CONT");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_while_the_forwarder_stands_still_arrives() {
    let forwarder = Forwarder::with(&[HEARTBEAT]);
    let server = Server::with(&[&format!("--mq_socket={}", forwarder.publ)]);
    let mut browser = Browser::open(&server.websocket_url()).await;
    let mut publisher = PythonPublisher::connect(&forwarder.sub);
    settle(&mut publisher, &mut browser).await;

    publish_meanwhile(&forwarder.process, &mut publisher).await;
    for number in 0..100 {
        assert_eq!(browser.next().await, json!(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_while_a_single_server_stands_still_arrives() {
    let single = Single::with(&[HEARTBEAT]);
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let mut publisher = PythonPublisher::connect(&single.endpoint);
    settle(&mut publisher, &mut browser).await;

    publish_meanwhile(&single.server.process, &mut publisher).await;
    for number in 0..100 {
        assert_eq!(browser.next().await, json!(number));
    }
}

/// A handshake has several steps, and the forwarder's time for it is over when it wakes.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_in_a_handshake_while_the_forwarder_stood_still_gets_through() {
    let relay = Relay::start(&[]);
    let mut raw = relay.sub_door().open().await;
    raw.stream.read_exact(&mut [0; 10]).await.unwrap();
    relay.process.signal("-STOP");
    raw.say(&SIGNATURE).await;
    tokio::time::sleep(STANDSTILL + Duration::from_secs(2)).await;
    relay.process.signal("-CONT");
    // The rest only after it has had the time to think of its deadline.
    raw.stream.read_exact(&mut [0; 1]).await.unwrap();
    raw.say(&greeting(1)[SIGNATURE.len()..]).await;
    raw.stream.read_exact(&mut [0; 53]).await.unwrap();
    raw.say(&ready("PUB", &[])).await;
    raw.is_served("a peer that was greeted before").await;
}

/// A ping every second, and ten seconds for its answer: the old ones are long over when the server goes on.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_disconnected_by_a_server_that_stood_still() {
    let single = Single::with(&["--heartbeat-delay=1"]);
    let mut browsers = Vec::new();
    for _ in 0..100 {
        browsers.push(Browser::open(&single.server.websocket_url()).await);
    }
    let mut publisher = PythonPublisher::connect(&single.endpoint);
    settle(&mut publisher, &mut browsers[0]).await;

    single.server.process.signal("-STOP");
    tokio::time::sleep(Duration::from_secs(13)).await;
    single.server.process.signal("-CONT");
    publisher.publish(&json!({"name": "notify_all", "data": "after"}));
    for browser in &mut browsers {
        // It answers pings only while it is read, and this one is behind the last of them.
        while browser.next().await != json!("after") {}
    }
}

/// Its forwarder seems to be dead, and is not: what was written before is read later, and the rest over another link.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_gives_up_a_forwarder_which_stands_still_loses_nothing() {
    let forwarder = Forwarder::with(&[HEARTBEAT]);
    let server = Server::with(&[&format!("--mq_socket={}", forwarder.publ)]);
    let mut browser = Browser::open(&server.websocket_url()).await;
    let builder = Publisher::builder().endpoint(&forwarder.sub).unwrap();
    let publisher = builder.heartbeat_interval(Duration::from_secs(1)).build().unwrap();
    publisher.notify_all("settle").unwrap();
    while browser.next_within(Duration::from_millis(200)).await.is_none() {
        publisher.notify_all("settle").unwrap();
    }
    publisher.notify_all("settled").unwrap();
    while browser.next().await != json!("settled") {}

    forwarder.process.signal("-STOP");
    for number in 0..100 {
        publisher.notify_all(number).unwrap();
        tokio::time::sleep(STANDSTILL / 100).await;
    }
    forwarder.process.signal("-CONT");
    for number in 0..100 {
        assert_eq!(browser.next().await, json!(number));
    }
}

/// It stands still while it waits for a forwarder, which comes meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_stood_still_has_its_time_again() {
    let endpoint = free_endpoint();
    let listener = TcpListener::bind(endpoint.trim_start_matches("tcp://")).await.unwrap();
    let mut publish =
        Launch::of("pushnote").arguments(["publish", "-s", &endpoint, "--timeout=4s", "1"]).start();
    drop(timeout(PATIENCE, listener.accept()).await.unwrap().unwrap());
    drop(listener);
    publish.signal("-STOP");
    let _forwarder = Forwarder::start_on(&endpoint, "tcp://127.0.0.1:0");
    tokio::time::sleep(STANDSTILL).await;
    publish.signal("-CONT");
    assert!(tokio::task::block_in_place(|| publish.ended()).success());
}
