//! A publisher and what it connects to, on Unix sockets: their paths can be left and taken again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use pushnote::{AckError, BuildError, Obstacle, PublishError, Publisher, PublisherBuilder};
use pushnote_zmtp::{Options, Subscriber};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(20);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn endpoint(folder: &Path) -> String {
    format!("ipc://{}/mq", folder.display())
}

fn builder(folder: &TempDir) -> PublisherBuilder {
    Publisher::builder().endpoint(&endpoint(folder.path())).unwrap()
}

async fn listen_with(folder: &TempDir, options: Options) -> Subscriber {
    let endpoint = endpoint(folder.path()).parse().unwrap();
    let bound = async {
        loop {
            // A socket that was dropped a moment ago leaves its path when its tasks have ended.
            match Subscriber::bind(&endpoint, options.clone()).await {
                Ok(subscriber) => break subscriber,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    timeout(PATIENCE, bound).await.expect("the path is not left")
}

async fn listen(folder: &TempDir) -> Subscriber {
    listen_with(folder, Options::default()).await
}

async fn next(subscriber: &mut Subscriber) -> Value {
    let message = timeout(PATIENCE, subscriber.recv()).await.expect("no message in time").unwrap();
    let envelope: Value = serde_json::from_slice(&message.into_single().unwrap()).unwrap();
    envelope["data"].clone()
}

/// Publishes until it arrives: what finds no subscriber in time is given up. Returns how often.
async fn reach(publisher: &Publisher, subscriber: &mut Subscriber, data: &Value) -> u64 {
    for times in 1.. {
        publisher.notify_all(data).unwrap();
        if let Ok(message) = timeout(AGAIN, subscriber.recv()).await {
            let envelope: Value = serde_json::from_slice(message.unwrap().topic()).unwrap();
            assert_eq!(envelope["data"], *data);
            return times;
        }
    }
    unreachable!("there are more numbers");
}

/// Flushes without blocking the runtime, which may have the subscriber to serve.
async fn flush(publisher: Publisher, within: Duration) -> (Publisher, Result<(), pushnote::FlushError>) {
    let flush = move || {
        let flushed = publisher.flush(within);
        (publisher, flushed)
    };
    tokio::task::spawn_blocking(flush).await.unwrap()
}

/// Messages that wait, were written, were given up.
fn counts(publisher: &Publisher) -> (u64, u64, u64) {
    let stats = publisher.stats();
    (stats.waiting, stats.written, stats.given_up)
}

#[tokio::test]
async fn messages_arrive_in_order() {
    let folder = folder();
    let mut subscriber = listen(&folder).await;
    let publisher = builder(&folder).build().unwrap();
    for number in 0..5000 {
        publisher.notify_all(number).unwrap();
    }
    for number in 0..5000 {
        assert_eq!(next(&mut subscriber).await, number);
    }
    let (publisher, flushed) = flush(publisher, PATIENCE).await;
    assert_eq!(flushed, Ok(()));
    assert_eq!(counts(&publisher), (0, 5000, 0));
}

#[tokio::test]
async fn envelopes_are_as_documented() {
    let folder = folder();
    let mut subscriber = listen(&folder).await;
    let publisher = builder(&folder).build().unwrap();
    publisher.notify_all("ünï").unwrap();
    publisher.notify(json!({"msg": "Hi"}), ["42", "a b"]).unwrap();
    publisher.notify(None::<()>, [7_u64]).unwrap();
    publisher.notify(1, Vec::<String>::new()).unwrap();
    for (number, expected) in (0..).zip([
        r#"{"name":"notify_all","data":"ünï","#,
        r#"{"name":"notify","data":{"msg":"Hi"},"users":["42","a b"],"#,
        r#"{"name":"notify","data":null,"users":["7"],"#,
        r#"{"name":"notify","data":1,"users":[],"#,
    ]) {
        let message = timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap();
        let envelope = std::str::from_utf8(message.topic()).unwrap();
        let id = envelope.strip_prefix(expected).expect(envelope);
        assert!(id.starts_with(r#""publication":""#) && id.ends_with(&format!("/{number}\"}}")), "{id}");
    }
}

/// The subscriber lives on this thread, so a call that waited for it would wait for ever.
#[tokio::test(flavor = "current_thread")]
async fn publishing_does_not_block_a_runtime_of_one_thread() {
    let folder = folder();
    let publisher = builder(&folder).build().unwrap();
    for number in 0..100 {
        publisher.notify_all(number).unwrap();
    }
    let mut subscriber = listen(&folder).await;
    for number in 100..200 {
        publisher.notify_all(number).unwrap();
    }
    for number in 0..200 {
        assert_eq!(next(&mut subscriber).await, number, "published before the connection stood");
    }
}

#[tokio::test]
async fn another_end_is_told_from_no_connection() {
    let folder = folder();
    let _subscriber = listen(&folder).await;
    let publisher = builder(&folder).ack_endpoint(&endpoint(folder.path())).unwrap().build().unwrap();
    let asked = tokio::task::spawn_blocking(move || publisher.notify_all_acked("x", Duration::from_secs(5)));
    let error = asked.await.unwrap().unwrap_err();
    assert!(matches!(error, AckError::NoAnswer { obstacle: Some(Obstacle::WrongEnd), .. }), "{error}");
    assert!(error.to_string().contains("is the wrong port: messages go to pushnote-mq's --sub"), "{error}");
}

#[tokio::test]
async fn a_full_queue_is_an_error() {
    let folder = folder();
    let publisher = builder(&folder).queue_messages_max(2).build().unwrap();
    publisher.notify_all("one").unwrap();
    publisher.notify_all("two").unwrap();
    let error = publisher.notify_all("three").unwrap_err();
    assert!(matches!(error, PublishError::QueueFull { messages: 2, obstacle: Obstacle::NotConnected, .. }));
    let text =
        format!("queue is full (messages: 2, bytes: 142): not connected to {}", endpoint(folder.path()));
    assert_eq!(error.to_string(), text);

    let mut subscriber = listen(&folder).await;
    assert_eq!(next(&mut subscriber).await, "one");
    assert_eq!(next(&mut subscriber).await, "two");
    let (publisher, flushed) = flush(publisher, PATIENCE).await;
    assert_eq!(flushed, Ok(()));
    publisher.notify_all("four").unwrap();
    assert_eq!(next(&mut subscriber).await, "four");
}

#[tokio::test]
async fn a_peer_that_does_not_read_fills_the_queue_and_loses_nothing() {
    let folder = folder();
    let mut subscriber = listen(&folder).await;
    let publisher = builder(&folder).queue_bytes_max(256 * 1024).build().unwrap();
    publisher.notify_all(json!([0])).unwrap();
    assert_eq!(next(&mut subscriber).await, json!([0]));

    let filler = "x".repeat(60_000);
    let mut accepted = 0;
    let full = loop {
        match publisher.notify_all(json!([accepted, filler])) {
            Ok(()) => accepted += 1,
            // The other side's buffers may still have room: the queue is full when they are too.
            Err(_) if flush_fails_only_later(&publisher) => {}
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert!(matches!(full, PublishError::QueueFull { obstacle: Obstacle::Slow, .. }), "{full}");
    for number in 0..accepted {
        assert_eq!(next(&mut subscriber).await[0], number);
    }
    let (_publisher, flushed) = flush(publisher, PATIENCE).await;
    assert_eq!(flushed, Ok(()));
}

/// Whether messages are still being written.
fn flush_fails_only_later(publisher: &Publisher) -> bool {
    let before = publisher.stats().written;
    let _ = publisher.flush(Duration::from_millis(50));
    publisher.stats().written > before
}

#[tokio::test]
async fn a_restarted_peer_gets_what_comes_next() {
    let folder = folder();
    let publisher = builder(&folder).build().unwrap();
    for round in 0..3 {
        let mut subscriber = listen(&folder).await;
        for number in 0..100 {
            publisher.notify_all(json!([round, number])).unwrap();
        }
        for number in 0..100 {
            assert_eq!(next(&mut subscriber).await, json!([round, number]));
        }
    }
}

#[tokio::test]
async fn a_flush_says_that_there_is_no_connection() {
    let folder = folder();
    let publisher = builder(&folder).build().unwrap();
    publisher.notify_all("one").unwrap();
    publisher.notify_all("two").unwrap();
    let error = publisher.flush(Duration::from_millis(10)).unwrap_err();
    let text = format!("messages not written yet: 2; not connected to {}", endpoint(folder.path()));
    assert_eq!(error.to_string(), text);

    // They are not lost for that.
    let mut subscriber = listen(&folder).await;
    assert_eq!(next(&mut subscriber).await, "one");
    assert_eq!(next(&mut subscriber).await, "two");
    assert_eq!(flush(publisher, PATIENCE).await.1, Ok(()));
}

#[tokio::test]
async fn a_flush_says_that_nobody_subscribes() {
    let folder = folder();
    let deaf = listen_with(&folder, Options { topics: Vec::new(), ..Options::default() }).await;
    let publisher = builder(&folder).build().unwrap();
    publisher.notify_all("one").unwrap();
    timeout(PATIENCE, async {
        while deaf.stats().peers == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("no connection");
    let text = format!(
        "messages not written yet: 1; connected to {}, but it has not subscribed",
        endpoint(folder.path())
    );
    // The publisher's end knows of the connection a moment later.
    let told = async {
        let mut publisher = publisher;
        loop {
            let (again, flushed) = flush(publisher, Duration::from_millis(10)).await;
            match flushed.unwrap_err() {
                error if error.obstacle == Obstacle::NotConnected => publisher = again,
                error => return error.to_string(),
            }
        }
    };
    assert_eq!(timeout(PATIENCE, told).await.expect("it stays unconnected"), text);
}

#[tokio::test]
async fn what_cannot_be_written_for_too_long_is_given_up_and_told() {
    let folder = folder();
    let publisher = builder(&folder).subscriber_timeout(Duration::from_millis(50)).build().unwrap();
    publisher.notify_all("one").unwrap();
    publisher.notify_all("two").unwrap();
    let error = publisher.flush(PATIENCE).unwrap_err();
    let text = format!("messages given up after 50ms: 2; not connected to {}", endpoint(folder.path()));
    assert_eq!(error.to_string(), text);
    assert_eq!(publisher.flush(PATIENCE), Ok(()), "told once");
    assert_eq!(counts(&publisher), (0, 0, 2));

    // And it does not arrive after all.
    let mut subscriber = listen(&folder).await;
    let three = json!("three");
    timeout(PATIENCE, reach(&publisher, &mut subscriber, &three)).await.expect("no message in time");
}

#[tokio::test]
async fn a_peer_that_stalls_for_too_long_is_given_up_too() {
    let folder = folder();
    let mut subscriber = listen(&folder).await;
    let publisher = builder(&folder).subscriber_timeout(Duration::from_millis(500)).build().unwrap();
    let first = json!([0]);
    let firsts =
        timeout(PATIENCE, reach(&publisher, &mut subscriber, &first)).await.expect("no message in time");
    // Of those that were given up before, nobody is told below.
    let (publisher, _) = flush(publisher, PATIENCE).await;
    let before = counts(&publisher).2;
    // More than buffers on the way can hold.
    let (publisher, flushed) = tokio::task::spawn_blocking(move || {
        let filler = "x".repeat(65_000);
        for number in 1..=100 {
            publisher.notify_all(json!([number, filler])).unwrap();
        }
        let flushed = publisher.flush(PATIENCE);
        (publisher, flushed)
    })
    .await
    .unwrap();
    let error = flushed.unwrap_err();
    assert_eq!((error.left, error.obstacle), (0, Obstacle::Slow), "{error}");
    let (waiting, written, given_up) = counts(&publisher);
    assert_eq!((waiting, written + given_up), (0, 100 + firsts));
    assert_eq!(given_up, before + error.given_up);

    // What was given up does not arrive after all, but for what the system had taken of the last attempt.
    let mut arrived = BTreeSet::new();
    let all = async {
        while arrived.last() != Some(&101) {
            publisher.notify_all(json!([101])).unwrap();
            while let Ok(message) = timeout(AGAIN, subscriber.recv()).await {
                let envelope: Value = serde_json::from_slice(message.unwrap().topic()).unwrap();
                let number = envelope["data"][0].as_u64().unwrap();
                // A later first may have come, and a last one come again.
                assert!(arrived.insert(number) || [0, 101].contains(&number), "{number} came twice");
            }
        }
    };
    timeout(PATIENCE, all).await.expect("no message in time");
    assert!(arrived.len() as u64 <= written + 2, "{} of {written}", arrived.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_it_writes_what_waits() {
    let folder = folder();
    let mut subscriber = listen(&folder).await;
    let publisher = builder(&folder).linger(PATIENCE).build().unwrap();
    for number in 0..1000 {
        publisher.notify_all(number).unwrap();
    }
    // Read meanwhile: buffers on the way need not hold it all.
    let dropping = tokio::task::spawn_blocking(move || drop(publisher));
    for number in 0..1000 {
        assert_eq!(next(&mut subscriber).await, number);
    }
    dropping.await.unwrap();
}

#[test]
fn dropping_it_does_not_wait_for_ever() {
    let folder = folder();
    let publisher = builder(&folder).linger(Duration::from_millis(20)).build().unwrap();
    publisher.notify_all("lost").unwrap();
    drop(publisher);
}

#[test]
fn what_servers_would_refuse_is_refused_here() {
    let folder = folder();
    let publisher = builder(&folder).message_bytes_max(10).build().unwrap();
    publisher.notify_all("12345678").unwrap();
    let error = publisher.notify_all("123456789").unwrap_err();
    assert_eq!(error.to_string(), "message of 11 bytes is too long, servers take 10");

    let error = publisher.notify(1, ["42", ""]).unwrap_err();
    assert_eq!(error.to_string(), "user id is empty");

    let many = (0..100_000).map(|number| format!("user {number}"));
    let error = publisher.notify(1, many).unwrap_err();
    assert!(matches!(error, PublishError::NamesTooLong { max: 1_048_576, .. }), "{error}");
    let error = publisher.notify(1, 0..10_001).unwrap_err();
    assert_eq!(
        error.to_string(),
        "message is for 10001 users and channels, servers take 10000; send it to fewer at a time"
    );

    let keys_are_lists = std::collections::BTreeMap::from([(vec![1], 1)]);
    let error = publisher.notify_all(keys_are_lists).unwrap_err();
    assert_eq!(error.to_string(), "message has no form in JSON: key must be a string");

    assert_eq!(publisher.stats().waiting, 1);
}

#[test]
fn a_publisher_needs_an_endpoint() {
    let error = Publisher::builder().build().unwrap_err();
    assert!(matches!(error, BuildError::NoEndpoint));
    let error = Publisher::builder().endpoint("127.0.0.1:8002").unwrap_err();
    let text = "endpoint \"127.0.0.1:8002\" must begin with tcp:// or ipc://, as in tcp://127.0.0.1:8002";
    assert_eq!(error.to_string(), text);
}
