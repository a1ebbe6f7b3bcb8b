//! What a message may look like: through the forwarder, it comes out as it went in.

use pushnote_tests::Forwarder;
use pushnote_zmtp::Options;

use crate::peer::{Peer, Way};
use crate::sockets::{
    CRATE_PUBLISHERS, CRATE_SUBSCRIBERS, PUBLISHERS, Publishing, Subscribing, theirs_to_ours,
};

/// Bytes that repeat with a period that is no power of two: a slice from the wrong place shows.
fn body(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

/// Lengths around each border: of a short frame, of two bytes of length, of a read, and of the limit.
const LENGTHS: [usize; 14] =
    [0, 1, 2, 254, 255, 256, 257, 65_527, 65_535, 65_536, 65_537, 1_000_000, (1 << 20) - 1, 1 << 20];

fn messages() -> Vec<Vec<Vec<u8>>> {
    let empty = Vec::new;
    let mut messages: Vec<_> = LENGTHS.iter().map(|&length| vec![body(length)]).collect();
    messages.extend([
        vec![empty(), empty()],
        vec![empty(), empty(), empty()],
        vec![b"topic".to_vec(), empty(), b"body".to_vec()],
        vec![empty(), b"body".to_vec()],
        vec![b"topic".to_vec(), empty()],
        vec![body(255), body(256), body(255), body(0), body(256)],
        vec![body(1_000_000), empty(), body(1_000_000)],
        vec![vec![1]; 1024],
        vec![vec![0xff; 64], b"\x04\x05READY".to_vec(), b"\x01".to_vec()],
    ]);
    messages
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forwarder_changes_nothing() {
    let forwarder = Forwarder::start();
    let mut to = Subscribing::Theirs(Peer::subscriber("SUB", Way::Connect, &forwarder.publ, &[""]));
    for kind in PUBLISHERS {
        let mut from = Publishing::Theirs(Peer::start(kind, Way::Connect, &forwarder.sub));
        arrive_unchanged(&mut from, &mut to).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forwarder_changes_nothing_between_the_crates_sockets() {
    let forwarder = Forwarder::start();
    for (publishes, subscribes) in CRATE_PUBLISHERS.into_iter().zip(CRATE_SUBSCRIBERS) {
        let mut to = Subscribing::Theirs(Peer::subscriber(subscribes, Way::Connect, &forwarder.publ, &[""]));
        let mut from = Publishing::Theirs(Peer::start(publishes, Way::Connect, &forwarder.sub));
        arrive_unchanged(&mut from, &mut to).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_subscriber_hears_every_part() {
    let (mut from, mut to) = theirs_to_ours("PUB", Way::Connect, Options::default(), &[]).await;
    arrive_unchanged(&mut from, &mut to).await;
}

/// Each message is awaited before the next, so that what is asserted here is form, not room in a queue.
async fn arrive_unchanged(from: &mut Publishing, to: &mut Subscribing) {
    from.reach("", &mut [to]).await;
    for message in messages() {
        from.send(&message).await;
        let lengths: Vec<_> = message.iter().map(Vec::len).collect();
        assert!(to.next().await == message, "parts of {lengths:?} bytes came out changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_lost_alone() {
    let forwarder = Forwarder::start();
    let mut to = Subscribing::Theirs(Peer::subscriber("SUB", Way::Connect, &forwarder.publ, &[""]));
    let mut other = Publishing::Theirs(Peer::start("PUB", Way::Connect, &forwarder.sub));
    other.reach("other", &mut [&mut to]).await;
    let mut from = Publishing::Theirs(Peer::start("PUB", Way::Connect, &forwarder.sub));
    from.reach("", &mut [&mut to]).await;

    let too_long = vec![body((1 << 20) + 1)];
    from.send(&too_long).await;
    // Its publisher is disconnected, comes again, and is heard; another one notices nothing.
    other.send(&[b"undisturbed".to_vec()]).await;
    assert_eq!(to.next().await, [b"undisturbed"]);
    from.knock("again");
    loop {
        let message = to.next().await;
        assert!(message != too_long, "it passed");
        if message == [b"again"] {
            break;
        }
    }
    let Publishing::Theirs(peer) = &mut from else { unreachable!() };
    assert_eq!(peer.disconnects(), 1);
    let Publishing::Theirs(peer) = &mut other else { unreachable!() };
    assert_eq!(peer.disconnects(), 0);
}
