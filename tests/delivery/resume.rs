//! Who comes back goes on where it was: the client protocol over a raw WebSocket.

use std::time::Duration;

use pushnote_tests::{Browser, Forwarder, Page, Server, Single, Transport, token};
use serde_json::json;

use crate::publisher;

fn has_all_up_to(page: &Page, number: u64) {
    assert!(page.had().eq(0..=number), "{:?}", page.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_meanwhile_comes_once_and_in_order() {
    let single = Single::start();
    let publisher = publisher(&single.endpoint);
    let url = single.server.websocket_url();
    let mut page = Page::open(&url).await;
    for number in 0..1000 {
        publisher.notify_all(number).unwrap();
        if number % 100 == 50 {
            page.until(number - 30).await;
            assert!(page.comes_back(&url).await);
        }
    }
    page.until(999).await;
    has_all_up_to(&page, 999);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_at_another_server_and_after_a_restart() {
    let forwarder = Forwarder::start();
    let publisher = publisher(&forwarder.sub);
    let mut servers =
        [Server::start(&forwarder.publ).subscribed(), Server::start(&forwarder.publ).subscribed()];
    let mut page = Page::open(&servers[0].websocket_url()).await;
    for round in 0..6_u64 {
        for number in round * 100..(round + 1) * 100 {
            publisher.notify_all(number).unwrap();
        }
        page.until(round * 100 + 50).await;
        let here = usize::try_from(round % 2).unwrap();
        servers[here].crash_and_restart();
        assert!(page.comes_back(&servers[1 - here].websocket_url()).await, "round {round}");
    }
    page.until(599).await;
    has_all_up_to(&page, 599);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hears_nothing_for_long_has_missed_nothing_at_another_server() {
    let forwarder = Forwarder::start();
    let publisher = publisher(&forwarder.sub);
    let mq_socket = format!("--mq_socket={}", forwarder.publ);
    let start = || Server::with(&[&mq_socket, "--log-messages-max=100"]).subscribed();
    let servers = [start(), start()];
    let mut page = Page::open(&servers[0].websocket_url()).await;
    let mut poll = Page::open_over(Transport::XhrPolling, &servers[0].address).await;
    for number in 0..1000 {
        publisher.notify_channel("another", number).unwrap();
    }
    let before = page.cursor.clone();
    let both = tokio::join!(page.next(), poll.next());
    for (quiet, told) in [(&mut page, both.0), (&mut poll, both.1)] {
        assert_eq!((&told["type"], &told["messages"]), (&json!("messages"), &json!([])));
        assert_ne!(quiet.cursor, before);
        assert!(quiet.comes_back(&servers[1].websocket_url()).await);
        quiet.cursor.clone_from(&before);
        assert!(!quiet.comes_back(&servers[1].websocket_url()).await, "further back than its log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_forwarders_nothing_is_repeated() {
    let forwarders = [Forwarder::start(), Forwarder::start()];
    let builder = pushnote::Publisher::builder().endpoint(&forwarders[0].sub).unwrap();
    let publisher = builder.endpoint(&forwarders[1].sub).unwrap().build().unwrap();
    let mq_socket = format!("{},{}", forwarders[0].publ, forwarders[1].publ);
    let start = || Server::start(&mq_socket).subscribed();
    let mut servers = [start(), start()];
    let mut page = Page::open(&servers[0].websocket_url()).await;
    for round in 0..6_u64 {
        for number in round * 100..(round + 1) * 100 {
            publisher.notify_all(number).unwrap();
        }
        page.until(round * 100 + 50).await;
        let here = usize::try_from(round % 2).unwrap();
        if round == 3 {
            servers[1 - here] = start();
        }
        assert!(page.comes_back(&servers[1 - here].websocket_url()).await, "round {round}");
    }
    page.until(599).await;
    has_all_up_to(&page, 599);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_is_forged_cut_or_foreign_is_a_gap() {
    let single = Single::start();
    let publisher = publisher(&single.endpoint);
    let url = single.server.websocket_url();
    let mut page = Page::open(&url).await;
    publisher.notify_all(0).unwrap();
    page.until(0).await;
    let cursor = page.cursor.clone();
    let far = format!("{cursor}ffffff");
    for forged in ["", "x", "1~1.1", "1~0.0", &cursor[..cursor.len() / 2], &far, &"9".repeat(100_000)] {
        page.cursor = forged.to_owned();
        assert!(!page.comes_back(&url).await, "{forged}");
    }
    publisher.notify_all(1).unwrap();
    page.until(1).await;
    page.cursor = cursor;
    assert!(page.comes_back(&url).await);
    page.until(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slower_than_the_log_is_long_is_told_so() {
    let single = Single::with(&["--log-bytes-max=200000"]);
    let publisher = publisher(&single.endpoint);
    let url = single.server.websocket_url();
    let mut page = Page::open(&url).await;
    publisher.notify_all(0).unwrap();
    page.until(0).await;
    for number in 1..5000 {
        crate::publish_all(&publisher, &json!(number)).await;
    }
    let mut witness = Page::open(&url).await;
    witness.until(4999).await;
    assert!(!page.comes_back(&url).await, "far too much for the log");
    page.until(4999).await;
    assert!(page.had().count() > 100 && page.had().is_sorted());
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_channels_are_told_apart_and_every_request_is_answered() {
    let single = Single::start();
    let publisher = publisher(&single.endpoint);
    let mut page = Page::open(&single.server.websocket_url()).await;
    let (good, bad) = (token("42"), "42:wrong");
    for (request, answer) in [
        (
            json!({"name": "subscribe", "data": {"id": 2, "token": good}}),
            json!({"type": "subscribed", "id": 2, "user": "42", "complete": true}),
        ),
        (
            json!({"name": "subscribe", "data": {"id": 3, "token": bad}}),
            json!({"type": "error", "id": 3, "code": "token_invalid"}),
        ),
        (
            json!({"name": "subscribe", "data": {"id": 4, "channel": "news"}}),
            json!({"type": "error", "id": 4, "code": "token_missing"}),
        ),
        (
            json!({"name": "subscribe", "data": {"id": 5, "channel": "news", "token": good}}),
            json!({"type": "error", "id": 5, "code": "not_allowed"}),
        ),
        (
            json!({"name": "unsubscribe", "data": {"id": 6, "channel": "news"}}),
            json!({"type": "error", "id": 6, "code": "not_subscribed"}),
        ),
        (
            json!({"name": "hello", "data": {"id": 7, "version": 1}}),
            json!({"type": "error", "id": 7, "code": "bad_request"}),
        ),
        (json!("nonsense"), json!({"type": "error", "code": "bad_request"})),
    ] {
        page.say(&request.to_string()).await;
        let answered = page.next().await;
        for (key, value) in answer.as_object().unwrap() {
            assert_eq!(&answered[key], value, "{request}: {answered}");
        }
    }
    publisher.notify(json!({"hi": 1}), ["42"]).unwrap();
    let messages = page.next().await;
    assert_eq!(messages["messages"], json!([{"user": true, "data": {"hi": 1}}]));
    // The old form is what others get.
    let mut old = Browser::open(&single.server.websocket_url()).await;
    old.subscribe(&good).await;
    while old.next_within(Duration::from_millis(50)).await.is_none() {
        publisher.notify("x", ["42"]).unwrap();
    }
}
