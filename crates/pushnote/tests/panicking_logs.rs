//! An application whose subscriber of logs panics, as `tracing-subscriber`'s does when the reader of stderr has ended.

use std::time::Duration;

use pushnote::Publisher;
use pushnote_zmtp::{Options, Subscriber};
use tokio::time::timeout;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata};

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
    publisher.notify_all("one").unwrap();
    first.recv().await.unwrap();
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
    // What is published before it is found is given up, too.
    loop {
        publisher.notify_all("two").unwrap();
        if let Ok(message) = timeout(AGAIN, second.recv()).await {
            message.unwrap();
            break;
        }
    }

    // So is what a publisher still had when it was dropped.
    drop(second);
    let ends =
        Publisher::builder().endpoint(&endpoint.to_string()).unwrap().linger(Duration::ZERO).build().unwrap();
    ends.notify_all("lost").unwrap();
    drop(ends);
}
