//! Publishers that number their messages, and what their numbers cannot do: make somebody mute, or late.

use std::time::{Duration, Instant};

use pushnote_tests::{Browser, LossyPublisher, Metrics, PATIENCE, Single};
use pushnote_zmtp::{Options, Publisher};
use serde_json::json;

/// An application that numbers its messages as README says.
async fn application(single: &Single) -> Publisher {
    let socket = Publisher::connect(single.endpoint.parse().unwrap(), Options::default());
    tokio::time::timeout(PATIENCE, socket.subscribed()).await.expect("the server does not subscribe");
    socket
}

async fn send(socket: &Publisher, publication: &str, data: &str) {
    let envelope = json!({"name": "notify_all", "data": data, "publication": publication});
    socket.send(envelope.to_string()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_that_is_restarted_is_heard() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    for run in ["first", "second", "third"] {
        let socket = application(&single).await;
        for number in 1..=100 {
            send(&socket, &format!("app/{number}"), &format!("{run} {number}")).await;
        }
        for number in 1..=100 {
            assert_eq!(browser.next().await, json!(format!("{run} {number}")));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_made_mute_by_a_number_of_others() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let [victim, stranger] = [application(&single).await, application(&single).await];
    send(&victim, "victim/1", "before").await;
    assert_eq!(browser.next().await, json!("before"));
    send(&stranger, "victim/9223372036854775807", "far").await;
    assert_eq!(browser.next().await, json!("far"));
    send(&stranger, "victim/50", "near").await;
    assert_eq!(browser.next().await, json!("near"));
    for number in 2..=100 {
        send(&victim, &format!("victim/{number}"), &number.to_string()).await;
        assert_eq!(browser.next().await, json!(number.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_holes_hold_up_a_message_no_longer_than_one() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let socket = application(&single).await;
    let began = Instant::now();
    for number in 0..=20 {
        send(&socket, &format!("app/{}", 10 * number), &number.to_string()).await;
    }
    for number in 0..=20 {
        assert_eq!(browser.next().await, json!(number.to_string()));
    }
    // With patience for each hole it was ten seconds.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

/// Who reads bare values cannot be told of what did not come: whoever runs the server is.
#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_come_is_counted_and_logged() {
    let single = Single::with(&["--metrics=127.0.0.1:0"]);
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let mut publisher = LossyPublisher::connect(&single.endpoint);
    publisher.publish_to_everyone(&json!(1)).await;
    assert_eq!(browser.next().await, json!(1));
    publisher.lose_one_before("nobody's", &json!(0)).await;
    publisher.publish_to_everyone(&json!(2)).await;
    assert_eq!(browser.next().await, json!(2), "and the connection stays");
    let metrics = Metrics::of(&single.server.process);
    tokio::task::block_in_place(|| {
        metrics.until("pushnote_server_missed_messages_total", |count| count == 1.0)
    });
    single.server.process.logged("messages missed");
}
