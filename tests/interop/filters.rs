//! Prefixes: each subscriber gets what it asked for, as long as it asks for it.
//!
//! XSUB shows what really came, as only SUB filters once more on its own side.

use pushnote_tests::Forwarder;
use pushnote_zmtp::{Options, Publisher, Subscriber};

use crate::peer::{ANY_PORT, Kind, Library, Peer, Way};
use crate::sockets::{
    CRATE_PUBLISHERS, CRATE_SUBSCRIBERS, PUBLISHERS, Publishing, SUBSCRIBERS, Subscribing, text,
};

/// Sends these, then a mark on `topic`, and expects of them what `wanted` says.
async fn expect(from: &mut Publishing, sent: &[&str], subscribers: &mut [(&mut Subscribing, &str, &[&str])]) {
    for message in sent {
        from.send(&text(*message)).await;
    }
    for (_, topic, _) in subscribers.iter() {
        from.send(&text(format!("{topic} mark"))).await;
    }
    for (subscriber, topic, wanted) in subscribers {
        for message in *wanted {
            assert_eq!(subscriber.next().await, text(*message));
        }
        assert_eq!(subscriber.next().await, text(format!("{topic} mark")));
    }
}

/// Has a subscriber of theirs ask for a new topic and waits until it is served: what it asked before is done.
async fn settle(from: &mut Publishing, subscriber: &mut Subscribing, topic: &str) {
    peer(subscriber).subscribe(topic);
    from.reach(topic, &mut [subscriber]).await;
}

fn peer(subscriber: &mut Subscribing) -> &mut Peer {
    let Subscribing::Theirs(peer) = subscriber else { panic!("a subscriber of ours cannot be told") };
    peer
}

/// Two subscribers with different prefixes.
fn two_subscribers(kind: Kind, way: Way, endpoint: &str) -> [Peer; 2] {
    [&["ab", "x1"][..], &["ac", "ab", "x2"]].map(|topics| Peer::subscriber(kind, way, endpoint, topics))
}

/// Each has what it asked for, while the first changes its mind.
async fn prefixes_hold(from: &mut Publishing, subscribers: [Peer; 2]) {
    // libzmq's subscribers count, and send the last cancellation alone. The crate's send each, and a publisher, be
    // it ours or libzmq's, takes the first at its word.
    let counts = subscribers[0].kind.library == Library::Libzmq;
    let [mut first, mut second] = subscribers.map(Subscribing::Theirs);
    from.reach("x1", &mut [&mut first]).await;
    from.reach("x2", &mut [&mut second]).await;

    let sent = ["a", "ab", "abc", "ac", "b", "", "aB"];
    let all_three: &[&str] = &["ab", "abc", "ac"];
    expect(from, &sent, &mut [(&mut first, "x1", &["ab", "abc"]), (&mut second, "x2", all_three)]).await;

    // What one cancels, the other keeps.
    peer(&mut first).unsubscribe("ab");
    settle(from, &mut first, "x3").await;
    expect(from, &sent, &mut [(&mut first, "x3", &[]), (&mut second, "x2", all_three)]).await;

    // Asked for twice and cancelled once, it is still wanted, by one that counts.
    peer(&mut first).subscribe("ab");
    peer(&mut first).subscribe("ab");
    peer(&mut first).unsubscribe("ab");
    settle(from, &mut first, "x4").await;
    let wanted: &[&str] = if counts { &["ab", "abc"] } else { &[] };
    expect(from, &sent, &mut [(&mut first, "x4", wanted), (&mut second, "x2", all_three)]).await;

    // A longer prefix beside the empty one does not double anything.
    peer(&mut first).subscribe("");
    peer(&mut first).subscribe("abc");
    settle(from, &mut first, "x5").await;
    expect(from, &sent, &mut [(&mut first, "x5", &sent)]).await;
}

async fn our_publisher_sends_what_is_asked_for(kind: Kind) {
    let publisher = Publisher::bind(&ANY_PORT.parse().unwrap(), Options::default()).await.unwrap();
    let endpoint = publisher.local_endpoint().unwrap().to_string();
    prefixes_hold(&mut publisher.into(), two_subscribers(kind, Way::Connect, &endpoint)).await;

    let subscribers = two_subscribers(kind, Way::Bind, ANY_PORT);
    let mut publisher = Publisher::new(Options::default());
    for subscriber in &subscribers {
        publisher.connect_also(subscriber.endpoint.parse().unwrap());
    }
    prefixes_hold(&mut publisher.into(), subscribers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_publisher_sends_what_libzmqs_subscribers_ask_for() {
    for kind in SUBSCRIBERS {
        our_publisher_sends_what_is_asked_for(kind.into()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_publisher_sends_what_the_crates_subscribers_ask_for() {
    for kind in CRATE_SUBSCRIBERS {
        our_publisher_sends_what_is_asked_for(kind).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forwarder_sends_what_subscribers_ask_for() {
    let forwarder = Forwarder::start();
    for kind in SUBSCRIBERS.map(Kind::from).into_iter().chain(CRATE_SUBSCRIBERS) {
        let mut from = Publishing::Theirs(Peer::start("PUB", Way::Connect, &forwarder.sub));
        prefixes_hold(&mut from, two_subscribers(kind, Way::Connect, &forwarder.publ)).await;
    }
}

/// libzmq sends each of the same subscriptions, and of their cancellations the last alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_made_twice_ends_with_its_last_cancellation() {
    for kind in SUBSCRIBERS {
        let publisher = Publisher::bind(&ANY_PORT.parse().unwrap(), Options::default()).await.unwrap();
        let endpoint = publisher.local_endpoint().unwrap().to_string();
        let mut from = Publishing::from(publisher);
        let twice = Peer::subscriber(kind, Way::Connect, &endpoint, &["ab", "ab", "x1"]);
        let mut subscriber = Subscribing::Theirs(twice);
        from.reach("x1", &mut [&mut subscriber]).await;
        peer(&mut subscriber).unsubscribe("ab");
        peer(&mut subscriber).unsubscribe("ab");
        settle(&mut from, &mut subscriber, "x2").await;
        expect(&mut from, &["a", "ab", "abc"], &mut [(&mut subscriber, "x2", &[])]).await;
    }
}

async fn their_publisher_sends_what_our_subscribers_ask_for(kind: Kind) {
    let peer = Peer::start(kind, Way::Bind, ANY_PORT);
    let endpoint = peer.endpoint.clone();
    let ours = |topics: [&'static str; 3]| {
        let topics = topics.map(Into::into).to_vec();
        let options = Options { topics, ..Options::default() };
        Subscribing::Ours(Subscriber::connect(endpoint.parse().unwrap(), options))
    };
    let (mut first, mut second) = (ours(["ab", "abc", "x1"]), ours(["ac", "b", "x2"]));
    let mut from = Publishing::Theirs(peer);
    from.reach("x1", &mut [&mut first]).await;
    from.reach("x2", &mut [&mut second]).await;
    let sent = ["a", "ab", "abc", "ac", "b", "", "aB"];
    let mut wanted: [(&mut Subscribing, &str, &[&str]); 2] =
        [(&mut first, "x1", &["ab", "abc"]), (&mut second, "x2", &["ac", "b"])];
    expect(&mut from, &sent, &mut wanted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn their_publishers_send_what_our_subscribers_ask_for() {
    for kind in PUBLISHERS.map(Kind::from).into_iter().chain(CRATE_PUBLISHERS) {
        their_publisher_sends_what_our_subscribers_ask_for(kind).await;
    }
}
