//! ZMTP 1.0, as libzmq 2.x speaks it under the original's publisher: a greeting of two bytes, then length, flags, body.

use std::time::Duration;

use pushnote_tests::{Browser, Forwarder, PATIENCE, PythonPublisher, Server, Single};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::peer::{Peer, Way};

const GREETING: [u8; 2] = [1, 0];

async fn connect(endpoint: &str) -> TcpStream {
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).await.unwrap();
    stream.write_all(&GREETING).await.unwrap();
    stream
}

/// A message of one part. Its length counts the flags.
fn frame(body: &[u8]) -> Vec<u8> {
    let length = body.len() + 1;
    let head = match u8::try_from(length) {
        Ok(short) if short < 0xff => vec![short],
        _ => [&[0xff][..], &(length as u64).to_be_bytes()].concat(),
    };
    [&head[..], &[0], body].concat()
}

/// Returns when what others publish reaches the browser: the server attaches it, and subscribes, in its own time.
async fn is_told(endpoint: &str, browser: &mut Browser) {
    let envelope = |data: &str| json!({"name": "notify_all", "data": data});
    let mut publisher = PythonPublisher::connect(endpoint);
    loop {
        publisher.publish(&envelope("knock"));
        if browser.next_within(Duration::from_millis(50)).await.is_some() {
            break;
        }
    }
    publisher.publish(&envelope("settled"));
    while browser.next().await != json!("settled") {}
}

/// The envelopes of the original: keys in its order, a short and a long one, a user's by token.
async fn original_reaches(endpoint: &str, browser: &mut Browser) {
    let long = "x".repeat(1000);
    let mut publisher = connect(endpoint).await;
    for body in [
        r#"{"data": {"msg": "Hi all!"}, "name": "notify_all"}"#.to_owned(),
        format!(r#"{{"data": "{long}", "name": "notify_all"}}"#),
    ] {
        publisher.write_all(&frame(body.as_bytes())).await.unwrap();
    }
    assert_eq!(browser.next().await, json!({"msg": "Hi all!"}));
    assert_eq!(browser.next().await, json!(long));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_originals_publisher_reaches_a_single_server() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    is_told(&single.endpoint, &mut browser).await;
    original_reaches(&single.endpoint, &mut browser).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_originals_publisher_reaches_a_server_behind_the_forwarder() {
    let forwarder = Forwarder::start();
    let server = Server::start(&forwarder.publ);
    let mut browser = Browser::open(&server.websocket_url()).await;
    is_told(&forwarder.sub, &mut browser).await;
    original_reaches(&forwarder.sub, &mut browser).await;
}

/// Such a subscriber cannot ask for less than everything: it filters itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_of_that_age_hears_libzmq_through_the_forwarder() {
    let forwarder = Forwarder::start();
    let mut subscriber = connect(&forwarder.publ).await;
    let mut publisher = Peer::start("PUB", Way::Connect, &forwarder.sub);
    let knock = frame(b"knock");
    publisher.knock(&[b"knock".to_vec()]);
    let mut heard = Vec::new();
    timeout(PATIENCE, async {
        while !heard.windows(knock.len()).any(|window| window == knock) {
            assert_ne!(
                subscriber.read_buf(&mut heard).await.unwrap(),
                0,
                "the forwarder ends the connection"
            );
        }
    })
    .await
    .expect("nothing came");
}
