//! CURVE with libzmq: each of the two is the server, and listens, in turn; whoever has no right to be there is refused,
//! and nobody else notices.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pushnote_tests::PATIENCE;
use pushnote_zmtp::curve::{KeyPair, PublicKey};
use pushnote_zmtp::{Clients, Options, Publisher, Right, Security, Stats, Subscriber};
use tokio::time::sleep;

use crate::peer::{ANY_PORT, Peer, Way};
use crate::sockets::{
    PUBLISHERS, Publishing, SUBSCRIBERS, Subscribing, WAYS, ours_to_theirs, text, theirs_to_ours,
};

const MESSAGES: u32 = 1000;
const HEALED_WITHIN: Duration = Duration::from_secs(2);

fn keys() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn secured(security: Security) -> Options {
    Options { security, ..Options::default() }
}

/// Arguments of `python/peer.py` for a client.
fn client(keys: &KeyPair, server: &PublicKey) -> Vec<String> {
    vec![format!("--curve-secret-key={}", *keys.secret.to_z85()), format!("--curve-server-key={server}")]
}

/// Who of the two is the server; what ours and what theirs is told.
fn roles(we_serve: bool) -> (Options, Vec<String>) {
    let (server, other) = (keys(), keys());
    if we_serve {
        let security = Security::curve_server(server.secret, None);
        return (secured(security), client(&other, &server.public));
    }
    let theirs = vec![format!("--curve-secret-key={}", *server.secret.to_z85())];
    (secured(Security::curve_client(server.public, other.secret)), theirs)
}

