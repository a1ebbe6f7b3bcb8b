//! What pages acknowledge of messages that are followed by a push, and who hears of that.

use std::time::Duration;

use pushnote::Push;
use pushnote_tests::{Forwarder, Metrics, Page, Process, Server, Single, token};
use serde_json::{Value, json};

use crate::api::{ALL, Api};
use crate::publisher;

/// A page of this user's.
async fn page_of(address: &str, user: &str) -> Page {
    let mut page = Page::open(address).await;
    page.say(&json!({"name": "subscribe", "data": {"id": 2, "token": token(user)}}).to_string()).await;
    assert_eq!(page.next().await["type"], "subscribed");
    page
}

/// The id by which the only message that comes is to be acknowledged.
async fn ack(page: &mut Page) -> String {
    let told = page.next().await;
    told["messages"][0]["ack"].as_str().unwrap_or_else(|| panic!("no ack: {told}")).to_owned()
}

async fn acknowledge(page: &mut Page, id: &str) {
    page.say(&json!({"name": "ack", "data": {"id": id}}).to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_push_is_acknowledged_once_by_whom_it_is_for() {
    let single = Single::with(&["--metrics=127.0.0.1:0"]);
    let metrics = Metrics::of(&single.server.process);
    let address = &single.server.address;
    let (mut page, mut stranger) = (page_of(address, "42").await, page_of(address, "43").await);
    let publisher = publisher(&single.endpoint);
    publisher.publish("Hi").user(42).push(Push::new("Hi").after(Duration::from_secs(60))).send().unwrap();
    let id = ack(&mut page).await;
    metrics.until("pushnote_server_awaited_acks", |awaited| awaited == 1.0);

    acknowledge(&mut stranger, &id).await;
    metrics.until("pushnote_server_ignored_acks_total", |ignored| ignored == 1.0);
    acknowledge(&mut page, &id).await;
    metrics.until("pushnote_server_acks_total", |acks| acks == 1.0);
    acknowledge(&mut page, &id).await;
    let told = metrics.until("pushnote_server_ignored_acks_total", |ignored| ignored == 2.0);
    assert_eq!(pushnote_tests::sum(&told, "pushnote_server_awaited_acks"), 0.0);

    // Nobody pushes here, and the publisher's side is told so.
    single.server.process.logged("this server pushes nothing");
    // Who comes back reads it with its id, which is one that the publisher has chosen.
    let cursor = page.cursor.clone();
    drop(page);
    publisher.publish("Hi").user(42).push(Push::new("Hi").id("order-7")).send().unwrap();
    metrics.until("pushnote_server_awaited_acks", |awaited| awaited == 1.0);
    let mut page = Page::open(address).await;
    let since = json!({"id": 3, "token": token("42"), "since": cursor});
    page.say(&json!({"name": "subscribe", "data": since}).to_string()).await;
    let told = page.next().await;
    assert_eq!(told["messages"], json!([{"user": true, "ack": "order-7", "data": "Hi"}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_acknowledges_all_servers_hear() {
    let forwarder = Forwarder::start();
    let mq_socket = format!("--mq_socket={}", forwarder.publ);
    let publish_to = format!("--publish-to={}", forwarder.sub);
    let here = Server::with(&[&mq_socket, &publish_to, "--metrics=127.0.0.1:0"]);
    let there = Server::with(&[&mq_socket, "--metrics=127.0.0.1:0"]);
    let (metrics, elsewhere) = (Metrics::of(&here.process), Metrics::of(&there.process));
    let (here, there) = (here.subscribed(), there.subscribed());
    let (mut page, mut other) = (page_of(&here.address, "42").await, page_of(&there.address, "43").await);
    let publisher = publisher(&forwarder.sub);
    publisher.publish("Hi").users([42, 43]).push(Push::new("Hi")).send().unwrap();
    let (id, same) = (ack(&mut page).await, ack(&mut other).await);
    assert_eq!(id, same);
    for metrics in [&metrics, &elsewhere] {
        metrics.until("pushnote_server_awaited_acks", |awaited| awaited == 2.0);
    }
    acknowledge(&mut page, &id).await;
    for metrics in [&metrics, &elsewhere] {
        metrics.until("pushnote_server_awaited_acks", |awaited| awaited == 1.0);
    }
    // Who was not told where forwarders take messages cannot say so, and counts that.
    acknowledge(&mut other, &id).await;
    elsewhere.until("pushnote_server_untold_acks_total", |untold| untold == 1.0);
    there.process.logged("publish_to");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_and_the_tool_take_a_push_and_say_what_is_wrong_with_one() {
    let (single, api) = Api::single(&[]);
    let mut page = page_of(&single.server.address, "42").await;
    let publish = |body: &Value| api.ask("POST", "/v1/publish", ALL, &body.to_string());
    let push = json!({"title": "Hi", "after_s": 5, "url": "/chat", "urgency": "high"});
    let answer = publish(&json!({"users": [42], "data": 1, "push": push}));
    let receipt = answer.json();
    assert_eq!((answer.status, &receipt["id"]), (202, &json!(ack(&mut page).await)), "{receipt}");
    assert!(receipt["warning"].as_str().unwrap().contains("not pushed"), "{receipt}");
    let answer = publish(&json!({"users": [42], "data": 1, "id": "order-7", "push": {"title": "Hi"}}));
    assert_eq!((answer.status, ack(&mut page).await), (202, "order-7".to_owned()));
    for (body, fault) in [
        (
            json!({"channels": ["a"], "data": 1, "push": {"title": "Hi"}}),
            "push: it is for messages to users alone",
        ),
        (json!({"users": [1], "data": 1, "push": {"title": ""}}), "push: \"title\""),
        (json!({"users": [1], "data": 1, "push": {"title": "a", "topic": "a b"}}), "push: \"topic\""),
        (
            json!({"users": [1], "data": 1, "push": {"title": "a", "body": "x".repeat(3000)}}),
            "push: \"title\", \"body\"",
        ),
        (json!({"users": [1], "data": 1, "push": {"titel": "a"}}), "unknown field `titel`"),
    ] {
        let answer = publish(&body);
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && detail.contains(fault), "{detail}");
    }
    let (url, mq_socket) =
        (format!("--url=http://{}", api.address), format!("--mq_socket={}", single.endpoint));
    for (way, id) in [(url, "a"), (mq_socket, "b")] {
        let id_flag = format!("--push-id={id}");
        let arguments = ["publish", &way, "1", "--user=42", "--push-title=Hi", "--push-after=5s", &id_flag];
        let output = Process::output("pushnote", &arguments, &[("PUSHNOTE_API_KEY", ALL)]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(ack(&mut page).await, id);
    }
    // Over ZeroMQ nobody answers: the id is made where it is published, and said.
    let arguments = ["publish", "-s", &single.endpoint, "1", "--user=42", "--push-title=Hi"];
    let said = String::from_utf8(Process::output("pushnote", &arguments, &[]).stdout).unwrap();
    let id = ack(&mut page).await;
    assert_eq!(said.trim(), format!("what becomes of the push: GET /v1/messages/{id}"));
}
