//! What is lost when a forwarder, a server or a link is: nothing, for the browsers that stayed.

use std::time::Duration;

use pushnote::{PublishError, Publisher};
use pushnote_tests::{Browser, Forwarder, PATIENCE, Proxy, Server};
use pushnote_zmtp::{Options, Publisher as Socket, Subscriber};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

const PER_TICK: usize = 5;
const TICK: Duration = Duration::from_millis(1);
const PER_SECOND: usize = 5000;

fn publisher(endpoints: &str) -> Publisher {
    Publisher::builder().endpoint(endpoints).unwrap().build().unwrap()
}

/// Publishes until the browser hears: servers subscribe in their own time.
async fn settle(publisher: &Publisher, browser: &mut Browser) {
    for number in 0.. {
        publisher.notify_all(json!({ "settle": number })).unwrap();
        if browser.next_within(Duration::from_millis(100)).await.is_some() {
            return;
        }
    }
}

/// Reads to the last of `messages`, and finds each of them once and in order.
fn witness(mut browser: Browser, messages: usize) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut expected = 0;
        while expected < messages {
            let message = browser.next().await;
            if message["settle"].is_null() {
                assert_eq!(message, json!(expected));
                expected += 1;
            }
        }
    })
}

/// 5,000 messages a second, and `events` at their numbers.
async fn load(publisher: &Publisher, messages: usize, mut event: impl FnMut(usize)) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0..messages {
        if number % PER_TICK == 0 {
            ticks.tick().await;
        }
        event(number);
        let queued = async {
            while let Err(PublishError::QueueFull { .. }) = publisher.notify_all(number) {
                ticks.tick().await;
            }
        };
        timeout(PATIENCE, queued).await.expect("the queue stays full");
    }
}

async fn complete(witnesses: impl IntoIterator<Item = JoinHandle<()>>) {
    for witness in witnesses {
        timeout(PATIENCE, witness).await.expect("messages are missing").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn either_forwarder_of_two_and_a_server_may_be_killed() {
    const MESSAGES: usize = 6 * PER_SECOND;
    let [mut one, mut other] = [Forwarder::start(), Forwarder::start()];
    let both = format!("{},{}", one.publ, other.publ);
    let staying = Server::start(&both);
    let mut dying = Server::start(&both);
    let publisher = publisher(&format!("{},{}", one.sub, other.sub));
    let mut browsers = Vec::new();
    for server in [&staying, &staying, &dying] {
        let mut browser = Browser::open(&server.websocket_url()).await;
        settle(&publisher, &mut browser).await;
        browsers.push(browser);
    }
    let mut torn = browsers.pop().unwrap();
    let witnesses: Vec<_> = browsers.into_iter().map(|browser| witness(browser, MESSAGES)).collect();
    load(&publisher, MESSAGES, |number| match number {
        // A restart has two seconds to heal before the other one goes.
        5_000 => one.process.kill(),
        7_500 => one.crash_and_restart(),
        17_500 => other.crash_and_restart(),
        22_500 => dying.process.kill(),
        _ => {}
    })
    .await;
    complete(witnesses).await;
    assert_eq!(torn.close_code().await, None, "its server was killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_breaks_loses_nothing() {
    const MESSAGES: usize = 4 * PER_SECOND;
    let forwarder = Forwarder::with(&["--heartbeat-interval=0.2"]);
    let proxy = Proxy::to(&forwarder.publ).await;
    let mq_socket = format!("--mq_socket={}", proxy.endpoint);
    let server = Server::with(&[&mq_socket, "--heartbeat-interval=0.2"]);
    let publisher = publisher(&forwarder.sub);
    let mut browser = Browser::open(&server.websocket_url()).await;
    settle(&publisher, &mut browser).await;
    let witness = witness(browser, MESSAGES);
    load(&publisher, MESSAGES, |number| match number {
        // What was on its way goes down with the link.
        4_000 | 12_000 => proxy.swallow(),
        6_000 | 14_000 => proxy.heal(),
        _ => {}
    })
    .await;
    complete([witness]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_for_a_while_catches_up() {
    const MESSAGES: usize = 2 * PER_SECOND;
    let forwarder = Forwarder::start();
    let server = Server::start(&forwarder.publ);
    let publisher = publisher(&forwarder.sub);
    let mut browser = Browser::open(&server.websocket_url()).await;
    settle(&publisher, &mut browser).await;
    let witness = witness(browser, MESSAGES);
    load(&publisher, MESSAGES, |number| match number {
        2_000 => server.process.signal("-STOP"),
        8_000 => server.process.signal("-CONT"),
        _ => {}
    })
    .await;
    complete([witness]).await;
}

/// A publisher that gives its connection up and makes another one is read over both for a moment.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_second_connection_brings_too_early_waits_for_the_first() {
    let forwarder = Forwarder::start();
    let server = Server::start(&forwarder.publ);
    let connect = || Socket::connect(forwarder.sub.parse().unwrap(), Options::default());
    let [old, new] = [connect(), connect()];
    let publish = async |socket: &Socket, number: usize| {
        let envelope = format!(r#"{{"name":"notify_all","data":{number},"publication":"p/{number}"}}"#);
        socket.send(envelope).await.unwrap();
    };
    let mut browser = Browser::open(&server.websocket_url()).await;
    let mut passed_on = Subscriber::connect(forwarder.publ.parse().unwrap(), Options::default());
    let mut first = 0;
    while browser.next_within(Duration::from_millis(100)).await.is_none()
        || timeout(Duration::from_millis(100), passed_on.recv()).await.is_err()
    {
        first += 1;
        publish(&old, first).await;
    }
    let mut passes_on = async |number: usize| {
        let publication = format!("\"p/{number}\"");
        let has_come = |topic: &[u8]| String::from_utf8_lossy(topic).contains(&publication);
        while !has_come(timeout(PATIENCE, passed_on.recv()).await.expect("nothing came").unwrap().topic()) {}
    };
    // Half a second is what the server waits, and this may take longer: it finds both at once.
    server.process.signal("-STOP");
    publish(&new, first + 2).await;
    passes_on(first + 2).await;
    publish(&old, first + 1).await;
    passes_on(first + 1).await;
    server.process.signal("-CONT");
    let mut came = Vec::new();
    while came.len() < 2 {
        let number = browser.next().await.as_u64().unwrap() as usize;
        came.extend((number > first).then_some(number));
    }
    assert_eq!(came, [first + 1, first + 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pyzmq_publishes_survives_a_broken_link_too() {
    let forwarder = Forwarder::with(&["--heartbeat-interval=0.2"]);
    let mut proxy = Proxy::to(&forwarder.publ).await;
    let mq_socket = format!("--mq_socket={}", proxy.endpoint);
    let server = Server::with(&[&mq_socket, "--heartbeat-interval=0.2"]);
    let mut browser = Browser::open(&server.websocket_url()).await;
    let mut python = pushnote_tests::PythonPublisher::connect(&forwarder.sub);
    while browser.next_within(Duration::from_millis(100)).await.is_none() {
        python.publish(&json!({"name": "notify_all", "data": {"settle": 0}}));
    }
    proxy.swallow();
    for number in 0..1000 {
        python.publish(&json!({"name": "notify_all", "data": number}));
    }
    proxy.is_given_up_by_both().await;
    proxy.heal();
    complete([witness(browser, 1000)]).await;
}
