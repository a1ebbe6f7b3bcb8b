//! The sockets against peers of every age, byte by byte, and against peers that fall silent.

#![expect(clippy::unwrap_used, reason = "a test may")]

use pushnote_zmtp::{Batch, Endpoint, Options, Publisher, Subscriber};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const SIGNATURE: &[u8] = &[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f];
const PATIENCE: Duration = Duration::from_secs(10);

fn any_port() -> Endpoint {
    "tcp://127.0.0.1:*".parse().unwrap()
}

async fn connect(endpoint: &Endpoint) -> TcpStream {
    let address = endpoint.to_string().trim_start_matches("tcp://").to_owned();
    TcpStream::connect(address).await.unwrap()
}

async fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    timeout(PATIENCE, stream.read_exact(&mut got)).await.expect("too few bytes").unwrap();
    assert_eq!(got, bytes);
}

async fn next(subscriber: &mut Subscriber) -> Vec<Vec<u8>> {
    let message = timeout(PATIENCE, subscriber.recv()).await.expect("nothing came").unwrap();
    message.parts().map(|part| part.to_vec()).collect()
}

fn ready(kind: &str) -> Vec<u8> {
    let body = [b"\x05READY\x0bSocket-Type\0\0\0\x03", kind.as_bytes()].concat();
    [&[4, body.len() as u8][..], &body].concat()
}

/// A subscriber that tells nothing of its own in READY.
fn plain() -> Options {
    Options { resume: false, ..Options::default() }
}

/// The greeting of ZMTP 3.x and its answer, as a peer that sends all of it at once.
async fn greet(stream: &mut TcpStream, minor: u8, ours: &str, theirs: &str) {
    let mut greeting = [SIGNATURE, &[3, minor], b"NULL"].concat();
    greeting.resize(64, 0);
    stream.write_all(&greeting).await.unwrap();
    greeting[11] = 1;
    expect(stream, &greeting).await;
    stream.write_all(&ready(ours)).await.unwrap();
    expect(stream, &ready(theirs)).await;
}

#[tokio::test]
async fn subscriptions_are_commands_from_3_1_on_and_messages_before() {
    for (minor, expected) in [(0, &b"\0\x02\x01a"[..]), (1, b"\x04\x0b\x09SUBSCRIBEa")] {
        let topics = vec!["a".into()];
        let subscriber =
            Subscriber::bind(&any_port(), Options { topics, ..Options::default() }).await.unwrap();
        let mut peer = connect(subscriber.local_endpoint().unwrap()).await;
        greet(&mut peer, minor, "PUB", "SUB").await;
        expect(&mut peer, expected).await;
    }
}

#[tokio::test]
async fn subscriptions_are_taken_in_either_form() {
    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(publisher.local_endpoint().unwrap()).await;
    greet(&mut peer, 1, "SUB", "PUB").await;
    let wishes: [&[u8]; 6] = [
        b"\0\x02\x01a",            // subscribe to a, as a message
        b"\x04\x0b\x09SUBSCRIBEb", // and to b, as a command
        b"\x04\x0b\x09SUBSCRIBEc",
        b"\0\x02\x00c",                      // a message cancels what a command asked for
        b"\x01\0\0\x02\x01d",                // of two parts: not a subscription
        b"\0\0\0\x01\x07\x04\x07\x05OTHERx", // empty, unknown, unknown: ignored
    ];
    peer.write_all(&wishes.concat()).await.unwrap();
    peer.write_all(b"\x04\x09\x04PING\0\0hi").await.unwrap();
    expect(&mut peer, b"\x04\x07\x04PONGhi").await;
    for topic in ["d", "c", "b", "a"] {
        publisher.try_send(topic).unwrap();
    }
    expect(&mut peer, b"\0\x01b\0\x01a").await;
}

