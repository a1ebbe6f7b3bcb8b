//! Each side in turn is killed and started again while the publisher goes on: messages soon arrive again.

use std::time::{Duration, Instant};

use pushnote_tests::{Browser, Forwarder, Server, Single, free_endpoint};
use pushnote_zmtp::Options;
use serde_json::json;

use crate::peer::{Kind, Peer, Way};
use crate::sockets::{
    PUBLISHERS, Publishing, SUBSCRIBERS, Subscribing, WAYS, ours_to_theirs, text, theirs_to_ours,
};

/// How soon a restart has to be healed.
const HEALED_WITHIN: Duration = Duration::from_secs(2);

/// Reads up to a knock of this round, which was sent after the restart, and asserts that it came soon enough.
pub(crate) async fn heals(from: &mut Publishing, to: &mut Subscribing, round: &str) {
    let restarted = Instant::now();
    from.knock(round);
    to.skip_to(round).await;
    let took = restarted.elapsed();
    assert!(took < HEALED_WITHIN, "{round}: healed only after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_subscriber_finds_a_crashed_publisher_again() {
    publishers_crash(PUBLISHERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_publisher_finds_a_crashed_subscriber_again() {
    subscribers_crash(SUBSCRIBERS).await;
}

/// Our subscriber finds each of these again.
pub(crate) async fn publishers_crash(kinds: [impl Into<Kind>; 2]) {
    for kind in kinds.map(Into::into) {
        for way in WAYS {
            let (mut from, mut to) = theirs_to_ours(kind, way, Options::default(), &[]).await;
            heals(&mut from, &mut to, "at first").await;
            for round in ["once", "twice"] {
                let Publishing::Theirs(peer) = &mut from else { unreachable!() };
                peer.crash_and_restart();
                heals(&mut from, &mut to, &format!("{kind} {way} crashed {round}")).await;
            }
        }
    }
}

/// Our publisher finds each of these again.
pub(crate) async fn subscribers_crash(kinds: [impl Into<Kind>; 2]) {
    for kind in kinds.map(Into::into) {
        for way in WAYS {
            let (mut from, mut to) = ours_to_theirs(kind, way, Options::default(), &[]).await;
            heals(&mut from, &mut to, "at first").await;
            for round in ["once", "twice"] {
                let Subscribing::Theirs(peer) = &mut to else { unreachable!() };
                peer.crash_and_restart();
                from.quiet().await;
                heals(&mut from, &mut to, &format!("{kind} {way} crashed {round}")).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn libzmqs_sockets_find_each_other_again_through_the_forwarder() {
    each_crashes_in_turn(&[]).await;
}

/// Heartbeats neither keep a connection that is dead nor end the one that took its place.
#[tokio::test(flavor = "multi_thread")]
async fn with_heartbeats_too_they_find_each_other_again() {
    each_crashes_in_turn(&["--heartbeat".to_owned(), "1000".to_owned()]).await;
}

async fn each_crashes_in_turn(further: &[String]) {
    let subscribed = [further, &["-".to_owned()]].concat();
    for (publishes, subscribes) in PUBLISHERS.into_iter().zip(SUBSCRIBERS) {
        let mut forwarder = Forwarder::start();
        let mut from = Publishing::Theirs(Peer::with(publishes, Way::Connect, &forwarder.sub, further));
        let mut to = Subscribing::Theirs(Peer::with(subscribes, Way::Connect, &forwarder.publ, &subscribed));
        heals(&mut from, &mut to, "at first").await;
        for round in ["once", "twice"] {
            forwarder.crash_and_restart();
            heals(&mut from, &mut to, &format!("the forwarder crashed {round}")).await;
            let Publishing::Theirs(peer) = &mut from else { unreachable!() };
            peer.crash_and_restart();
            heals(&mut from, &mut to, &format!("{publishes} crashed {round}")).await;
            let Subscribing::Theirs(peer) = &mut to else { unreachable!() };
            peer.crash_and_restart();
            heals(&mut from, &mut to, &format!("{subscribes} crashed {round}")).await;
        }
    }
}

/// A server that connects to a publisher which listens: its browser keeps its connection and is told again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_finds_a_crashed_publisher_again() {
    let mut publisher = Peer::start("PUB", Way::Bind, &free_endpoint());
    let mut server = Server::start(&publisher.endpoint);
    let mut browser = Browser::open(&server.websocket_url()).await;
    browser_hears(&mut publisher, &mut browser, "at first").await;
    for round in ["the publisher crashed once", "the publisher crashed twice"] {
        publisher.crash_and_restart();
        browser_hears(&mut publisher, &mut browser, round).await;
    }
    server.crash_and_restart();
    let mut browser = Browser::open(&server.websocket_url()).await;
    browser_hears(&mut publisher, &mut browser, "the server crashed").await;
}

/// The other way round: a server that listens, to publishers which connect.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_finds_a_crashed_single_server_again() {
    for kind in PUBLISHERS {
        let mut single = Single::start();
        let mut publisher = Peer::start(kind, Way::Connect, &single.endpoint);
        let mut browser = Browser::open(&single.server.websocket_url()).await;
        browser_hears(&mut publisher, &mut browser, "at first").await;
        publisher.crash_and_restart();
        browser_hears(&mut publisher, &mut browser, "the publisher crashed").await;
        single.crash_and_restart();
        let mut browser = Browser::open(&single.server.websocket_url()).await;
        browser_hears(&mut publisher, &mut browser, "the server crashed").await;
    }
}

async fn browser_hears(publisher: &mut Peer, browser: &mut Browser, round: &str) {
    let restarted = Instant::now();
    publisher.knock(&text(json!({"name": "notify_all", "data": round}).to_string()));
    while browser.next().await != json!(round) {}
    let took = restarted.elapsed();
    assert!(took < HEALED_WITHIN, "{round}: healed only after {took:?}");
}
