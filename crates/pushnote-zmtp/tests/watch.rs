//! What is seen of a socket by who watches it, and of an endpoint by who examines it.

#![expect(clippy::unwrap_used, reason = "a test may")]

use pushnote_zmtp::handshake::{HandshakeError, SocketType, Version};
use pushnote_zmtp::probe::Ungreeted;
use pushnote_zmtp::{CloseCause, Endpoint, Monitor, Options, Publisher, SlowSubscriber, Subscriber};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

async fn publisher(options: Options) -> (Publisher, Endpoint) {
    let publisher = Publisher::bind(&"tcp://127.0.0.1:*".parse().unwrap(), options).await.unwrap();
    let endpoint = publisher.local_endpoint().unwrap().clone();
    (publisher, endpoint)
}

async fn until(monitor: &Monitor, mut sound: impl FnMut(&Monitor) -> bool) {
    let looks = async {
        while !sound(monitor) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, looks).await.unwrap_or_else(|_| panic!("{:?} {:?}", monitor.stats(), monitor.peers()));
}

#[tokio::test]
async fn a_stalled_reader_of_the_history_falls_behind_and_comes_back() {
    let options = Options { history_bytes_max: 64 << 20, queue_bytes_max: 64 << 10, ..Options::default() };
    let (publisher, endpoint) = publisher(options).await;
    let monitor = publisher.monitor();
    let mut subscriber = Subscriber::connect(endpoint, Options::default());
    publisher.subscribed().await;
    let idle = &monitor.peers()[0];
    assert_eq!((idle.queued_bytes, idle.behind), (0, Some(0)), "{idle:?}");
    assert!(idle.peer.starts_with("127.0.0.1:"), "{idle:?}");

    let message = vec![b'x'; 50_000];
    let mut sent = 0;
    while monitor.peers()[0].behind == Some(0) {
        publisher.try_send(&message).unwrap();
        sent += 1;
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        publisher.try_send(&message).unwrap();
    }
    sent += 10;
    let behind = &monitor.peers()[0];
    assert!(behind.behind >= Some(10) && behind.queued_bytes > 0, "{behind:?}");
    let history = monitor.history().unwrap();
    assert_eq!((history.first, history.next), (0, sent));
    assert!(history.bytes >= sent * 50_000, "{history:?}");

    for _ in 0..sent {
        timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap();
    }
    until(&monitor, |monitor| {
        let peer = &monitor.peers()[0];
        (peer.queued_bytes, peer.behind) == (0, Some(0))
    })
    .await;
    assert_eq!(monitor.stats().dropped, 0);
}

#[tokio::test]
async fn reconnects_and_confirmations_are_counted() {
    let (first, endpoint) = publisher(Options::default()).await;
    let mut subscriber = Subscriber::connect(endpoint.clone(), Options::default());
    let subscribers = subscriber.monitor();
    assert!(subscribers.history().is_none() && subscribers.peers().is_empty());
    first.subscribed().await;
    let reading = tokio::spawn(async move { while subscriber.recv().await.is_some() {} });
    for _ in 0..3 {
        first.try_send_confirmed("message").unwrap().within(PATIENCE).await;
    }
    let stats = first.stats();
    assert_eq!((stats.confirmations_asked, stats.confirmed), (3, 3));
    assert!(first.monitor().history().is_none());
    drop(first);
    let again = loop {
        // The first one's listener ends in its own time.
        match Publisher::bind(&endpoint, Options::default()).await {
            Ok(publisher) => break publisher,
            Err(_in_use) => sleep(Duration::from_millis(5)).await,
        }
    };
    timeout(PATIENCE, again.subscribed()).await.unwrap();
    until(&subscribers, |monitor| monitor.stats().reconnects == 1).await;
    assert_eq!(subscribers.stats().connections, 2);
    reading.abort();
}

#[tokio::test]
async fn an_endpoint_says_what_it_is() {
    let options = Options { history_bytes_max: 1 << 20, ..Options::default() };
    let (publisher, endpoint) = publisher(options).await;
    publisher.try_send("one").unwrap();
    publisher.try_send("two").unwrap();
    let greet = async |kind| Ungreeted::open(&endpoint).await.unwrap().greet(kind, Options::default()).await;

    let mut probe = greet(SocketType::Sub).await.unwrap();
    assert_eq!((probe.peer().kind, probe.peer().version), (SocketType::Pub, Version::V3_1));
    assert!(probe.ping().await.unwrap().unwrap() < PATIENCE);
    let position = probe.position().await.unwrap().unwrap();
    assert_eq!((position.sequence, position.epoch), (2, publisher.monitor().history().unwrap().epoch));

    let wrong = greet(SocketType::Pub).await.unwrap_err();
    assert!(
        matches!(&wrong, CloseCause::Handshake(HandshakeError::SocketType(kind)) if kind == "PUB"),
        "{wrong}"
    );
    drop(publisher);
    let ended = probe.ping().await.unwrap_err();
    assert!(matches!(ended, CloseCause::Peer | CloseCause::Io(_)), "{ended}");
}