#[tokio::test]
async fn a_peer_of_2_0_publishes_and_subscribes() {
    let mut subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(subscriber.local_endpoint().unwrap()).await;
    peer.write_all(&[SIGNATURE, b"\x01\x01\0\0", b"\x01\x01a\0\x01b"].concat()).await.unwrap();
    expect(&mut peer, &[SIGNATURE, b"\x03\x02\0\0", b"\0\x01\x01"].concat()).await;
    assert_eq!(next(&mut subscriber).await, [b"a", b"b"]);

    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(publisher.local_endpoint().unwrap()).await;
    peer.write_all(&[SIGNATURE, b"\x01\x02\0\0", b"\0\x02\x01b"].concat()).await.unwrap();
    timeout(PATIENCE, publisher.subscribed()).await.unwrap();
    publisher.try_send("a").unwrap();
    publisher.try_send("bc").unwrap();
    expect(&mut peer, &[SIGNATURE, b"\x03\x01\0\0", b"\0\x02bc"].concat()).await;
}

/// Captured from pyzmq 2.2 under the original's publisher: a greeting of two bytes, then messages.
#[tokio::test]
async fn a_publisher_of_1_0_is_heard() {
    let mut subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(subscriber.local_endpoint().unwrap()).await;
    let body = br#"{"data": {"msg": "Hi all!"}, "name": "notify_all"}"#;
    peer.write_all(&[&b"\x01\0\x33\0"[..], body, b"\x02\x01a\x01\0"].concat()).await.unwrap();
    assert_eq!(next(&mut subscriber).await, [body]);
    assert_eq!(next(&mut subscriber).await, [&b"a"[..], b""]);
    expect(&mut peer, SIGNATURE).await;

    let topics = vec!["b".into()];
    let mut subscriber =
        Subscriber::bind(&any_port(), Options { topics, ..Options::default() }).await.unwrap();
    let mut peer = connect(subscriber.local_endpoint().unwrap()).await;
    peer.write_all(b"\x01\0\x02\0a\x03\0bc").await.unwrap();
    assert_eq!(next(&mut subscriber).await, [b"bc"], "it cannot filter: we do");
}

#[tokio::test]
async fn a_subscriber_of_1_0_gets_everything_in_its_own_framing() {
    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(publisher.local_endpoint().unwrap()).await;
    peer.write_all(b"\x01\0").await.unwrap();
    timeout(PATIENCE, publisher.subscribed()).await.unwrap();
    publisher.try_send("a").unwrap();
    publisher.try_send(vec![7; 254]).unwrap();
    let long = [&[0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0][..], &[7; 254]].concat();
    expect(&mut peer, &[SIGNATURE, b"\x02\0a", &long].concat()).await;
}

#[tokio::test]
async fn a_connecting_publisher_reaches_a_subscriber_of_1_0() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let publisher = Publisher::connect(endpoint, Options::default());
    publisher.try_send("early").unwrap();
    let (mut peer, _) = listener.accept().await.unwrap();
    peer.write_all(b"\x01\0").await.unwrap();
    expect(&mut peer, &[SIGNATURE, b"\x06\0early"].concat()).await;
}

#[tokio::test]
async fn a_peer_that_does_not_fit_is_told_why() {
    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(publisher.local_endpoint().unwrap()).await;
    greet(&mut peer, 1, "PUB", "PUB").await;
    expect(&mut peer, b"\x04\x1a\x05ERROR\x13Invalid socket type").await;
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
    while publisher.stats().closed_for("handshake") < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(publisher.stats().peers, 0);
}

