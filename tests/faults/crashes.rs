//! Crashes of every process in turn, and what is published meanwhile.

use std::time::{Duration, Instant};

use pushnote::Publisher;
use pushnote_tests::{Browser, Forwarder, PATIENCE, PythonPublisher, Server, Single, free_endpoint};
use serde_json::{Value, json};

use crate::witness::{publisher, settle};

/// How soon a restart has to be healed.
pub(crate) const HEALED_WITHIN: Duration = Duration::from_secs(2);

/// Publishes numbers until one arrives, and says how long that took.
async fn until_arrival(publisher: &Publisher, browser: &mut Browser) -> Duration {
    let started = Instant::now();
    for number in 0.. {
        assert!(started.elapsed() < PATIENCE, "nothing arrives any more");
        // A full queue is a fair answer while nobody takes anything.
        let _ = publisher.notify_all(json!({ "heal": number }));
        if let Some(Ok(_)) = browser.next_within(Duration::from_millis(50)).await {
            break;
        }
    }
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_crashes_of_the_forwarder_under_load_heal_each_time() {
    let mut forwarder = Forwarder::start();
    let mut servers = [Server::start(&forwarder.publ), Server::start(&forwarder.publ)];
    let mut one = Browser::open(&servers[0].websocket_url()).await;
    let mut other = Browser::open(&servers[1].websocket_url()).await;
    let publisher = publisher(&forwarder.sub);
    let load = load(&forwarder.sub);
    for round in 0..10 {
        // Both read all the time: one that does not is closed as a slow consumer, which is right.
        let mark = json!({ "round": round });
        let (took, other_took) = tokio::join!(
            until_arrival_of(&publisher, &mut one, &mark),
            until_arrival_of(&publisher, &mut other, &mark)
        );
        let took = took.max(other_took);
        assert!(round == 0 || took < HEALED_WITHIN, "healed only after {took:?}");
        forwarder.crash_and_restart();
    }
    load.abort();
    for server in &mut servers {
        assert!(server.process.is_running());
    }
}

/// Publishes all the time, as fast as the queue lets it.
fn load(endpoint: &str) -> tokio::task::JoinHandle<()> {
    let publisher = publisher(endpoint);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(1));
        loop {
            tick.tick().await;
            // While the forwarder is away the queue may fill: that is the load, too.
            let _ = publisher.notify_all("load".repeat(50));
        }
    })
}

/// Publishes `data` until it arrives, between whatever else does, and says how long that took.
pub(crate) async fn until_arrival_of(publisher: &Publisher, browser: &mut Browser, data: &Value) -> Duration {
    let started = Instant::now();
    let arrival = async {
        let mut again = tokio::time::interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                _ = again.tick() => drop(publisher.notify_all(data)),
                value = browser.next() => if value == *data { return },
            }
        }
    };
    tokio::time::timeout(PATIENCE, arrival).await.expect("nothing arrives any more");
    started.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_a_server_heals_and_leaves_the_other_alone() {
    let forwarder = Forwarder::start();
    let mut crashing = Server::start(&forwarder.publ);
    let staying = Server::start(&forwarder.publ);
    let mut witness = Browser::open(&staying.websocket_url()).await;
    let publisher = publisher(&forwarder.sub);
    until_arrival(&publisher, &mut witness).await;
    settle(&publisher, &mut witness, "before").await;

    for number in 0..100 {
        publisher.notify_all(number).unwrap();
        if number == 50 {
            crashing.crash_and_restart();
        }
    }
    for number in 0..100 {
        assert_eq!(witness.next().await, json!(number));
    }
    let mut browser = Browser::open(&crashing.websocket_url()).await;
    let took = until_arrival(&publisher, &mut browser).await;
    assert!(took < HEALED_WITHIN, "healed only after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_a_single_server_heals_for_every_publisher() {
    let mut single = Single::start();
    let rust = publisher(&single.endpoint);
    let mut python = PythonPublisher::connect(&single.endpoint);
    single.crash_and_restart();

    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let took = until_arrival(&rust, &mut browser).await;
    assert!(took < HEALED_WITHIN, "healed only after {took:?}");
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE, "pyzmq does not get through any more");
        python.publish(&json!({"name": "notify_all", "data": "from python"}));
        if let Some(Ok(value)) = browser.next_within(Duration::from_millis(100)).await
            && value == json!("from python")
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_a_publisher_harms_nobody() {
    let forwarder = Forwarder::start();
    let server = Server::start(&forwarder.publ);
    let mut browser = Browser::open(&server.websocket_url()).await;
    for round in 0..3 {
        let mut python = PythonPublisher::connect(&forwarder.sub);
        let data = json!({ "round": round });
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < PATIENCE, "round {round} does not arrive");
            python.publish(&json!({"name": "notify_all", "data": data}));
            if let Some(Ok(value)) = browser.next_within(Duration::from_millis(100)).await
                && value == data
            {
                break;
            }
        }
        python.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishers_messages_survive_a_server_that_starts_late() {
    let endpoint = free_endpoint();
    let publisher = publisher(&endpoint);
    for number in 0..100 {
        publisher.notify_all(number).unwrap();
    }
    // Nobody was there when they were published: flushing says so instead of losing them.
    let error = publisher.flush(Duration::from_millis(200)).unwrap_err().to_string();
    assert!(error.contains("100"), "{error}");
    let value: Value = json!(error);
    assert!(value.as_str().unwrap().contains(&endpoint), "{error}");
}