#[tokio::test]
async fn another_protocol_and_silence_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: Endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let examine = async |handshake_timeout| {
        let connection = Ungreeted::open(&endpoint).await.unwrap();
        let options = Options { handshake_timeout, ..Options::default() };
        connection.greet(SocketType::Sub, options).await.unwrap_err()
    };
    let silent = examine(Duration::from_millis(200)).await;
    assert!(matches!(silent, CloseCause::HandshakeTimeout), "{silent}");
    let answering = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
            let _ = stream.read(&mut [0; 64]).await;
        }
    });
    let other = examine(PATIENCE).await;
    assert!(other.to_string().contains("220 mail.example ESMTP"), "{other}");
    answering.abort();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_subscriber_that_takes_nothing_is_given_up_unless_it_is_to_be_waited_for() {
    for (policy, given_up) in [(SlowSubscriber::DropNewest, true), (SlowSubscriber::Wait, false)] {
        let write_timeout = Duration::from_millis(300);
        let options = Options { slow_subscriber: policy, write_timeout, ..Options::default() };
        let (publisher, endpoint) = publisher(options).await;
        let address = endpoint.to_string().trim_start_matches("tcp://").to_owned();
        let mut stalled = TcpStream::connect(address).await.unwrap();
        // ZMTP 2.0, which has no heartbeats.
        stalled.write_all(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x02\0\0\0\x01\x01").await.unwrap();
        timeout(PATIENCE, publisher.subscribed()).await.unwrap();
        let message = vec![b'x'; 1 << 20];
        for _ in 0..16 {
            publisher.try_send(&message).unwrap();
        }
        if given_up {
            until(&publisher.monitor(), |of| of.stats().peers == 0).await;
        } else {
            sleep(10 * write_timeout).await;
            assert_eq!(publisher.stats().peers, 1);
        }
    }
}

/// A publisher of ZMTP 2.0 that says `bytes`.
async fn raw_publisher(endpoint: &Endpoint, bytes: &[u8]) -> TcpStream {
    let address = endpoint.to_string().trim_start_matches("tcp://").to_owned();
    let mut raw = TcpStream::connect(address).await.unwrap();
    let greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x01\0\0";
    raw.write_all(&[greeting, bytes].concat()).await.unwrap();
    raw
}

#[tokio::test]
async fn what_is_unread_when_a_peer_is_closed_is_counted_and_what_a_peer_leaves_is_not() {
    let mut subscriber =
        Subscriber::bind(&"tcp://127.0.0.1:*".parse().unwrap(), Options::default()).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().clone();
    let monitor = subscriber.monitor();
    // It says that more is to come, and goes.
    let mut goes = raw_publisher(&endpoint, b"\0\x01a\0\xffhalf").await;
    goes.shutdown().await.unwrap();
    until(&monitor, |of| of.stats().closed_for("peer") == 1).await;
    assert_eq!(monitor.stats().unread_bytes, 0);
    // A message, a frame of a flag that nobody knows, and a message behind it.
    let _raw = raw_publisher(&endpoint, b"\0\x01a\x80\x01b\0\x01c").await;
    until(&monitor, |of| of.stats().closed_for("reserved_flags") == 1).await;
    assert_eq!(monitor.stats().unread_bytes, 6);
    for _ in 0..2 {
        assert_eq!(timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap().topic(), b"a");
    }
}

#[tokio::test]
async fn what_is_unread_when_the_socket_is_closed_is_counted() {
    let options = Options { read_bytes: 4096, ..Options::default() };
    let mut subscriber = Subscriber::bind(&"tcp://127.0.0.1:*".parse().unwrap(), options).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().clone();
    let monitor = subscriber.monitor();
    let messages = [&b"\0\xff"[..], &[b'x'; 255]].concat().repeat(600);
    let _raw = raw_publisher(&endpoint, &messages).await;
    // Nobody takes them: what finds room has been received, and the rest lies there. It is less than a socket holds.
    let mut before = 0;
    until(&monitor, |of| std::mem::replace(&mut before, of.stats().bytes) == of.stats().bytes && before > 0)
        .await;
    subscriber.close();
    let all = |of: &Monitor| of.stats().bytes + of.stats().unread_bytes == messages.len() as u64;
    until(&monitor, all).await;
    assert!(monitor.stats().unread_bytes > 0);
}

#[tokio::test]
async fn what_waited_for_a_subscriber_that_is_closed_is_counted() {
    let slow_subscriber = SlowSubscriber::Disconnect(Duration::from_millis(80));
    let (publisher, endpoint) = publisher(Options { slow_subscriber, ..Options::default() }).await;
    let address = endpoint.to_string().trim_start_matches("tcp://").to_owned();
    let mut stalled = TcpStream::connect(address).await.unwrap();
    stalled.write_all(b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x02\0\0\0\x01\x01").await.unwrap();
    timeout(PATIENCE, publisher.subscribed()).await.unwrap();
    let (message, sent, written) = (vec![b'x'; 64 << 10], 400, 100);
    for number in 0..sent {
        publisher.try_send(&message).unwrap();
        // The system takes some of it. It is not closed before the last is sent: what comes after its end is not for it.
        if number < written {
            tokio::task::yield_now().await;
        }
    }
    until(&publisher.monitor(), |of| of.stats().closed_for("slow_subscriber") == 1).await;
    let mut came = Vec::new();
    stalled.read_to_end(&mut came).await.unwrap();
    let (greeting_bytes, head_bytes) = (14, 9);
    let received = (came.len() - greeting_bytes) / (head_bytes + message.len());
    assert_eq!(publisher.stats().dropped + received as u64, sent);
}
