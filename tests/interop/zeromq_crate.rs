//! The crate `zeromq` 0.7, as a peer. What it cannot do is said where it shows.

use std::time::Duration;

use pushnote_tests::{Forwarder, Server, Single};
use pushnote_zmtp::Options;

use crate::matrix::{all_arrive, reaches_a_browser};
use crate::peer::{ANY_PORT, Peer, Way};
use crate::restarts::{heals, publishers_crash, subscribers_crash};
use crate::sockets::{
    CRATE_PUBLISHERS, CRATE_SUBSCRIBERS, Publishing, Subscribing, WAYS, ours_to_theirs, theirs_to_ours,
};

#[tokio::test(flavor = "multi_thread")]
async fn our_subscriber_hears_all_of_its_publishers() {
    for kind in CRATE_PUBLISHERS {
        for way in WAYS {
            let (mut from, mut to) = theirs_to_ours(kind, way, Options::default(), &[]).await;
            all_arrive(&mut from, &mut [&mut to]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_publisher_is_heard_by_all_of_its_subscribers() {
    for kind in CRATE_SUBSCRIBERS {
        for way in WAYS {
            let (mut from, mut to) = ours_to_theirs(kind, way, Options::default(), &[]).await;
            all_arrive(&mut from, &mut [&mut to]).await;
        }
    }
}

/// Each implementation publishes, and all hear each.
#[tokio::test(flavor = "multi_thread")]
async fn the_forwarder_stands_between_it_and_libzmq() {
    let forwarder = Forwarder::start();
    let subscriber = |kind| Subscribing::Theirs(Peer::subscriber(kind, Way::Connect, &forwarder.publ, &[""]));
    let mut subscribers =
        CRATE_SUBSCRIBERS.into_iter().chain(["SUB".into()]).map(subscriber).collect::<Vec<_>>();
    for kind in CRATE_PUBLISHERS.into_iter().chain(["PUB".into()]) {
        let mut from = Publishing::Theirs(Peer::start(kind, Way::Connect, &forwarder.sub));
        all_arrive(&mut from, &mut subscribers.iter_mut().collect::<Vec<_>>()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_hears_all_of_its_publishers() {
    for kind in CRATE_PUBLISHERS {
        let publisher = Peer::start(kind, Way::Bind, ANY_PORT);
        let server = Server::start(&publisher.endpoint);
        reaches_a_browser(publisher, &server).await;

        let single = Single::start();
        reaches_a_browser(Peer::start(kind, Way::Connect, &single.endpoint), &single.server).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_subscriber_finds_its_crashed_publisher_again() {
    publishers_crash(CRATE_PUBLISHERS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_publisher_finds_its_crashed_subscriber_again() {
    subscribers_crash(CRATE_SUBSCRIBERS).await;
}

/// Its SUB and XSUB come back by themselves, in a time that only its own back-off knows (100 ms, doubled to 30 s).
/// Its PUB and XPUB never connect a second time, though `send` goes on to answer `Ok`: an application has to make
/// a new socket, here by a restart.
#[tokio::test(flavor = "multi_thread")]
async fn its_subscribers_find_a_crashed_forwarder_again() {
    for (publishes, subscribes) in CRATE_PUBLISHERS.into_iter().zip(CRATE_SUBSCRIBERS) {
        let mut forwarder = Forwarder::start();
        let mut from = Publishing::Theirs(Peer::start(publishes, Way::Connect, &forwarder.sub));
        let mut to = Subscribing::Theirs(Peer::subscriber(subscribes, Way::Connect, &forwarder.publ, &[""]));
        heals(&mut from, &mut to, "at first").await;
        for round in ["once", "twice"] {
            forwarder.crash_and_restart();
            let Publishing::Theirs(peer) = &mut from else { unreachable!() };
            peer.crash_and_restart();
            from.knock(round);
            to.skip_to(round).await;

            let Publishing::Theirs(peer) = &mut from else { unreachable!() };
            peer.crash_and_restart();
            heals(&mut from, &mut to, &format!("{publishes} crashed {round}")).await;
            let Subscribing::Theirs(peer) = &mut to else { unreachable!() };
            peer.crash_and_restart();
            heals(&mut from, &mut to, &format!("{subscribes} crashed {round}")).await;
        }
    }
}

/// It takes a PING for an error and hangs up. It greets as ZMTP 3.0, so we send it none, and do not take its
/// silence for death.
#[tokio::test(flavor = "multi_thread")]
async fn it_is_spared_heartbeats() {
    const SILENCE: Duration = Duration::from_millis(1500);
    let options = Options { heartbeat_interval: Duration::from_millis(250), ..Options::default() };
    let mut pairs = Vec::new();
    for way in WAYS {
        for (publishes, subscribes) in CRATE_PUBLISHERS.into_iter().zip(CRATE_SUBSCRIBERS) {
            pairs.push(theirs_to_ours(publishes, way, options.clone(), &[]).await);
            pairs.push(ours_to_theirs(subscribes, way, options.clone(), &[]).await);
        }
    }
    for (from, to) in &mut pairs {
        from.reach("", &mut [to]).await;
    }
    // Nothing is said for several times the interval.
    tokio::time::sleep(SILENCE).await;
    for (from, to) in &mut pairs {
        assert_eq!(connections(from, to), 1, "a connection ended in the silence");
        all_arrive(from, &mut [to]).await;
    }
}

/// How many connections our side has had so far.
fn connections(from: &Publishing, to: &Subscribing) -> u64 {
    match (from, to) {
        (Publishing::Ours(publisher, _), _) => publisher.stats().connections,
        (_, Subscribing::Ours(subscriber)) => subscriber.stats().connections,
        _ => panic!("none is ours"),
    }
}