/// With the clock paused, time passes as soon as nothing else can happen.
#[tokio::test(start_paused = true)]
async fn a_peer_that_never_greets_is_closed_in_time() {
    let subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(subscriber.local_endpoint().unwrap()).await;
    let start = Instant::now();
    expect(&mut peer, SIGNATURE).await;
    peer.write_all(&SIGNATURE[..5]).await.unwrap();
    assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_secs(5) && start.elapsed() < Duration::from_secs(6));
    assert_eq!(subscriber.stats().closed_for("handshake_timeout"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_of_3_1_is_asked_and_then_given_up() {
    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(publisher.local_endpoint().unwrap()).await;
    greet(&mut peer, 1, "SUB", "PUB").await;
    let start = Instant::now();
    expect(&mut peer, b"\x04\x07\x04PING\0\x64").await;
    peer.write_all(b"\x04\x05\x04PONG").await.unwrap();
    while peer.read(&mut [0; 100]).await.unwrap() > 0 {}
    assert!(start.elapsed() <= Duration::from_secs(16), "{:?}", start.elapsed());
    assert!(start.elapsed() >= Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(publisher.stats().closed_for("heartbeat_lost"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_of_3_0_is_left_alone() {
    let publisher = Publisher::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(publisher.local_endpoint().unwrap()).await;
    greet(&mut peer, 0, "SUB", "PUB").await;
    assert!(timeout(Duration::from_secs(3600), peer.read(&mut [0])).await.is_err());
    assert_eq!(publisher.stats().peers, 1);
}

#[tokio::test(start_paused = true)]
async fn reconnects_come_faster_at_first_and_never_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let _subscriber = Subscriber::connect(endpoint, plain());
    let mut times = Vec::new();
    for _ in 0..12 {
        let (mut peer, _) = listener.accept().await.unwrap();
        greet(&mut peer, 1, "PUB", "SUB").await; // and hang up: the worst moment
        times.push(Instant::now());
    }
    let pauses: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    for (pause, full) in pauses.iter().zip([100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 1000, 1000]) {
        assert!((full / 2..=full + 20).contains(pause), "{pauses:?}");
    }
}

#[tokio::test]
async fn ipc_removes_the_file_a_killed_process_left() {
    let folder = std::env::temp_dir().join(format!("pushnote-zmtp-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("relay.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a file without a listener");
    let endpoint: Endpoint = format!("ipc://{}", path.display()).parse().unwrap();
    let mut subscriber = Subscriber::bind(&endpoint, Options::default()).await.unwrap();
    assert!(Subscriber::bind(&endpoint, Options::default()).await.is_err(), "that one is answered");
    let publisher = Publisher::connect(endpoint, Options::default());
    publisher.try_send("through a file").unwrap();
    assert_eq!(next(&mut subscriber).await, [b"through a file"]);
    std::fs::remove_dir_all(folder).unwrap();
}

/// A relay that greets properly and then sends what no client should believe.
#[tokio::test]
async fn a_hostile_relay_harms_no_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint: Endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let giant = [&[2][..], &(1_u64 << 60).to_be_bytes()].concat();
    let endless = [1, 1, b'x'].repeat(2000);
    let lies: [&[u8]; 4] = [&giant, &endless, &[0x80, 1], &[4, 1, 9]];
    let mut subscriber = Subscriber::connect(endpoint.clone(), plain());
    for lie in lies {
        let (mut peer, _) = listener.accept().await.unwrap();
        greet(&mut peer, 1, "PUB", "SUB").await;
        peer.write_all(lie).await.unwrap();
        while peer.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
    }
    let (mut peer, _) = listener.accept().await.unwrap();
    greet(&mut peer, 1, "PUB", "SUB").await;
    peer.write_all(b"\0\x05sound").await.unwrap();
    assert_eq!(next(&mut subscriber).await, [b"sound"]);
    for kind in ["frame_too_large", "too_many_parts", "reserved_flags", "bad_command"] {
        assert_eq!(subscriber.stats().closed_for(kind), 1, "{kind}");
    }
    drop(subscriber);

    let publisher = Publisher::connect(endpoint, Options::default());
    publisher.try_send("kept").unwrap();
    for lie in lies {
        let (mut peer, _) = listener.accept().await.unwrap();
        greet(&mut peer, 1, "SUB", "PUB").await;
        peer.write_all(lie).await.unwrap();
        while peer.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
    }
    let (mut peer, _) = listener.accept().await.unwrap();
    greet(&mut peer, 1, "SUB", "PUB").await;
    peer.write_all(b"\0\x01\x01").await.unwrap();
    expect(&mut peer, b"\0\x04kept").await;
}

/// A publisher that connects, whose first connection broke within a large message of topic `a`.
async fn broken_within_a_message(listener: &TcpListener) -> (Publisher, Vec<u8>) {
    let endpoint: Endpoint = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
    let large = vec![b'a'; 32 << 20]; // more than the kernel takes for a peer that does not read
    let options = Options { frame_bytes_max: 32 << 20, queue_bytes_max: 64 << 20, ..Options::default() };
    let publisher = Publisher::connect(endpoint, options);
    let mut peer = accept_subscriber(listener).await;
    peer.write_all(b"\0\x02\x01a").await.unwrap();
    publisher.try_send(large.as_slice()).unwrap();
    let frame = [&[2][..], &(large.len() as u64).to_be_bytes(), &large].concat();
    expect(&mut peer, &frame[..20]).await;
    (publisher, frame)
}

async fn accept_subscriber(listener: &TcpListener) -> TcpStream {
    let (mut peer, _) = timeout(PATIENCE, listener.accept()).await.expect("no connection").unwrap();
    greet(&mut peer, 1, "SUB", "PUB").await;
    peer
}

/// What is answered to a PING comes behind all that was sent unasked.
async fn expect_nothing_unasked(peer: &mut TcpStream) {
    peer.write_all(b"\x04\x09\x04PING\0\0hi").await.unwrap();
    expect(peer, b"\x04\x07\x04PONGhi").await;
}

#[tokio::test]
async fn what_a_broken_connection_left_waits_for_the_next_subscription() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (publisher, frame) = broken_within_a_message(&listener).await;
    for _ in 0..2 {
        // It hangs up before it has subscribed: what waits goes on waiting.
        expect_nothing_unasked(&mut accept_subscriber(&listener).await).await;
    }
    let mut peer = accept_subscriber(&listener).await;
    expect_nothing_unasked(&mut peer).await;
    publisher.try_send("a, later").unwrap();
    peer.write_all(b"\0\x02\x01a").await.unwrap();
    expect(&mut peer, &[&frame[..], b"\0\x08a, later"].concat()).await;
    timeout(PATIENCE, publisher.flush()).await.unwrap();
}

#[tokio::test]
async fn what_a_broken_connection_left_goes_through_the_next_filter() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (publisher, _) = broken_within_a_message(&listener).await;
    let mut peer = accept_subscriber(&listener).await;
    publisher.try_send("b").unwrap();
    peer.write_all(b"\0\x02\x01b").await.unwrap();
    expect(&mut peer, b"\0\x01b").await;
    timeout(PATIENCE, publisher.flush()).await.unwrap();
}

#[tokio::test]
async fn what_lies_behind_a_large_message_is_charged_for_all_it_keeps_alive() {
    let mut subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let mut peer = connect(subscriber.local_endpoint().unwrap()).await;
    greet(&mut peer, 0, "PUB", "SUB").await;
    let large = [&[2][..], &600_000_u64.to_be_bytes(), &[0; 600_000]].concat();
    let middle = [&[2][..], &9_000_u64.to_be_bytes(), &[0; 9_000]].concat().repeat(8);
    let mut held: Vec<Batch> = Vec::new(); // so that no memory is used twice
    let mut wanted = 1;
    // Each piece ends within a message, so that the next one is read behind it.
    for piece in std::iter::once([&large, &middle[..100]].concat())
        .chain(std::iter::repeat_n([&middle[100..], &middle[..100]].concat(), 6))
    {
        peer.write_all(&piece).await.unwrap();
        while held.iter().map(Batch::messages).sum::<usize>() < wanted {
            held.push(timeout(PATIENCE, subscriber.recv_batch()).await.expect("nothing came").unwrap());
        }
        wanted += 8;
    }
    let start = |batch: &Batch| batch.bytes().as_ptr() as usize;
    for batch in &held[1..] {
        let behind = start(batch).wrapping_sub(start(&held[0])) < held[0].retained_bytes();
        assert!(!behind || batch.retained_bytes() >= large.len(), "{} bytes", batch.retained_bytes());
    }
}
