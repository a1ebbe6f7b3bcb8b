//! The application hears who subscribes and unsubscribes.

use pushnote_tests::requests::{begin, rest};
use pushnote_tests::{Metrics, sum};

use crate::application::{Application, Request};
use crate::site::{Relay, named};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn settings(application: &Application) -> String {
    format!(
        r#"
        [[server.locations]]
        type = "publisher"
        url = "/pub/([^/]+)"
        [[server.locations]]
        type = "subscriber"
        url = "/sub/([^/]+)"
        create_on_get = true
        passthrough = "http://{}/passthrough"
        "#,
        application.address
    )
}

async fn told(application: &mut Application, body: &str) -> Request {
    let request = application.next().await;
    assert_eq!(request.body, body);
    request
}

#[tokio::test]
async fn the_application_is_told_with_the_clients_own_headers() {
    let mut application = Application::start().await;
    let relay = Relay::with(&settings(&application), &[]);
    let own = [("Cookie", "sessionid=1"), ("X-Own", "2"), ("Accept-Language", "cs")];
    let held = begin(relay.address(), "GET", "/sub/a%20b", &own, b"").await;
    let request = told(&mut application, "channel_id=a+b&subscribe=1").await;
    assert!(request.head.starts_with("POST /passthrough HTTP/1.1\n"), "{}", request.head);
    let host = format!("host: {}", relay.address());
    for line in [
        "cookie: sessionid=1",
        "x-own: 2",
        "accept-language: cs",
        "content-type: application/x-www-form-urlencoded",
        host.as_str(),
    ] {
        assert!(request.has(line), "no {line} in {}", request.head);
    }
    assert!(!request.has("connection: close"), "that is about the client's connection: {}", request.head);
    request.answer(OK).await;
    relay.post("/pub/a%20b", "x").await;
    let message = rest(held).await;
    told(&mut application, "channel_id=a+b&unsubscribe=1").await.answer(OK).await;

    // Who is given a message at once has not subscribed.
    assert_eq!(relay.get("/sub/a%20b").await.text(), "x");
    // Who goes away does unsubscribe.
    let gone = begin(relay.address(), "GET", "/sub/a%20b", &named(&message), b"").await;
    told(&mut application, "channel_id=a+b&subscribe=1").await.answer(OK).await;
    drop(gone);
    told(&mut application, "channel_id=a+b&unsubscribe=1").await.answer(OK).await;
}

/// It is never in the way of messages, and what it is not told is counted.
#[tokio::test]
async fn an_application_that_stands_still_holds_up_nothing() {
    let mut application = Application::start().await;
    let relay = Relay::with(&settings(&application), &["--metrics=127.0.0.1:0"]);
    let metrics = Metrics::of(&relay.single.server.process);
    let held = relay.hold("/sub/a", &[], 1).await;
    let unanswered = told(&mut application, "channel_id=a&subscribe=1").await;
    relay.post("/pub/a", "0").await;
    let mut message = rest(held).await;
    let mut rounds = 0;
    while sum(&metrics.page(), "pushnote_server_relay_passthrough_dropped_total") == 0.0 {
        for _ in 0..50 {
            rounds += 1;
            let held = relay.hold("/sub/a", &named(&message), 1).await;
            relay.post("/pub/a", &rounds.to_string()).await;
            message = rest(held).await;
            assert_eq!(message.text(), rounds.to_string());
        }
        assert!(rounds < 2000, "nothing is dropped");
    }
    drop(unanswered);
    metrics.until("pushnote_server_relay_passthrough_failed_total", |failed| failed > 0.0);
}
