//! A relay that lies, against those who connect to it: a server and a publisher. They keep trying, do not grow, and
//! are back as soon as an honest one has its place.

use std::time::{Duration, Instant};

use pushnote::{PublishError, Publisher};
use pushnote_tests::{Browser, Launch, PATIENCE, Server, free_endpoint};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::crashes::{HEALED_WITHIN, until_arrival_of};
use crate::gauge::{Gauge, MIB};
use crate::raw::{Raw, frame, head, ready, subscribe};
use crate::target::{ANY_V4, Relay};

const GROWTH_MAX: u64 = 8 * MIB;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    /// Accepts and never greets.
    Silence,
    /// Resets when the handshake is over, before anything else.
    Reset,
    /// Announces 2^60 bytes.
    Giant,
    /// Sends a message without end.
    Endless,
    /// Greets, then neither reads nor writes.
    Stall,
}

impl Lie {
    const ALL: [Lie; 5] = [Lie::Silence, Lie::Reset, Lie::Giant, Lie::Endless, Lie::Stall];

    /// How often a client has to try before the test goes on.
    fn attempts(self) -> u32 {
        match self {
            Lie::Silence => 2, // the first attempt has to time out
            Lie::Stall => 1,   // that one is for the heartbeats to find out
            Lie::Reset | Lie::Giant | Lie::Endless => 5,
        }
    }
}

/// A relay in the test's hands.
struct Liar {
    endpoint: String,
    attempts: watch::Receiver<u32>,
    tasks: JoinSet<()>,
}

impl Liar {
    /// Listens, as a socket of type `kind`.
    async fn start(kind: &'static str, lie: Lie) -> Self {
        let endpoint = free_endpoint();
        let listener = TcpListener::bind(endpoint.trim_start_matches("tcp://")).await.unwrap();
        let (attempt, attempts) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                if lie == Lie::Reset {
                    stream.set_zero_linger().unwrap();
                }
                let attempt = attempt.clone();
                connections.spawn(async move {
                    tell(Raw { stream: Box::new(stream) }, kind, lie, &attempt).await;
                });
            }
        });
        Self { endpoint, attempts, tasks }
    }

    /// Waits until a client has tried often enough.
    async fn has_been_tried(&mut self, lie: Lie) {
        let tried = self.attempts.wait_for(|attempts| *attempts >= lie.attempts());
        assert!(timeout(PATIENCE, tried).await.is_ok(), "{lie:?}: the client does not try again");
    }

    /// Closes everything; its port is free then.
    async fn stop(mut self) -> String {
        self.tasks.shutdown().await;
        self.endpoint
    }
}

async fn tell(mut raw: Raw, kind: &str, lie: Lie, attempt: &watch::Sender<u32>) {
    if lie != Lie::Silence {
        raw.greet(&ready(kind, &[]), 1).await.unwrap();
    }
    attempt.send_modify(|attempts| *attempts += 1);
    match lie {
        Lie::Silence | Lie::Stall => std::future::pending().await,
        Lie::Reset => {}
        Lie::Giant => {
            raw.say(&head(0, 1 << 60)).await;
            raw.is_ended("2^60 bytes").await;
        }
        Lie::Endless => {
            raw.say(&frame(1, &[0; 50_000]).repeat(50)).await;
            raw.is_ended("an endless message").await;
        }
    }
}

async fn server_survives(lie: Lie) {
    let mut liar = Liar::start("PUB", lie).await;
    let mut server = Server::start(&liar.endpoint);
    let mut browser = Browser::open(&server.websocket_url()).await;
    let gauge = Gauge::of(server.process.id());
    liar.has_been_tried(lie).await;
    let endpoint = liar.stop().await;

    let relay = Relay::start_on(&[ANY_V4], &[&endpoint], &[]);
    let took =
        until_arrival_of(&crate::witness::publisher(&relay.sub[0]), &mut browser, &json!("sound")).await;
    assert!(took < HEALED_WITHIN, "{lie:?}: back only after {took:?}");
    assert!(server.process.is_running(), "{lie:?}");
    gauge.grew_less_than(GROWTH_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_survives_a_hostile_relay() {
    let [silence, reset, giant, endless, stall] = Lie::ALL.map(server_survives);
    tokio::join!(silence, reset, giant, endless, stall);
}

/// The publisher in the operator's tool: it holds its message until somebody honest takes it.
async fn publisher_survives(lie: Lie) {
    let mut liar = Liar::start("SUB", lie).await;
    let mq_socket = format!("--mq_socket={}", liar.endpoint);
    let mut publisher =
        Launch::of("pushnote").arguments(["publish", &mq_socket, "--timeout=60s", "\"kept\""]).start();
    liar.has_been_tried(lie).await;
    let gauge = Gauge::of(publisher.id());
    assert!(publisher.is_running(), "{lie:?}");
    gauge.grew_less_than(GROWTH_MAX);
    let endpoint = liar.stop().await;

    let server = Server::with(&["--single", &format!("--mq_socket={endpoint}")]);
    let started = Instant::now();
    let ended = tokio::task::spawn_blocking(move || publisher.ended()).await.unwrap();
    assert!(ended.success(), "{lie:?}");
    assert!(started.elapsed() < HEALED_WITHIN, "{lie:?}: written only after {:?}", started.elapsed());
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_survives_a_hostile_relay() {
    let [silence, reset, giant, endless, stall] = Lie::ALL.map(publisher_survives);
    tokio::join!(silence, reset, giant, endless, stall);
}

/// One that subscribes and never reads: the queue fills to its bound and says so, is given up in time, and what is
/// published after that arrives at an honest one.
#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_is_told_that_a_relay_does_not_read() {
    let endpoint = free_endpoint();
    let listener = TcpListener::bind(endpoint.trim_start_matches("tcp://")).await.unwrap();
    let builder = Publisher::builder().endpoint(&endpoint).unwrap();
    let publisher = builder.subscriber_timeout(Duration::from_secs(5)).build().unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let mut stalled = Raw { stream: Box::new(stream) };
    stalled.greet(&ready("SUB", &[]), 1).await.unwrap();
    stalled.say(&subscribe(b"")).await;

    let message = "x".repeat(60_000);
    let full = async {
        loop {
            match publisher.notify_all(&message) {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => return error,
            }
        }
    };
    let error = timeout(PATIENCE, full).await.expect("a bound");
    assert!(matches!(error, PublishError::QueueFull { .. }), "{error}");
    let stats = publisher.stats();
    assert!(stats.waiting * 60_000 <= 9 * MIB, "{stats:?}");

    drop((stalled, listener));
    let server = Server::with(&["--single", &format!("--mq_socket={endpoint}")]);
    let mut browser = Browser::open(&server.websocket_url()).await;
    let took = until_arrival_of(&publisher, &mut browser, &json!("sound")).await;
    assert!(took < HEALED_WITHIN + Duration::from_secs(1), "back only after {took:?}");
}
