//! What applications publish with flask-sse, over a real Redis, for pages of every kind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod redis;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use pushnote_tests::{LossyPublisher, Metrics, PATIENCE, Page, Single};
use serde_json::{Value, json};

use redis::{Application, Redis};

fn server(redis: &Redis, more: &[&str]) -> Single {
    let url = format!("--redis={}", redis.url());
    let single = Single::with(&[&[url.as_str(), "--redis-unsubscribe-delay=0.5"], more].concat());
    // Who comes before that is told of a gap.
    single.server.process.logged("connected to Redis");
    single
}

/// A page of the client protocol that has subscribed to a channel.
async fn page(single: &Single, channel: &str) -> Page {
    let mut page = Page::open(&single.server.address).await;
    page.say(&json!({"name": "subscribe", "data": {"id": 2, "channel": channel}}).to_string()).await;
    assert_eq!(page.next().await["type"], "subscribed");
    page
}

fn message(event: Option<&str>, data: &Value) -> Value {
    let mut message = json!({"channel": "redis:test", "data": data});
    if let Some(event) = event {
        message["event"] = json!(event);
    }
    json!([message])
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_flask_sse_reach_the_pages_of_a_channel() {
    let redis = Redis::start();
    let single = server(&redis, &[]);
    let mut pages = [page(&single, "redis:test").await, page(&single, "redis:test").await];
    redis.subscribers("test", 1).await;
    let mut application = Application::start(&redis);
    let data = json!({"message": "Hello!"});
    for (published, expected) in [
        (
            json!({"publish": {"data": data, "type": "greeting", "id": 7, "retry": 1500, "channel": "test"}}),
            message(Some("greeting"), &data),
        ),
        (json!({"publish": {"data": "a\nb", "channel": "test"}}), message(None, &json!("a\nb"))),
        (
            json!({"send_event": ["myevent", data.to_string(), "test"]}),
            message(Some("myevent"), &json!(data.to_string())),
        ),
    ] {
        assert_eq!(application.publish(&published), 1);
        for page in &mut pages {
            assert_eq!(page.next().await["messages"], expected);
        }
    }
    drop(pages);
    redis.subscribers("test", 0).await;
    assert_eq!(application.publish(&json!({"publish": {"data": 1, "channel": "test"}})), 0);
    // Who comes back now has missed that.
    let mut page = page(&single, "redis:test").await;
    let gap = page.next().await;
    assert_eq!((&gap["type"], &gap["channel"]), (&json!("gap"), &json!("redis:test")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_payload_is_counted_and_harms_nothing() {
    let redis = Redis::start();
    let single = server(&redis, &["--metrics=127.0.0.1:0"]);
    let metrics = Metrics::of(&single.server.process);
    let mut page = page(&single, "redis:test").await;
    redis.subscribers("test", 1).await;
    let mut application = Application::start(&redis);
    let bad =
        ["hello", "{", "[]", "{\"data\"", "[1,\"a\"]", "[\"a\\nid: 666\",\"b\"]", "{\"type\":\"a\"}", ""];
    for raw in bad {
        application.publish(&json!({"raw": raw, "channel": "test"}));
    }
    application.publish(&json!({"publish": {"data": "good", "channel": "test"}}));
    assert_eq!(page.next().await["messages"], message(None, &json!("good")));
    metrics.until("pushnote_server_refused_envelopes", |count| count == bad.len() as f64);
    metrics.until("pushnote_server_redis_channels", |count| count == 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_comes_back_to_redis_and_tells_of_the_gap() {
    let mut redis = Redis::start();
    let single = server(&redis, &[]);
    let mut page = page(&single, "redis:test").await;
    redis.subscribers("test", 1).await;
    redis.kill();
    single.server.process.logged("no connection to Redis");
    let mut late = self::page(&single, "redis:late").await;
    redis.comes_back();
    redis.subscribers("test", 1).await;
    for (page, channel) in [(&mut page, "redis:test"), (&mut late, "redis:late")] {
        let gap = page.next().await;
        assert_eq!((&gap["type"], &gap["channel"]), (&json!("gap"), &json!(channel)));
    }
    Application::start(&redis).publish(&json!({"publish": {"data": "on", "channel": "test"}}));
    assert_eq!(page.next().await["messages"], message(None, &json!("on")));
    // A history with what is missing is not whole.
    let history = json!({"name": "history", "data": {"id": 3, "channel": "redis:test", "last": 10}});
    page.say(&history.to_string()).await;
    let history = page.next().await;
    assert_eq!((&history["messages"], &history["complete"]), (&message(None, &json!("on")), &json!(false)));
}

/// A page of flask-sse that says where it was, if it was somewhere: its lines up to one that begins so.
fn stream_up_to(single: &Single, last_id: &str, begins: &str) -> (Vec<String>, BufReader<TcpStream>) {
    let address = &single.server.address;
    let mut wire = TcpStream::connect(address).unwrap();
    wire.set_read_timeout(Some(PATIENCE)).unwrap();
    let last_id = if last_id.is_empty() { String::new() } else { format!("last-event-id: {last_id}\r\n") };
    write!(wire, "GET /stream?channel=test HTTP/1.1\r\nhost: {address}\r\n{last_id}\r\n").unwrap();
    let mut wire = BufReader::new(wire);
    (lines_up_to(&mut wire, begins), wire)
}

fn lines_up_to(wire: &mut BufReader<TcpStream>, begins: &str) -> Vec<String> {
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.starts_with(begins)) {
        lines.push(wire.by_ref().lines().next().unwrap().unwrap());
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_flask_sse_is_told_of_what_did_not_come_at_all() {
    let redis = Redis::start();
    let single = server(&redis, &[]);
    let mut publisher = LossyPublisher::connect(&single.endpoint);
    let (head, mut page) = stream_up_to(&single, "", "id: ");
    let begins = head.last().unwrap().trim_start_matches("id: ");
    publisher.publish("redis:test", &json!("one")).await;
    lines_up_to(&mut page, "data: one");
    // Of whatever channel it was: who is here is told, and who comes back from before.
    publisher.lose_one_before("other", &json!(0)).await;
    publisher.publish("redis:test", &json!("two")).await;
    let told = lines_up_to(&mut page, "data: two");
    assert!(told.contains(&"event: gap".to_owned()), "{told:?}");
    let (again, _) = stream_up_to(&single, begins, "data: two");
    let at = |line: &str| again.iter().position(|other| other == line).unwrap_or(usize::MAX);
    assert!(at("data: one") < at("event: gap") && at("event: gap") < at("data: two"), "{again:?}");
    assert_eq!(again.iter().filter(|line| *line == "event: gap").count(), 1, "{again:?}");
    // Messages to everyone are none of its business.
    publisher.publish_to_everyone(&json!("all")).await;
    publisher.publish("redis:test", &json!("three")).await;
    let then = lines_up_to(&mut page, "data: three");
    assert!(!then.iter().any(|line| line.contains("all")), "{then:?}");
}
