//! Socket first: a message goes to open pages, and is pushed to who does not acknowledge it in time.

use std::time::{Duration, Instant};

use pushnote::{Publisher, Push};
use pushnote_tests::{Browser, Forwarder, Metrics, PATIENCE, Page, Server, token};
use serde_json::{Value, json};

use crate::setup::Setup;

/// A page of this user's, which speaks the client protocol.
async fn page_of(address: &str, user: &str) -> Page {
    let mut page = Page::open(address).await;
    page.say(&json!({"name": "subscribe", "data": {"id": 2, "token": token(user)}}).to_string()).await;
    assert_eq!(page.next().await["type"], "subscribed");
    page
}

async fn acknowledge(page: &mut Page) {
    let told = page.next().await;
    let ack = json!({"name": "ack", "data": {"id": told["messages"][0]["ack"]}});
    page.say(&ack.to_string()).await;
}

/// Publishes for user 42; the push follows after so many seconds.
fn publish(setup: &Setup, id: &str, after_s: u32) {
    let push = json!({"title": id, "after_s": after_s, "ttl_s": 600});
    let message = json!({"users": [42], "data": "Hi", "id": id, "push": push});
    let answer = setup.api("POST", "/v1/publish", &message);
    assert_eq!((answer.status, &answer.json()["warning"]), (202, &json!(null)), "{answer:?}");
}

