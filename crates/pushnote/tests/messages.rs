//! Messages for channels, users and everyone in one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use pushnote::{AckError, Endpoint, Message, PublishError, Publisher, Push, Urgency};
use pushnote_zmtp::{Options, Subscriber};
use serde_json::json;
use tokio::time::timeout;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn any_port() -> Endpoint {
    "tcp://127.0.0.1:0".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_for_channels_users_and_everyone_in_one() {
    let mut subscriber = Subscriber::bind(&any_port(), Options::default()).await.unwrap();
    let endpoint = subscriber.local_endpoint().unwrap().to_string();
    let publisher = Publisher::builder().endpoint(&endpoint).unwrap().build().unwrap();
    publisher.notify_channel("news", "Hi").unwrap();
    publisher
        .publish(7)
        .channel("news")
        .channel("news")
        .users([42, 43])
        .user("42")
        .event("headline")
        .send()
        .unwrap();
    publisher.publish(json!({"a": 1})).everyone().send().unwrap();
    let push = Push::new("Hi").body("there").after(Duration::from_secs(3)).url("/a").icon("/i.png");
    let push = push.ttl(Duration::from_secs(60)).urgency(Urgency::High).topic("greeting").id("7");
    publisher.publish(2).user(42).push(push).send().unwrap();
    for expected in [
        r#"{"name":"publish","data":"Hi","channels":["news"],"#,
        r#"{"name":"publish","data":7,"channels":["news"],"users":["42","43"],"event":"headline","#,
        r#"{"name":"publish","data":{"a":1},"everyone":true,"#,
        r#"{"name":"publish","data":2,"users":["42"],"push":{"id":"7","after_s":3,"title":"Hi","body":"there","url":"/a","icon":"/i.png","ttl_s":60,"urgency":"high","topic":"greeting"},"#,
    ] {
        let message = timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap();
        assert!(message.topic().starts_with(expected.as_bytes()), "{message:?}");
    }
}

#[test]
fn what_is_wrong_with_a_message_is_told_when_it_is_sent() {
    // Nobody listens there.
    let builder = Publisher::builder().endpoint("ipc:///nowhere/mq").unwrap().linger(Duration::ZERO);
    let publisher = builder.message_bytes_max(10).build().unwrap();
    let said = |message: Message<'_, u8>| message.send().unwrap_err().to_string();
    assert_eq!(said(publisher.publish(1)), "message is for nobody; name a channel, a user, or everyone");
    assert_eq!(said(publisher.publish(1).users([0; 0])), said(publisher.publish(1)));
    assert_eq!(
        said(publisher.publish(1).channel("").user("").everyone()),
        "channel name is empty",
        "the first fault"
    );
    assert!(said(publisher.publish(1).channel("news.*")).starts_with("channel name ends in *"));
    assert_eq!(said(publisher.publish(1).user("").channel("a")), "user id is empty");
    assert!(said(publisher.publish(1).everyone().event("")).starts_with("event name has 0 bytes"));
    assert!(
        said(publisher.publish(1).users(0..10_001)).starts_with("message is for 10001 users and channels")
    );
    assert_eq!(
        said(publisher.publish(1).user(1).push(Push::new(""))),
        "push: \"title\" is not a text, or empty; it is what the notification says"
    );
    assert!(
        said(publisher.publish(1).user(1).channel("a").push(Push::new("Hi"))).contains("others than users")
    );
    assert!(matches!(publisher.publish("123456789").everyone().send(), Err(PublishError::TooLong { .. })));
    let unasked = publisher.publish(1).everyone().send_acked(PATIENCE).unwrap_err();
    assert!(matches!(unasked, AckError::NotConfigured));
    assert_eq!(publisher.stats().waiting, 0);
}
