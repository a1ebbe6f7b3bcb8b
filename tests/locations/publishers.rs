//! Who may publish.

use pushnote_tests::requests::{ask, rest};
use pushnote_tests::{Browser, Metrics, Process, PythonPublisher};
use serde_json::json;

use crate::site::{LOCATIONS, Relay};

const PRIVATE: &str = r#"
    [[server.locations]]
    type = "publisher"
    url = "/pub/([^/]+)"
    [[server.locations]]
    type = "subscriber"
    url = "/sub/([^/]+)"
    create_on_get = true
    "#;

/// Pages that are open on the application's machine, and proxies on it, have its address.
#[tokio::test]
async fn neither_pages_nor_proxies_publish_unasked() {
    let relay = Relay::with(PRIVATE, &[]);
    assert_eq!(relay.post("/pub/a", "x").await.status, 202);
    for header in
        [("Origin", "http://evil.example"), ("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1")]
    {
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let refused = relay.ask(method, "/pub/a", &[header], b"").await;
            assert_eq!(refused.status, 403, "{method} {header:?}");
            assert!(refused.text().contains("publish"), "{}", refused.text());
            assert_eq!(refused.header("access-control-allow-origin"), None);
        }
    }
    let preflight = relay.ask("OPTIONS", "/pub/a", &[("Origin", "http://evil.example")], b"").await;
    assert_eq!(preflight.header("access-control-allow-origin"), None);
    assert!(relay.get("/pub/a").await.text().starts_with("queued messages: 1\r\n"));
}

#[tokio::test]
async fn only_networks_that_are_named_publish() {
    let settings = PRIVATE.replacen("url", "allow_network = \"192.0.2.0/24\"\n    url", 1);
    let relay = Relay::with(&settings, &["--trusted-proxy=127.0.0.1"]);
    assert_eq!(relay.post("/pub/a", "x").await.status, 403);
    let from = |client| [("X-Forwarded-For", client)];
    assert_eq!(relay.ask("POST", "/pub/a", &from("192.0.2.7"), b"x").await.status, 202);
    assert_eq!(relay.ask("POST", "/pub/a", &from("192.0.2.7, 198.51.100.1"), b"x").await.status, 403);
}

/// A key of the API lets its holder publish from anywhere, on the channels that it is for.
#[tokio::test]
async fn who_has_a_key_publishes_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let made = Process::output("pushnote", &["keygen", "--api", "shop"], &[]);
    let made = String::from_utf8(made.stdout).unwrap();
    let line = made.lines().find_map(|line| line.split_once("file: ").map(|(_, line)| line)).unwrap();
    let key = made.split_whitespace().find(|word| word.starts_with("pn_")).unwrap();
    let file = folder.path().join("keys");
    std::fs::write(&file, format!("{line} relay/news.*\n")).unwrap();
    let keys = format!("--api-keys={}", file.display());
    let relay = Relay::with(PRIVATE, &["--trusted-proxy=127.0.0.1", "--api=127.0.0.1:0", &keys]);
    let bearer = format!("Bearer {key}");
    let from_afar = |key: &'static str| [("X-Forwarded-For", "192.0.2.1"), ("Authorization", key)];
    let shown = [("X-Forwarded-For", "192.0.2.1"), ("Authorization", bearer.as_str())];
    assert_eq!(relay.ask("POST", "/pub/news.a", &shown, b"x").await.status, 202);
    assert_eq!(relay.ask("POST", "/pub/other", &shown, b"x").await.status, 403);
    assert_eq!(relay.ask("POST", "/pub/news.a", &from_afar("Bearer pn_wrong"), b"x").await.status, 403);
    assert_eq!(relay.ask("POST", "/pub/news.a", &from_afar("Basic YTpi"), b"x").await.status, 403);
}

/// Settings that let everybody publish are no settings, and what is wrong is named with its line.
#[test]
fn settings_that_do_not_work_are_refused() {
    for (settings, said) in [
        (
            PRIVATE.replacen("url", "allow_network = [\"0.0.0.0/0\"]\n    url", 1),
            "line 5: locations: allow_network: that lets everybody",
        ),
        (
            PRIVATE.replacen("/pub/([^/]+)", "/pub/([^/]+", 1),
            "line 5: locations: url: it is no regular expression: unclosed",
        ),
        (PRIVATE.replacen("/sub/([^/]+)", "/(.+)", 1), "takes /health"),
        (
            format!(
                "{PRIVATE}\n[[server.locations]]\ntype = 'subscriber'\nprefix = '/x/'\nmax_messages = 1\n{}",
                PRIVATE.replacen("url", "max_messages = 2\n    url", 1).replace("\"/", "\"/other/")
            ),
            "max_messages: two locations of the store",
        ),
        (format!("{PRIVATE}\n{PRIVATE}"), "two locations are for the same paths, /pub/([^/]+): the first"),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("[server]\n{settings}")).unwrap();
        let config = format!("--config={}", file.path().display());
        let secret = [("PUSHNOTE_SECRET", pushnote_tests::SECRET)];
        let arguments = [config.as_str(), "-S", "-s", "tcp://127.0.0.1:0", "--port=0"];
        let output = Process::output("pushnote-server", &arguments, &secret);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said), "{said}: {text}");
    }
}

/// A message has one way in and all ways out: what an application publishes over ZeroMQ on the channel subscribers get, and
/// what publishers send pages over SockJS get.
#[tokio::test]
async fn a_channel_is_one_of_the_hub() {
    let public = r#"--channels={ prefix = "relay/", public = true }"#;
    let relay = Relay::with(LOCATIONS, &[public]);
    let mut page = Browser::open(&relay.single.server.websocket_url()).await;
    page.say(r#"{"name":"hello","data":{"id":1,"version":1}}"#).await;
    page.say(r#"{"name":"subscribe","data":{"id":2,"channel":"relay/a"}}"#).await;
    while page.next().await["type"] != "subscribed" {}
    let held = relay.hold("/sub/a", &[], 1).await;
    let mut publisher = PythonPublisher::connect(&relay.single.endpoint);
    let envelope = json!({"name": "publish", "channels": ["relay/a"], "data": {"by": "zeromq"}});
    publisher.publish(&envelope);
    let message = rest(held).await;
    assert_eq!(
        (message.header("content-type"), message.text()),
        (Some("application/json"), r#"{"by":"zeromq"}"#)
    );
    let body = br#"{"by":"http"}"#;
    let posted = ask(relay.address(), "POST", "/pub/a", &[("Content-Type", "application/json")], body).await;
    assert_eq!(posted.status, 202);
    for by in ["zeromq", "http"] {
        while !page.next().await.to_string().contains(&format!(r#""by":"{by}""#)) {}
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let relay = Relay::with(LOCATIONS, &["--metrics=127.0.0.1:0"]);
    let metrics = Metrics::of(&relay.single.server.process);
    let held = relay.hold("/sub/a", &[], 1).await;
    metrics.until("pushnote_server_relay_held_requests", |held| held == 1.0);
    relay.post("/pub/a", "x").await;
    rest(held).await;
    relay.ask("POST", "/pub/a", &[("X-Real-IP", "192.0.2.1")], b"").await;
    metrics.until("pushnote_server_relay_refused_publishers_total", |refused| refused == 1.0);
    metrics.until("pushnote_server_relay_published_messages_total", |published| published == 1.0);
    metrics.until("pushnote_server_relay_delivered_messages_total", |delivered| delivered == 1.0);
    metrics.until("pushnote_server_relay_channels", |channels| channels == 1.0);
    metrics.until("pushnote_server_relay_held_requests", |held| held == 0.0);
}
