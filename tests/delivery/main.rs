//! What is promised about delivery: order, no doubles, nobody held up by another, an end that is announced.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acks;
mod api;
mod forms;
mod openapi;
mod presence;
mod protocol;
mod resume;
mod unix_socket;

use std::time::{Duration, Instant};

use pushnote::{PublishError, Publisher};
use pushnote_tests::{Browser, Forwarder, PATIENCE, Server, Single, token};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

fn publisher(endpoint: &str) -> Publisher {
    Publisher::builder().endpoint(endpoint).unwrap().build().unwrap()
}

/// Publishes with patience: a full queue is the publisher's way to say "slower".
async fn publish_all(publisher: &Publisher, data: &serde_json::Value) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(PublishError::QueueFull { .. }) = publisher.notify_all(data) {
        assert!(Instant::now() < deadline, "the queue stays full");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_arrives_once_and_in_order() {
    const MESSAGES: usize = 20_000;
    let forwarder = Forwarder::start();
    let server = Server::start(&forwarder.publ);
    let mut browsers = Vec::new();
    for _ in 0..10 {
        browsers.push(Browser::open(&server.websocket_url()).await);
    }
    let publisher = publisher(&forwarder.sub);
    // The forwarder has nobody to send to until the server has subscribed.
    while browsers[0].next_within(Duration::from_millis(50)).await.is_none() {
        publisher.notify_all("settle").unwrap();
    }
    let readers: Vec<_> = browsers
        .into_iter()
        .map(|mut browser| {
            tokio::spawn(async move {
                let mut expected = 0;
                while expected < MESSAGES {
                    let message = browser.next().await;
                    if message != json!("settle") {
                        assert_eq!(message, json!({ "n": expected }));
                        expected += 1;
                    }
                }
            })
        })
        .collect();
    for number in 0..MESSAGES {
        publish_all(&publisher, &json!({ "n": number })).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_holds_between_messages_for_all_and_for_one() {
    let single = Single::start();
    let mut page = Browser::open(&single.server.websocket_url()).await;
    let publisher = publisher(&single.endpoint);
    page.subscribe(&token("42")).await;
    while page.next_within(Duration::from_millis(50)).await.is_none() {
        publisher.notify(json!("settle"), ["42"]).unwrap();
    }
    for number in 0..2000 {
        match number % 3 {
            0 => publisher.notify_all(number).unwrap(),
            1 => publisher.notify(number, ["42"]).unwrap(),
            // For one of two users, and for both: once to a page of both.
            _ => publisher.notify(number, ["41", "42", "43"]).unwrap(),
        }
    }
    let mut expected = 0;
    while expected < 2000 {
        let message = page.next().await;
        if message != json!("settle") {
            assert_eq!(message, json!(expected));
            expected += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_be_told_of_a_gap_is_closed_and_delays_nobody() {
    let single = Single::with(&["--log-bytes-max=4000000"]);
    let mut reader = Browser::open(&single.server.websocket_url()).await;
    let mut stalled = stalled_websocket(&single.server.address).await;
    let publisher = publisher(&single.endpoint);
    // A connection is attached a moment after it is open.
    while reader.next_within(Duration::from_millis(50)).await.is_none() {
        publisher.notify_all("settle").unwrap();
    }
    publisher.notify_all("settled").unwrap();
    while reader.next().await != json!("settled") {}
    let data = json!({ "fill": "x".repeat(16_000) });
    // Far more than the log and the kernel's buffers hold.
    for _ in 0..1500 {
        publish_all(&publisher, &data).await;
        assert_eq!(reader.next().await, data);
    }
    // Once it reads, the stalled one finds, behind what was on its way, the end of its connection.
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stalled.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the stalled connection was not closed");
    assert!(rest.len() < 1500 * 16_000, "it was given everything");
    publish_all(&publisher, &json!("after")).await;
    assert_eq!(reader.next().await, json!("after"));
}

/// A WebSocket with a small receive buffer of which nothing is read.
async fn stalled_websocket(address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!(
        "GET /sockjs/websocket HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 101");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_says_so_and_refuses_new_connections() {
    let mut single = Single::start();
    let url = single.server.websocket_url();
    let mut browsers = Vec::new();
    for _ in 0..50 {
        browsers.push(Browser::open(&url).await);
    }
    let asked = Instant::now();
    single.server.process.terminate();
    for browser in &mut browsers {
        assert_eq!(browser.close_code().await, Some(3001));
    }
    drop(browsers);
    assert!(single.server.process.ended().success());
    assert!(asked.elapsed() < Duration::from_secs(5), "it waited for nobody");
    assert!(Browser::try_open(&url).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_takes_no_more_requests_on_old_connections() {
    let mut single = Single::start();
    let mut stream = TcpStream::connect(&single.server.address).await.unwrap();
    let open = b"POST /sockjs/0/id/xhr_streaming HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(open).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    single.server.process.terminate();
    // Another session on the same connection, behind the answer that the drain ends: refused, or not answered at all.
    let _ =
        stream.write_all(b"POST /sockjs/0/other/xhr HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await;
    let mut rest = String::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut rest)).await.expect("an end");
    assert!(rest.contains("c[3001,"), "{rest}");
    assert!(!rest.contains("HTTP/1.1 200"), "a second session was taken: {rest}");
    assert!(single.server.process.ended().success());
}

/// One request of a polling client, each on a connection of its own; the answer's body.
async fn poll(address: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server still listens");
    let request =
        "POST /sockjs/0/poller/xhr HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_between_two_polls_is_told_that_the_server_ends() {
    let mut single = Single::start();
    let mut witness = Browser::open(&single.server.websocket_url()).await;
    assert!(poll(&single.server.address).await.contains('o'));
    single.server.process.terminate();
    // The drain has begun when others have been told.
    assert_eq!(witness.close_code().await, Some(3001));
    drop(witness);
    let body = poll(&single.server.address).await;
    assert!(body.contains("c[3001,"), "{body}");
    assert!(single.server.process.ended().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_above_a_limit_are_refused_and_places_are_given_back() {
    for limit in ["--connections-max=2", "--connections-per-ip-max=2"] {
        let single = Single::with(&[limit]);
        let url = single.server.websocket_url();
        let first = Browser::open(&url).await;
        let _second = Browser::open(&url).await;
        let refused = Browser::try_open(&url).await.err().expect("no third place").to_string();
        assert!(refused.contains("503"), "{limit}: {refused}");
        drop(first);
        let deadline = Instant::now() + PATIENCE;
        while Browser::try_open(&url).await.is_err() {
            assert!(Instant::now() < deadline, "{limit}: the place is not given back");
        }
    }
}
