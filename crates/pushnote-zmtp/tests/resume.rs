//! A link that breaks goes on where it was, as far as the publisher's history reaches.

#![expect(clippy::unwrap_used, reason = "a test may")]

use pushnote_zmtp::{Endpoint, Options, Publisher, Subscriber};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn any_port() -> Endpoint {
    "tcp://127.0.0.1:*".parse().unwrap()
}

fn keeping(history_bytes_max: usize) -> Options {
    Options { history_bytes_max, ..Options::default() }
}

fn port(endpoint: &Endpoint) -> u16 {
    let Endpoint::Tcp { port, .. } = endpoint else { panic!("{endpoint}") };
    *port
}

/// Passes connections on to a port, and cuts them when told.
struct Cable {
    endpoint: Endpoint,
    plugged: watch::Sender<bool>,
}

impl Cable {
    async fn to(target: &Endpoint) -> Self {
        let target = port(target);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (plugged, is_plugged) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut is_plugged = is_plugged.clone();
                if !*is_plugged.borrow() {
                    continue;
                }
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = is_plugged.wait_for(|plugged| !plugged) => {}
                    }
                });
            }
        });
        Cable { endpoint, plugged }
    }

    async fn cut(&self, publisher: &Publisher) {
        self.plugged.send(false).unwrap();
        while publisher.stats().peers > 0 {
            tokio::task::yield_now().await;
        }
    }

    fn mend(&self) {
        self.plugged.send(true).unwrap();
    }
}

async fn next(subscriber: &mut Subscriber) -> String {
    let message = timeout(PATIENCE, subscriber.recv()).await.expect("nothing came").unwrap();
    String::from_utf8(message.into_single().unwrap().to_vec()).unwrap()
}

async fn expect(subscriber: &mut Subscriber, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert_eq!(next(subscriber).await, number.to_string());
    }
}

async fn send(publisher: &Publisher, numbers: std::ops::Range<usize>) {
    for number in numbers {
        publisher.send(number.to_string()).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_cut_link_missed_comes_when_it_is_mended() {
    let publisher = Publisher::bind(&any_port(), keeping(1 << 20)).await.unwrap();
    let cable = Cable::to(publisher.local_endpoint().unwrap()).await;
    send(&publisher, 0..5).await; // before anybody was there: not for this subscriber
    let mut subscriber = Subscriber::connect(cable.endpoint.clone(), Options::default());
    publisher.subscribed().await;
    send(&publisher, 5..10).await;
    expect(&mut subscriber, 5..10).await;
    for round in 0..3 {
        let first = 10 + round * 1000;
        cable.cut(&publisher).await;
        send(&publisher, first..first + 500).await;
        cable.mend();
        publisher.subscribed().await;
        send(&publisher, first + 500..first + 1000).await;
        expect(&mut subscriber, first..first + 1000).await;
    }
    assert_eq!(subscriber.stats().missed, 0);
}

#[tokio::test]
async fn what_the_history_no_longer_holds_is_counted() {
    const KEPT: usize = 10;
    // Each message of three bytes in a frame with a head of two, and the bookkeeping.
    let publisher = Publisher::bind(&any_port(), keeping(KEPT * (128 + 5))).await.unwrap();
    let cable = Cable::to(publisher.local_endpoint().unwrap()).await;
    let mut subscriber = Subscriber::connect(cable.endpoint.clone(), Options::default());
    publisher.subscribed().await;
    send(&publisher, 100..110).await;
    expect(&mut subscriber, 100..110).await;
    cable.cut(&publisher).await;
    send(&publisher, 110..200).await;
    cable.mend();
    expect(&mut subscriber, 200 - KEPT..200).await;
    assert_eq!(subscriber.stats().missed, (90 - KEPT) as u64);
}

/// The port is free when the runtime has dropped the tasks of the publisher before.
async fn bind_again(endpoint: &Endpoint) -> Publisher {
    loop {
        match Publisher::bind(endpoint, keeping(1 << 20)).await {
            Ok(publisher) => return publisher,
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_publisher_that_is_started_anew_gives_all_that_it_has() {
    let publisher = Publisher::bind(&any_port(), keeping(1 << 20)).await.unwrap();
    let endpoint = publisher.local_endpoint().unwrap().clone();
    let mut subscriber = Subscriber::connect(endpoint.clone(), Options::default());
    publisher.subscribed().await;
    send(&publisher, 0..3).await;
    expect(&mut subscriber, 0..3).await;
    drop(publisher);
    let publisher = timeout(PATIENCE, bind_again(&endpoint)).await.unwrap();
    send(&publisher, 3..6).await; // the subscriber is not back yet
    expect(&mut subscriber, 3..6).await;
    assert_eq!(subscriber.stats().missed, 0);
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_loses_nothing_within_the_history() {
    let options = Options { queue_bytes_max: 64 << 10, history_bytes_max: 64 << 20, ..Options::default() };
    let publisher = Publisher::bind(&any_port(), options).await.unwrap();
    let endpoint = publisher.local_endpoint().unwrap().clone();
    let mut subscriber = Subscriber::connect(endpoint, Options::default());
    publisher.subscribed().await;
    // Far more than its queue and the system's buffers hold.
    let filler = "x".repeat(8000);
    for number in 0..5000 {
        publisher.send(format!("{number} {filler}")).await.unwrap();
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for number in 0..5000 {
        assert!(next(&mut subscriber).await.starts_with(&format!("{number} ")));
    }
    assert_eq!((publisher.stats().dropped, subscriber.stats().missed), (0, 0));
}

#[tokio::test]
async fn messages_are_confirmed_by_those_who_read() {
    let publisher = Publisher::bind(&any_port(), keeping(1 << 20)).await.unwrap();
    let endpoint = publisher.local_endpoint().unwrap().clone();
    let alone = publisher.try_send_confirmed("nobody").unwrap().within(PATIENCE).await;
    assert_eq!((alone.subscribers, alone.confirmed, alone.position.sequence), (0, 0, 0));
    let mut readers = Vec::new();
    for count in 1..=3 {
        readers.push(Subscriber::connect(endpoint.clone(), Options::default()));
        while publisher.stats().peers < count || !publisher.is_subscribed() {
            tokio::task::yield_now().await;
        }
    }
    // Peers are counted a moment before they have subscribed.
    let mut number = 1;
    loop {
        let delivery = publisher.try_send_confirmed(number.to_string()).unwrap().within(PATIENCE).await;
        assert_eq!(delivery.position.sequence, number);
        assert_eq!(delivery.confirmed, delivery.subscribers);
        if delivery.confirmed == 3 {
            break;
        }
        number += 1;
    }
    for reader in &mut readers {
        while next(reader).await != number.to_string() {}
    }
}
