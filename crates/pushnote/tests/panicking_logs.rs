//! An application whose subscriber of logs panics, as `tracing-subscriber`'s does when the reader of stderr has ended.

use std::time::Duration;

use pushnote::Publisher;
use pushnote_zmtp::{Options, Subscriber};
use tokio::time::timeout;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata};

const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(50);

struct Panicking;

impl tracing::Subscriber for Panicking {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        panic!("failed printing to stderr");
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Publishes it until it is heard: what is published before the subscriber is found is given up.
async fn arrives(publisher: &Publisher, text: &str, subscriber: &mut Subscriber) {
    let heard = async {
        loop {
            publisher.notify_all(text).expect("room in the queue");
            if let Ok(message) = timeout(AGAIN, subscriber.recv()).await {
                return message.expect("an open socket");
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("it is not heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_outlives_the_reader_of_the_logs() {
    tracing::subscriber::set_global_default(Panicking).unwrap();
    let mut first =
        Subscriber::bind(&"tcp://127.0.0.1:0".parse().unwrap(), Options::default()).await.unwrap();
    let endpoint = first.local_endpoint().unwrap().clone();
    let publisher = Publisher::builder()
        .endpoint(&endpoint.to_string())
        .unwrap()
        .subscriber_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    // "connected" is logged before it.
    arrives(&publisher, "one", &mut first).await;
    // "no connection" and "given up" are logged here.
    drop(first);
    publisher.notify_all("lost").unwrap();
    while publisher.flush(Duration::from_secs(5)).is_ok() {
        publisher.notify_all("lost").unwrap();
    }
    // The first lets go of the port in its own time.
    let mut second = loop {
        if let Ok(second) = Subscriber::bind(&endpoint, Options::default()).await {
            break second;
        }
    };
    arrives(&publisher, "two", &mut second).await;

    // So is what a publisher still had when it was dropped.
    drop(second);
    let ends =
        Publisher::builder().endpoint(&endpoint.to_string()).unwrap().linger(Duration::ZERO).build().unwrap();
    ends.notify_all("lost").unwrap();
    drop(ends);
}
