//! From an application's one line to every browser concerned, over each way there is.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use pushnote_tests::{
    Browser, Forwarder, Launch, PATIENCE, Process, PythonPublisher, SECRET, Server, Single, token,
};
use serde_json::{Value, json};

fn everyone(data: &Value) -> Value {
    json!({"name": "notify_all", "data": data})
}

fn users(ids: &[&str], data: &Value) -> Value {
    json!({"name": "notify", "data": data, "users": ids})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rust_application_reaches_the_browsers_of_two_servers() {
    let forwarder = Forwarder::start();
    let servers = [Server::start(&forwarder.publ), Server::start(&forwarder.publ)];
    let mut browsers = Vec::new();
    for server in &servers {
        browsers.push(Browser::open(&server.websocket_url()).await);
    }
    let publisher = pushnote::Publisher::builder().endpoint(&forwarder.sub).unwrap().build().unwrap();

    // Servers subscribe in their own time; a message that arrives everywhere shows that both have.
    reach_all(&publisher, &mut browsers).await;
    publisher.notify_all(json!({"msg": "Hi all!"})).unwrap();
    for browser in &mut browsers {
        assert_eq!(browser.next().await, json!({"msg": "Hi all!"}));
    }
}

/// Publishes numbered messages until each browser has had one, then reads each up to the last.
async fn reach_all(publisher: &pushnote::Publisher, browsers: &mut [Browser]) {
    let mut last = 0;
    for browser in browsers.iter_mut() {
        loop {
            last += 1;
            publisher.notify_all(json!({ "try": last })).unwrap();
            if browser.next_within(Duration::from_millis(200)).await.is_some() {
                break;
            }
        }
    }
    last += 1;
    publisher.notify_all(json!({ "try": last })).unwrap();
    for browser in browsers {
        while browser.next().await != json!({ "try": last }) {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_a_user_reaches_that_users_pages_alone() {
    let single = Single::start();
    let url = single.server.websocket_url();
    let mut first_page = Browser::open(&url).await;
    let mut second_page = Browser::open(&url).await;
    let mut another_user = Browser::open(&url).await;
    let mut nobody = Browser::open(&url).await;
    first_page.subscribe(&token("42")).await;
    // The token alone, not in an object, will do.
    second_page.say(&json!({"name": "subscribe", "data": token("42")}).to_string()).await;
    another_user.subscribe(&token("43")).await;

    let mut publisher = PythonPublisher::connect(&single.endpoint);
    settle(
        &mut publisher,
        &mut [(&mut first_page, "42"), (&mut second_page, "42"), (&mut another_user, "43")],
    )
    .await;
    publisher.publish(&users(&["42"], &json!({"msg": "Hi"})));
    publisher
        .publish(&json!({"name": "notify", "data": {"msg": "Hi by token"}, "recipients": [token("42")]}));
    publisher.publish(&users(&["42", "43"], &json!({"msg": "both"})));
    publisher.publish(&everyone(&json!({"msg": "last"})));

    for page in [&mut first_page, &mut second_page] {
        assert_eq!(page.next().await, json!({"msg": "Hi"}));
        assert_eq!(page.next().await, json!({"msg": "Hi by token"}));
        assert_eq!(page.next().await, json!({"msg": "both"}));
        assert_eq!(page.next().await, json!({"msg": "last"}));
    }
    assert_eq!(another_user.next().await, json!({"msg": "both"}));
    assert_eq!(another_user.next().await, json!({"msg": "last"}));
    assert_eq!(nobody.next().await, json!({"msg": "last"}));
}

/// Publishes to each page's user until the page has had a message, which shows that its subscription is there.
async fn settle(publisher: &mut PythonPublisher, pages: &mut [(&mut Browser, &str)]) {
    for (page, user) in pages.iter_mut() {
        loop {
            publisher.publish(&users(&[user], &json!("settle")));
            if page.next_within(Duration::from_millis(200)).await.is_some() {
                break;
            }
        }
    }
    let everybody: Vec<_> = pages.iter().map(|(_, user)| *user).collect();
    publisher.publish(&users(&everybody, &json!("settled")));
    for (page, _) in pages {
        while page.next().await != json!("settled") {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pyzmq_reaches_browsers_through_the_forwarder_and_directly() {
    let forwarder = Forwarder::start();
    let behind = Server::start(&forwarder.publ);
    let single = Single::start();
    for (endpoint, server) in [(&forwarder.sub, &behind), (&single.endpoint, &single.server)] {
        let mut publisher = PythonPublisher::connect(endpoint);
        let mut browser = Browser::open(&server.websocket_url()).await;
        let sent = json!({"msg": "Grüße ✓ \u{1F600}", "n": [1, 2.5, null, true], "deep": {"a": {"b": []}}});
        let arrived = loop {
            publisher.publish(&everyone(&sent));
            if let Some(arrived) = browser.next_within(Duration::from_millis(300)).await {
                break arrived.expect("an open connection");
            }
        };
        assert_eq!(arrived, sent);
    }
}

/// Runs `pushnote publish` until the browser has something, as its subscription may still be on its way.
async fn publish_until_arrival(browser: &mut Browser, arguments: &[&str]) -> Value {
    loop {
        let published = Process::output("pushnote", &[&["publish"], arguments].concat(), &[]);
        assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
        if let Some(arrived) = browser.next_within(Duration::from_millis(300)).await {
            return arrived.expect("an open connection");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_publishes() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    browser.subscribe(&token("42")).await;
    let to = ["-s", &single.endpoint];
    let arrived = publish_until_arrival(&mut browser, &[&to, &[r#"{"msg":"Hi all!"}"#][..]].concat()).await;
    assert_eq!(arrived, json!({"msg": "Hi all!"}));
    let arrived =
        publish_until_arrival(&mut browser, &[&to, &["--user", "42", r#""you""#][..]].concat()).await;
    assert_eq!(arrived, json!("you"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_serves_a_page_whose_token_and_line_work() {
    let mut dev =
        Launch::of("pushnote").arguments(["dev", "--port=0", "--mq_socket=tcp://127.0.0.1:0"]).start();
    let address = dev.line_after("listening on http://").trim_end_matches('/').to_owned();
    let page = http_get(&address, "/").await;
    assert!(page.to_ascii_lowercase().contains("<!doctype html>"), "{page}");
    // The client's names are those of its package: what is a module there is one here.
    for name in ["pushnote.mjs", "pushnote.js", "push.mjs", "push.js"] {
        let file = format!("{}/../client-js/dist/{name}", env!("CARGO_MANIFEST_DIR"));
        let served = http_get(&address, &format!("/{name}")).await;
        assert!(served.ends_with(&std::fs::read_to_string(file).unwrap()), "{name}");
    }
    let parameters: Value =
        serde_json::from_str(http_get(&address, "/dev.json").await.split("\r\n\r\n").nth(1).unwrap())
            .unwrap();

    let route = parameters["route"].as_str().unwrap();
    let mut browser = Browser::open(&format!("ws://{address}{route}/websocket")).await;
    browser.subscribe(parameters["token"].as_str().unwrap()).await;
    let endpoint = parameters["endpoint"].as_str().unwrap();
    let arrived = publish_until_arrival(&mut browser, &["-u", "42", "-s", endpoint, "1"]).await;
    assert_eq!(arrived, json!(1));
    dev.terminate();
    assert!(dev.ended().success());
}

async fn http_get(address: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[test]
fn tokens_of_the_tool_are_those_of_the_crate() {
    // Both sign with the first line of what they are given; a rotated-out secret stands on the second.
    let rotated = format!("another-secret-0123456789abcdef0123456789\n{SECRET}");
    let made = Process::output("pushnote", &["token", "42"], &[("PUSHNOTE_SECRET", &rotated)]);
    assert!(made.status.success());
    assert_ne!(String::from_utf8(made.stdout).unwrap().trim(), token("42"));
}
