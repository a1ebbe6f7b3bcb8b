//! Each type of socket, whoever listens: everything arrives, once and in order.

use std::time::Duration;

use pushnote_tests::{Browser, Forwarder, Server, Single};
use pushnote_zmtp::Options;
use serde_json::json;

use crate::peer::{ANY_PORT, Peer, Way};
use crate::sockets::{
    PUBLISHERS, Publishing, SUBSCRIBERS, Subscribing, WAYS, ours_to_theirs, text, theirs_to_ours,
};

const MESSAGES: u32 = 10_000;

/// Numbered messages arrive, all of them, each once, in order.
pub(crate) async fn all_arrive(from: &mut Publishing, to: &mut [&mut Subscribing]) {
    from.reach("", to).await;
    for number in 0..MESSAGES {
        from.send(&text(number.to_string())).await;
    }
    for subscriber in to {
        for number in 0..MESSAGES {
            assert_eq!(subscriber.next().await, text(number.to_string()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_subscriber_hears_all_of_libzmqs_publishers() {
    for kind in PUBLISHERS {
        for way in WAYS {
            let (mut from, mut to) = theirs_to_ours(kind, way, Options::default(), &[]).await;
            all_arrive(&mut from, &mut [&mut to]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_publisher_is_heard_by_all_of_libzmqs_subscribers() {
    for kind in SUBSCRIBERS {
        for way in WAYS {
            let (mut from, mut to) = ours_to_theirs(kind, way, Options::default(), &[]).await;
            all_arrive(&mut from, &mut [&mut to]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forwarder_stands_between_all_of_them() {
    let forwarder = Forwarder::start();
    let everything = &[""];
    let mut sub = Subscribing::Theirs(Peer::subscriber("SUB", Way::Connect, &forwarder.publ, everything));
    let mut xsub = Subscribing::Theirs(Peer::subscriber("XSUB", Way::Connect, &forwarder.publ, everything));
    for kind in PUBLISHERS {
        let mut from = Publishing::Theirs(Peer::start(kind, Way::Connect, &forwarder.sub));
        all_arrive(&mut from, &mut [&mut sub, &mut xsub]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_hears_all_of_libzmqs_publishers() {
    for kind in PUBLISHERS {
        let publisher = Peer::start(kind, Way::Bind, ANY_PORT);
        let server = Server::start(&publisher.endpoint);
        reaches_a_browser(publisher, &server).await;

        let single = Single::start();
        reaches_a_browser(Peer::start(kind, Way::Connect, &single.endpoint), &single.server).await;
    }
}

pub(crate) async fn reaches_a_browser(mut publisher: Peer, server: &Server) {
    let envelope = |data: &str| text(json!({"name": "notify_all", "data": data}).to_string());
    let mut browser = Browser::open(&server.websocket_url()).await;
    publisher.knock(&envelope("knock"));
    assert_eq!(browser.next().await, json!("knock"));
    publisher.quiet();
    publisher.send(&envelope("settled"));
    while browser.next().await != json!("settled") {}
}

/// libzmq ends a connection whose peer leaves two PINGs without a PONG, and we do the same: through a silence of
/// several times that neither may.
#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_of_both_sides_are_answered() {
    // Long enough for a loaded machine to answer in time.
    const INTERVAL: Duration = Duration::from_secs(1);
    const SILENCE: Duration = Duration::from_secs(5);
    let options = Options { heartbeat_interval: INTERVAL, ..Options::default() };
    let heartbeat = ["--heartbeat".to_owned(), INTERVAL.as_millis().to_string()];
    let mut pairs = Vec::new();
    for way in WAYS {
        for (publishes, subscribes) in PUBLISHERS.into_iter().zip(SUBSCRIBERS) {
            pairs.push(theirs_to_ours(publishes, way, options.clone(), &heartbeat).await);
            pairs.push(ours_to_theirs(subscribes, way, options.clone(), &heartbeat).await);
        }
    }
    let forwarder = Forwarder::start();
    let further = [&heartbeat[..], &["-".to_owned()]].concat();
    pairs.push((
        Publishing::Theirs(Peer::with("PUB", Way::Connect, &forwarder.sub, &heartbeat)),
        Subscribing::Theirs(Peer::with("SUB", Way::Connect, &forwarder.publ, &further)),
    ));
    let mut lost = Vec::new();
    for (from, to) in &mut pairs {
        from.reach("", &mut [to]).await;
        lost.push(disconnects(from, to));
    }
    // Nothing is said for so long that only heartbeats keep the connections.
    tokio::time::sleep(SILENCE).await;
    for ((from, to), before) in pairs.iter_mut().zip(lost) {
        assert_eq!(disconnects(from, to), before, "a connection ended in the silence");
        from.send(&text("after the silence")).await;
        assert_eq!(to.next().await, text("after the silence"));
    }
}

fn disconnects(from: &mut Publishing, to: &mut Subscribing) -> u32 {
    let publisher = if let Publishing::Theirs(peer) = from { peer.disconnects() } else { 0 };
    let subscriber = if let Subscribing::Theirs(peer) = to { peer.disconnects() } else { 0 };
    publisher + subscriber
}
