//! The client protocol (docs/protocol.md), said to the real server from hello to the last answer.

use pushnote_tests::{Browser, Page, Single, token};
use serde_json::{Value, json};

use crate::publisher;

/// Asks, and compares what the answer has in common with the one expected. What else it says is returned.
async fn asks(page: &mut Page, request: Value, expected: Value) -> Value {
    page.say(&request.to_string()).await;
    let answer = page.next().await;
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&answer[key], value, "{request}: {answer}");
    }
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_from_its_subscription_to_its_end() {
    let single = Single::with(&[r#"--channels={prefix = "public.", public = true}"#]);
    let publisher = publisher(&single.endpoint);
    let mut page = Page::open(&single.server.address).await;
    let channel = "public.weather";
    let subscribe = json!({"name": "subscribe", "data": {"id": 2, "channel": channel}});
    let subscribed = json!({"type": "subscribed", "id": 2, "channel": channel, "complete": true});
    let place = asks(&mut page, subscribe, subscribed).await["cursor"].clone();

    for number in 0..3 {
        publisher.publish(number).channel(channel).event("rain").send().unwrap();
        let messages = page.next().await["messages"].clone();
        assert_eq!(messages, json!([{"channel": channel, "event": "rain", "data": number}]));
    }
    let message = |number| json!({"channel": channel, "event": "rain", "data": number});
    let history = json!({"name": "history", "data": {"id": 3, "channel": channel, "last": 2}});
    let last = json!({"type": "history", "id": 3, "complete": true, "messages": [message(1), message(2)]});
    asks(&mut page, history.clone(), last).await;

    let unsubscribe = json!({"name": "unsubscribe", "data": {"id": 4, "channel": channel}});
    asks(&mut page, unsubscribe, json!({"type": "unsubscribed", "id": 4, "channel": channel})).await;
    asks(&mut page, history, json!({"type": "error", "id": 3, "code": "not_subscribed"})).await;
    publisher.notify_channel(channel, 3).unwrap();
    publisher.notify_all(4).unwrap();
    assert_eq!(page.next().await["messages"], json!([{"data": 4}]));

    // Since that place there was one more.
    let since = json!({"name": "subscribe", "data": {"id": 5, "channel": channel, "since": place}});
    let missed = json!([message(0), message(1), message(2), {"channel": channel, "data": 3}]);
    asks(&mut page, since, json!({"type": "subscribed", "id": 5, "complete": true, "messages": missed}))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_before_hello_is_told_so() {
    let single = Single::with(&[r#"--channels={prefix = "public.", public = true}"#]);
    let mut page = Browser::open(&single.server.websocket_url()).await;
    for (name, id) in [("subscribe", 2), ("history", 3)] {
        page.say(&json!({"name": name, "data": {"id": id, "channel": "public.weather"}}).to_string()).await;
        let answer = page.next().await;
        assert_eq!(
            (&answer["type"], &answer["id"], &answer["code"]),
            (&json!("error"), &json!(id), &json!("bad_request"))
        );
        assert!(answer["text"].as_str().unwrap().contains("hello comes first"), "{answer}");
    }
    // It goes on as it was.
    publisher(&single.endpoint).notify_all("all").unwrap();
    assert_eq!(page.next().await, json!("all"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_publication_is_for_is_said_and_it_comes_once() {
    let single = Single::with(&[r#"--channels={prefix = "", public = true}"#]);
    let publisher = publisher(&single.endpoint);
    let mut page = Page::open(&single.server.address).await;
    for (id, data) in [
        (2, json!({"id": 2, "channel": "news"})),
        (3, json!({"id": 3, "channel": "sport"})),
        (4, json!({"id": 4, "token": token("42")})),
    ] {
        let subscribe = json!({"name": "subscribe", "data": data});
        asks(&mut page, subscribe, json!({"type": "subscribed", "id": id, "complete": true})).await;
    }
    publisher.publish("all").channel("news").channel("sport").user("42").everyone().send().unwrap();
    let messages = page.next().await["messages"].clone();
    assert_eq!(messages, json!([{"channels": ["news", "sport"], "user": true, "data": "all"}]));
    publisher.notify_all("then").unwrap();
    assert_eq!(page.next().await["messages"], json!([{"data": "then"}]));
}
