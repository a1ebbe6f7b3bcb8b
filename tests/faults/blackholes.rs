//! Peers that vanish without a word, as behind a pulled cable: only heartbeats tell.

use std::time::{Duration, Instant};

use pushnote::Publisher;
use pushnote_tests::{Browser, Proxy, Server};
use serde_json::json;

use crate::crashes::{HEALED_WITHIN, until_arrival_of};
use crate::gauge::{Gauge, MIB};
use crate::target::Relay;
use crate::witness::publisher;

const INTERVAL: Duration = Duration::from_millis(500);
const INTERVAL_FLAG: &str = "--heartbeat-interval=0.5";
/// Silence of two intervals is death; the rest is for a busy machine.
const NOTICED_WITHIN: Duration = Duration::from_millis(2500);

/// Waits until both ends have given the link up, asserts that this took as long as it may, and heals it.
async fn fails_and_heals(proxy: &mut Proxy) {
    let started = Instant::now();
    proxy.swallow();
    proxy.is_given_up_by_both().await;
    let took = started.elapsed();
    assert!(took > INTERVAL / 2 && took < NOTICED_WITHIN, "noticed after {took:?}");
    proxy.heal();
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarder_and_server_notice_that_the_link_between_them_is_dead() {
    let relay = Relay::start(&[INTERVAL_FLAG]);
    let mut proxy = Proxy::to(&relay.publ[0]).await;
    let mut server = Server::with(&[&format!("--mq_socket={}", proxy.endpoint), INTERVAL_FLAG]);
    let mut browser = Browser::open(&server.websocket_url()).await;
    let publisher = publisher(&relay.sub[0]);
    until_arrival_of(&publisher, &mut browser, &json!("before")).await;
    let gauges = [Gauge::of(relay.process.id()), Gauge::of(server.process.id())];

    // Those beside the dead link go on.
    let witness = relay.witness().await;
    fails_and_heals(&mut proxy).await;
    let took = until_arrival_of(&publisher, &mut browser, &json!("after")).await;
    assert!(took < HEALED_WITHIN, "healed only after {took:?}");
    witness.noticed_nothing().await;
    relay.process.logged("heartbeat_lost");
    assert!(server.process.is_running());
    gauges.iter().for_each(|gauge| gauge.grew_less_than(16 * MIB));
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarder_and_publisher_notice_that_the_link_between_them_is_dead() {
    let relay = Relay::start(&[INTERVAL_FLAG]);
    let server = Server::start(&relay.publ[0]);
    let mut proxy = Proxy::to(&relay.sub[0]).await;
    let builder = Publisher::builder().endpoint(&proxy.endpoint).unwrap();
    let publisher = builder.heartbeat_interval(INTERVAL).build().unwrap();
    let mut browser = Browser::open(&server.websocket_url()).await;
    until_arrival_of(&publisher, &mut browser, &json!("before")).await;

    fails_and_heals(&mut proxy).await;
    let took = until_arrival_of(&publisher, &mut browser, &json!("after")).await;
    assert!(took < HEALED_WITHIN, "healed only after {took:?}");
    // What is published once it is healed arrives, each message once and in order.
    crate::witness::settle(&publisher, &mut browser, "healed").await;
    for number in 0..100 {
        publisher.notify_all(number).unwrap();
    }
    for number in 0..100 {
        assert_eq!(browser.next().await, json!(number));
    }
}
