//! PUB and SUB against each other, in both directions.

#![expect(clippy::unwrap_used, reason = "a test may")]

use pushnote_zmtp::{Endpoint, Options, Publisher, QueueError, SlowSubscriber, Subscriber};
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

fn any_port() -> Endpoint {
    "tcp://127.0.0.1:*".parse().unwrap()
}

async fn next(subscriber: &mut Subscriber) -> String {
    let message = timeout(PATIENCE, subscriber.recv()).await.expect("nothing came").unwrap();
    String::from_utf8(message.into_single().unwrap().to_vec()).unwrap()
}

async fn subscribed(publisher: &Publisher) {
    timeout(PATIENCE, publisher.subscribed()).await.expect("nobody subscribed");
}

#[tokio::test]
async fn a_connecting_publisher_reaches_a_listening_subscriber() {
    let mut subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let publisher = Publisher::connect(subscriber.local_endpoint().unwrap().clone(), Options::default());
    publisher.try_send("sent before the connection stands").unwrap();
    assert_eq!(next(&mut subscriber).await, "sent before the connection stands");
    assert!(publisher.is_subscribed());
    timeout(PATIENCE, publisher.flush()).await.unwrap();
}

#[tokio::test]
async fn a_listening_publisher_reaches_connecting_subscribers() {
    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let endpoint = publisher.local_endpoint().unwrap().clone();
    let mut all = Subscriber::connect(endpoint.clone(), Options::default());
    subscribed(&publisher).await;
    let topics = vec!["b".into(), "bc".into()];
    let mut some = Subscriber::connect(endpoint, Options { topics, ..Options::default() });
    while publisher.stats().peers < 2 {
        tokio::task::yield_now().await;
    }
    publisher.try_send("probe").unwrap();
    assert_eq!(next(&mut all).await, "probe");
    // The second subscriber's prefixes are there when a message that matches one arrives.
    loop {
        publisher.try_send("b: knock").unwrap();
        if timeout(Duration::from_millis(20), some.recv()).await.is_ok() {
            break;
        }
    }
    for text in ["a", "bcd", "b", "c", "ba"] {
        publisher.try_send(text).unwrap();
    }
    let mut got = Vec::new();
    while got.last().is_none_or(|last| last != "ba") {
        got.push(next(&mut some).await);
    }
    got.retain(|text| text != "b: knock");
    assert_eq!(got, ["bcd", "b", "ba"], "each once, in order");
}

#[tokio::test]
async fn a_publisher_outlives_its_peer() {
    let subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().clone();
    let publisher = Publisher::connect(endpoint.clone(), Options::default());
    subscribed(&publisher).await;
    drop(subscriber);
    while publisher.is_subscribed() {
        tokio::task::yield_now().await;
    }
    publisher.try_send("while away").unwrap();
    let mut second = loop {
        match Subscriber::bind(&endpoint, Options::default()).await {
            Ok(subscriber) => break subscriber,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(next(&mut second).await, "while away");
}

#[tokio::test]
async fn a_subscriber_finds_its_publisher_again() {
    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let endpoint = publisher.local_endpoint().unwrap().clone();
    let mut subscriber = Subscriber::connect(endpoint.clone(), Options::default());
    subscribed(&publisher).await;
    drop(publisher);
    let second = loop {
        match Publisher::bind(&endpoint, Options::default()).await {
            Ok(publisher) => break publisher,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    subscribed(&second).await;
    second.try_send("again").unwrap();
    assert_eq!(next(&mut subscriber).await, "again");
}

#[tokio::test]
async fn a_full_queue_is_an_error_and_nothing_is_lost() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    let endpoint: Endpoint = format!("tcp://127.0.0.1:{port}").parse().unwrap();
    let publisher =
        Publisher::connect(endpoint.clone(), Options { queue_bytes_max: 100_000, ..Options::default() });
    let mut sent = 0;
    while publisher.try_send(format!("{sent}")).is_ok() {
        sent += 1;
        assert!(sent < 100_000, "the queue never filled");
    }
    assert_eq!(publisher.try_send("full"), Err(QueueError::Full));
    drop(nobody);
    let mut subscriber = Subscriber::bind(&endpoint, Options::default()).await.unwrap();
    for number in 0..sent {
        assert_eq!(next(&mut subscriber).await, number.to_string());
    }
}

#[tokio::test]
async fn many_messages_pass_in_order_both_large_and_small() {
    let options = Options { slow_subscriber: SlowSubscriber::Wait, ..Options::default() };
    let mut subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let publisher = Publisher::connect(subscriber.local_endpoint().unwrap().clone(), options);
    let sending = async {
        for number in 0..3000_usize {
            let payload = vec![number as u8; (number * 7919) % 20_000];
            publisher.send(payload).await.unwrap();
        }
        publisher.flush().await;
    };
    let receiving = async {
        for number in 0..3000_usize {
            let payload = subscriber.recv().await.unwrap().into_single().unwrap();
            assert_eq!(payload.len(), (number * 7919) % 20_000);
            assert!(payload.iter().all(|byte| *byte == number as u8));
        }
    };
    timeout(PATIENCE, async { tokio::join!(sending, receiving) }).await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_at_once() {
    let first = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let error = Subscriber::bind(first.local_endpoint().unwrap(), Options::default()).await.unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
}