/// Asks until the message has come so far with user 42.
fn until(setup: &Setup, id: &str, state: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let standing = setup.api("GET", &format!("/v1/messages/{id}"), &json!(null)).json();
        if standing["users"][0]["state"] == state {
            return standing;
        }
        assert!(Instant::now() < deadline, "{id} does not become {state}: {standing}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_acknowledges_is_not_pushed() {
    let setup = Setup::start();
    setup.subscribe("42", &setup.browser("/x"));
    let mut page = page_of(&setup.server.address, "42").await;
    publish(&setup, "order-7", 4);
    let standing = until(&setup, "order-7", "delivered");
    assert_eq!(standing["states"], json!({"delivered": 1}));
    acknowledge(&mut page).await;
    until(&setup, "order-7", "acknowledged");
    assert!(setup.service.is_silent_for(Duration::from_secs(5)), "it is acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_page_acknowledges_is_pushed_when_its_time_has_come() {
    let setup = Setup::start();
    let mut browser = setup.browser("/x");
    setup.subscribe("42", &browser);
    let began = Instant::now();
    publish(&setup, "no page", 1);
    let (received, shown) = setup.read(&mut browser);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(
        (&shown["title"], &shown["id"], &shown["tag"]),
        (&json!("no page"), &json!("no page"), &json!("no page"))
    );
    assert!(received.header("topic").is_some());
    until(&setup, "no%20page", "pushed");
    assert_eq!(setup.ask("POST", "/push/shown", &json!({"ack": shown["ack"]})).status, 204);
    until(&setup, "no%20page", "shown");

    // A page that knows nothing of acknowledging gets the message, and the push comes all the same.
    let mut plain = Browser::open(&setup.server.websocket_url()).await;
    plain.subscribe(&token("42")).await;
    while setup.api("GET", "/v1/users/42", &json!(null)).json()["connections"] != 1 {}
    publish(&setup, "plain", 3);
    assert_eq!(plain.next().await, "Hi");
    until(&setup, "plain", "delivered");
    assert_eq!(setup.read(&mut browser).1["title"], "plain");
    until(&setup, "plain", "pushed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_late_closes_the_notification() {
    let setup = Setup::start();
    let mut browser = setup.browser("/x");
    setup.subscribe("42", &browser);
    let mut page = page_of(&setup.server.address, "42").await;
    publish(&setup, "late", 0);
    let (pushed, shown) = setup.read(&mut browser);
    assert_eq!(shown["tag"], "late");
    until(&setup, "late", "pushed");
    acknowledge(&mut page).await;
    let (collapse, closed) = setup.read(&mut browser);
    assert_eq!(closed, json!({"collapse": "late"}));
    assert_eq!((collapse.header("ttl"), collapse.header("topic")), (Some("0"), pushed.header("topic")));
    until(&setup, "late", "acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_device_is_told_of_when_the_time_has_come() {
    let setup = Setup::start();
    publish(&setup, "none", 1);
    until(&setup, "none", "failed");
    // What a page has got did not fail: it stays so when a later message does.
    let page = page_of(&setup.server.address, "42").await;
    publish(&setup, "page", 0);
    until(&setup, "page", "delivered");
    drop(page);
    while setup.api("GET", "/v1/users/42", &json!(null)).json()["connections"] != 0 {}
    publish(&setup, "later", 0);
    until(&setup, "later", "failed");
    until(&setup, "page", "delivered");
    for (path, kind) in [("/v1/messages/other", "message_unknown"), ("/v1/messages/a%0Ab", "message_unknown")]
    {
        let answer = setup.api("GET", path, &json!(null));
        assert_eq!(
            (answer.status, answer.json()["type"].clone()),
            (404, json!(format!("urn:pushnote:problem:{kind}")))
        );
    }
}

#[test]
fn whose_browser_is_removed_before_the_time_has_come_is_told_of() {
    let setup = Setup::start();
    setup.subscribe("42", &setup.browser("/x"));
    publish(&setup, "gone", 2);
    until(&setup, "gone", "accepted");
    assert_eq!(setup.api("DELETE", "/v1/push/subscriptions", &json!({"user": "42"})).status, 200);
    until(&setup, "gone", "failed");
}

#[test]
fn a_push_that_follows_no_message_stops_none_that_does_with_its_id() {
    let setup = Setup::start();
    let mut browser = setup.browser("/x");
    setup.subscribe("42", &browser);
    assert_eq!(setup.push(&json!({"users": ["42"], "title": "alone", "id": "order-7"})), 1);
    let (_, alone) = setup.read(&mut browser);
    publish(&setup, "order-7", 1);
    let (_, follows) = setup.read(&mut browser);
    assert_eq!((&alone["title"], &follows["title"]), (&json!("alone"), &json!("order-7")));
    until(&setup, "order-7", "pushed");
    let shown = |pushed: &Value| setup.ask("POST", "/push/shown", &json!({"ack": pushed["ack"]})).status;
    assert_eq!(shown(&alone), 204);
    until(&setup, "order-7", "pushed");
    assert_eq!(shown(&follows), 204);
    until(&setup, "order-7", "shown");
    assert_eq!(setup.push(&json!({"users": ["42"], "title": "again", "id": "order-7"})), 1);
    assert!(setup.service.is_silent_for(Duration::from_secs(1)), "one with a known id is not sent again");
}

#[test]
fn a_killed_server_pushes_once_what_was_to_be_pushed() {
    let mut setup = Setup::start();
    let mut browser = setup.browser("/x");
    setup.subscribe("42", &browser);
    for number in 0..20 {
        publish(&setup, &format!("kill-{number}"), 4);
    }
    setup.crash_and_restart();
    let mut titles: Vec<_> = (0..20).map(|_| setup.read(&mut browser).1["title"].to_string()).collect();
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), 20, "{titles:?}");
    assert!(setup.service.is_silent_for(Duration::from_secs(2)), "each comes once");
    for number in 0..20 {
        until(&setup, &format!("kill-{number}"), "pushed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_at_another_server_is_not_pushed() {
    let forwarder = Forwarder::start();
    let (mq_socket, publish_to) =
        (format!("--mq_socket={}", forwarder.publ), format!("--publish-to={}", forwarder.sub));
    let setup = Setup::behind(&[&mq_socket, &publish_to]);
    setup.subscribe("42", &setup.browser("/x"));
    let other = Server::with(&[&mq_socket, &publish_to, "--metrics=127.0.0.1:0"]);
    let metrics = Metrics::of(&other.process);
    let other = other.subscribed();
    let mut page = page_of(&other.address, "42").await;
    let publisher = Publisher::builder().endpoint(&forwarder.sub).unwrap().build().unwrap();
    let push = || Push::new("Hi").after(Duration::from_secs(4)).id("order-7");
    publisher.publish("Hi").user(42).push(push()).send().unwrap();
    until(&setup, "order-7", "accepted");
    acknowledge(&mut page).await;
    metrics.until("pushnote_server_acks_total", |acks| acks == 1.0);
    until(&setup, "order-7", "acknowledged");
    assert!(setup.service.is_silent_for(Duration::from_secs(5)), "it is acknowledged");
}