async fn all_arrive(from: &mut Publishing, to: &mut Subscribing) {
    from.reach("", &mut [to]).await;
    for number in 0..MESSAGES {
        from.send(&text(number.to_string())).await;
    }
    for number in 0..MESSAGES {
        assert_eq!(to.next().await, text(number.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_subscriber_hears_libzmqs_publishers() {
    for kind in PUBLISHERS {
        for (way, we_serve) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
            let (options, theirs) = roles(we_serve);
            let (mut from, mut to) = theirs_to_ours(kind, way, options, &theirs).await;
            all_arrive(&mut from, &mut to).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_publisher_is_heard_by_libzmqs_subscribers() {
    for kind in SUBSCRIBERS {
        for (way, we_serve) in WAYS.into_iter().flat_map(|way| [(way, false), (way, true)]) {
            let (options, theirs) = roles(we_serve);
            let (mut from, mut to) = ours_to_theirs(kind, way, options, &theirs).await;
            all_arrive(&mut from, &mut to).await;
        }
    }
}

/// Lengths around the limits of the forms of frames, sealed and not.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_sizes_pass() {
    let sizes = [0, 1, 221, 222, 223, 254, 255, 256, 65_535, 65_536, 1 << 20];
    let body = |size: usize| (0..size).map(|at| at as u8).collect::<Vec<_>>();
    for way in WAYS {
        let (options, theirs) = roles(way == Way::Connect);
        let mut pairs = vec![theirs_to_ours("PUB", way, options.clone(), &theirs).await];
        pairs.push(ours_to_theirs("SUB", way, options, &theirs).await);
        for (from, to) in &mut pairs {
            from.reach("", &mut [to]).await;
            for size in sizes {
                from.send(&text(body(size))).await;
                assert!(to.next().await == text(body(size)), "{size} bytes, {way}");
            }
        }
        let (from, to) = &mut pairs[0];
        let parts = [0, 1, 255, 70_000, 0].map(body).to_vec();
        from.send(&parts).await;
        assert!(to.next().await == parts, "several parts, {way}");
    }
}

/// XSUB shows what really came.
#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_come_and_go() {
    for way in WAYS {
        let (options, theirs) = roles(way == Way::Connect);
        let (mut from, mut to) = ours_to_theirs("XSUB", way, options, &theirs).await;
        from.reach("", &mut [&mut to]).await;
        let Subscribing::Theirs(peer) = &mut to else { unreachable!() };
        peer.subscribe("a");
        peer.subscribe("b");
        peer.subscribe("c");
        peer.unsubscribe("b");
        peer.unsubscribe("");
        // The last cancellation is in force, and all before it, when "c" comes without what nobody wants any more.
        loop {
            from.send(&text("z")).await;
            from.send(&text("c")).await;
            if to.next().await == text("c") {
                break;
            }
            assert_eq!(to.next().await, text("c"));
        }
        for message in ["b", "", "a", "c end"] {
            from.send(&text(message)).await;
        }
        assert_eq!([to.next().await, to.next().await], [text("a"), text("c end")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_peer_is_found_again() {
    for way in WAYS {
        let (options, theirs) = roles(way == Way::Connect);
        let (mut from, mut to) = ours_to_theirs("SUB", way, options.clone(), &theirs).await;
        heals(&mut from, &mut to, "at first").await;
        if let Subscribing::Theirs(peer) = &mut to {
            peer.crash_and_restart();
        }
        from.quiet().await;
        heals(&mut from, &mut to, "their subscriber crashed").await;

        let (mut from, mut to) = theirs_to_ours("PUB", way, options, &theirs).await;
        heals(&mut from, &mut to, "at first").await;
        if let Publishing::Theirs(peer) = &mut from {
            peer.crash_and_restart();
        }
        heals(&mut from, &mut to, "their publisher crashed").await;
    }
}

async fn heals(from: &mut Publishing, to: &mut Subscribing, round: &str) {
    let restarted = Instant::now();
    from.knock(round);
    to.skip_to(round).await;
    assert!(restarted.elapsed() < HEALED_WITHIN, "{round}: healed only after {:?}", restarted.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_are_sealed_and_answered() {
    // Long enough for a loaded machine to answer in time.
    const INTERVAL: Duration = Duration::from_secs(1);
    let silence = async |way| {
        let (mut options, mut theirs) = roles(way == Way::Connect);
        options.heartbeat_interval = INTERVAL;
        theirs.extend(["--heartbeat".to_owned(), INTERVAL.as_millis().to_string()]);
        let (mut from, mut to) = ours_to_theirs("SUB", way, options, &theirs).await;
        from.reach("", &mut [&mut to]).await;
        let lost =
            |to: &mut Subscribing| if let Subscribing::Theirs(peer) = to { peer.disconnects() } else { 0 };
        let before = lost(&mut to);
        sleep(6 * INTERVAL).await;
        assert_eq!(lost(&mut to), before, "a connection ended in the silence");
        from.send(&text("after the silence")).await;
        assert_eq!(to.next().await, text("after the silence"));
    };
    tokio::join!(silence(WAYS[0]), silence(WAYS[1]));
}

/// Waits until a connection has ended for one of these reasons.
async fn closed(stats: impl Fn() -> Stats, kinds: &[&str]) {
    let begun = Instant::now();
    while kinds.iter().all(|kind| stats().closed_for(kind) == 0) {
        assert!(begun.elapsed() < PATIENCE, "none of {kinds:?} in {:?}", stats());
        sleep(Duration::from_millis(10)).await;
    }
}

/// Whoever reads the other's greeting first closes the connection.
const OTHER_MECHANISM: &[&str] = &["security_mismatch", "peer"];

/// One subscriber may hear; others of libzmq's try, and it goes on hearing.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_right_to_be_there_is_refused() {
    let (server, allowed, publishes_only) = (keys(), keys(), keys());
    let mut clients = Clients::default();
    clients.add(allowed.public, Right::Subscribe);
    clients.add(publishes_only.public, Right::Publish);
    let refused: [(&[&str], _); 4] = [
        (OTHER_MECHANISM, Vec::new()),
        (&["curve"], client(&allowed, &keys().public)),
        (&["key_not_allowed"], client(&keys(), &server.public)),
        (&["key_not_allowed"], client(&publishes_only, &server.public)),
    ];
    for (kinds, further) in refused {
        let options = secured(Security::curve_server(server.secret.clone(), Some(clients.clone())));
        let ours = Arc::new(Publisher::bind(&ANY_PORT.parse().unwrap(), options).await.unwrap());
        let endpoint = ours.local_endpoint().unwrap().to_string();
        let mut from = Publishing::Ours(Arc::clone(&ours), None);
        let subscriber = |further: &[String]| {
            Peer::with("SUB", Way::Connect, &endpoint, &[further, &["-".to_owned()]].concat())
        };
        let mut to = Subscribing::Theirs(subscriber(&client(&allowed, &server.public)));
        from.reach("", &mut [&mut to]).await;
        let _refused = subscriber(&further);
        closed(|| ours.stats(), kinds).await;
        assert_eq!(ours.stats().connections, 1, "{kinds:?}");
        from.send(&text("undisturbed")).await;
        assert_eq!(to.next().await, text("undisturbed"));
    }
}

/// Ours as a client: it neither hears who is not the server it means, nor one that does not prove it.
#[tokio::test(flavor = "multi_thread")]
async fn our_client_refuses_other_servers() {
    let (server, other) = (keys(), keys());
    let secret_key = format!("--curve-secret-key={}", *other.secret.to_z85());
    for (kinds, further) in [(&["peer"][..], vec![secret_key]), (OTHER_MECHANISM, Vec::new())] {
        let mut theirs = Peer::with("PUB", Way::Bind, ANY_PORT, &further);
        theirs.knock(&text("not for us"));
        let options = secured(Security::curve_client(server.public, keys().secret));
        let ours = Subscriber::connect(theirs.endpoint.parse().unwrap(), options);
        closed(|| ours.stats(), kinds).await;
        assert_eq!(ours.stats().connections, 0, "{kinds:?}");
    }
}
