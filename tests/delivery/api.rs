//! The API for applications (docs/api.md), asked over HTTP; browsers hear of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use pushnote_tests::{
    Answer, Browser, Forwarder, Launch, PATIENCE, Page, Process, SECRET, Server, Single, ask, token,
};
use serde_json::{Value, json};

/// Keys with all rights, and for some channels.
pub(crate) const ALL: &str = "pn_all";
const BLOG: &str = "pn_blog";

/// What `--api-keys` names, with the hashes of these keys.
const KEYS: &str = "
all   publish,read,manage  200d9f4ec3e7d0d8adcf2bad18bdad2c37a342d7b9709edd610a09a22cc7cd2a
blog  publish              d901c11227925e159789a5c58192ea957dc9f2993e5569cee66ad8564034f66b  blog,blog.*
";

/// An API, and who asks it.
pub(crate) struct Api {
    pub(crate) address: String,
    _keys: tempfile::NamedTempFile,
}

/// The flags of a server with an API, and the file that they name.
fn flags() -> (Vec<String>, tempfile::NamedTempFile) {
    let mut keys = tempfile::NamedTempFile::new().unwrap();
    keys.write_all(KEYS.as_bytes()).unwrap();
    (vec!["--api=127.0.0.1:0".to_owned(), format!("--api-keys={}", keys.path().display())], keys)
}

impl Api {
    fn of(process: &Process, keys: tempfile::NamedTempFile) -> Self {
        let line = process.line_after("api listening on http://");
        Self { address: line.split('/').next().unwrap().to_owned(), _keys: keys }
    }

    pub(crate) fn single(arguments: &[&str]) -> (Single, Self) {
        let (flags, keys) = flags();
        let arguments: Vec<_> = flags.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let single = Single::with(&arguments);
        let api = Self::of(&single.server.process, keys);
        (single, api)
    }

    pub(crate) fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> Answer {
        ask(&self.address, method, path, &[&format!("authorization: Bearer {key}")], body)
    }

    fn publish(&self, key: &str, body: &Value) -> Answer {
        self.ask("POST", "/v1/publish", key, &body.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_by_http_reaches_whom_it_is_for() {
    let (single, api) = Api::single(&[r#"--channels={prefix = "", public = true, presence = true}"#]);
    let mut plain = Browser::open(&single.server.websocket_url()).await;
    plain.subscribe(&token("42")).await;
    let mut page = Page::open(&single.server.address).await;
    page.say(r#"{"name":"subscribe","data":{"id":2,"channel":"news"}}"#).await;
    assert_eq!(page.next().await["type"], "subscribed");

    let answer = api.publish(ALL, &json!({"everyone": true, "data": {"msg": "Hi all!"}}));
    let receipt = answer.json();
    assert_eq!((answer.status, &receipt["connections"], &receipt["offset"]), (202, &json!(2), &json!(0)));
    assert_eq!(plain.next().await, json!({"msg": "Hi all!"}));
    let told = page.next().await;
    assert_eq!(
        (&told["messages"][0]["data"], &told["cursor"]),
        (&json!({"msg": "Hi all!"}), &receipt["cursor"])
    );

    let list = json!([
        {"users": [42], "data": "yours"},
        {"channels": ["news"], "users": ["42"], "event": "rain", "data": "both", "id": "1"},
        {"channels": ["news"], "data": "plain text", "media_type": "text/plain"},
    ]);
    let answer = api.publish(ALL, &list);
    assert_eq!(
        (answer.status, answer.json()[1]["id"].as_str(), answer.json()[1]["connections"].as_u64()),
        (202, Some("1"), Some(2))
    );
    for expected in ["yours", "both"] {
        assert_eq!(plain.next().await, expected);
    }
    let mut messages = Vec::new();
    while messages.len() < 2 {
        messages.extend(page.next().await["messages"].as_array().unwrap().clone());
    }
    let expected = json!([
        {"channel": "news", "event": "rain", "data": "both", "user": true},
        {"channel": "news", "data": "plain text", "media_type": "text/plain"},
    ]);
    assert_eq!(json!(messages), expected);

    let seen = api.ask("GET", "/v1/channels/news?last=1", ALL, "").json();
    assert_eq!((&seen["connections"], &seen["presence"]["anonymous"]), (&json!(1), &json!(1)), "{seen}");
    assert_eq!(seen["messages"], json!([expected[1]]));
    let seen = api.ask("GET", "/v1/users/42", ALL, "").json();
    assert_eq!(seen, json!({"user": "42", "connections": 1}));
}

#[test]
fn what_is_being_published_when_the_server_stops_is_answered() {
    let (mut single, api) = Api::single(&[]);
    let mut stream = TcpStream::connect(&api.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = json!({"everyone": true, "data": 1}).to_string();
    let head = format!("host: a\r\nauthorization: Bearer {ALL}\r\ncontent-length: {}\r\n", body.len());
    let asked = format!("POST /v1/publish HTTP/1.1\r\n{head}expect: 100-continue\r\n\r\n");
    stream.write_all(asked.as_bytes()).unwrap();
    let mut began = [0; 25];
    stream.read_exact(&mut began).unwrap();
    assert_eq!(&began, b"HTTP/1.1 100 Continue\r\n\r\n");
    single.server.process.terminate();
    while TcpStream::connect(&single.server.address).is_ok() {}
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert!(single.server.process.ended().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_published_once() {
    let (single, api) = Api::single(&[]);
    let mut page = Browser::open(&single.server.websocket_url()).await;
    let message = json!({"everyone": true, "data": 1, "id": "order-7"});
    let first = api.publish(ALL, &message);
    let again = api.publish(ALL, &message);
    assert_eq!((first.status, again.status, first.json()), (202, 202, again.json()));
    let other = api.publish(ALL, &json!({"everyone": true, "data": 2, "id": "order-7"}));
    assert_eq!((other.status, other.json()["type"].as_str()), (409, Some("urn:pushnote:problem:id_in_use")));
    assert!(other.json()["detail"].as_str().unwrap().starts_with("id: "), "{other:?}");
    // Of a list with such an id, or with one that is too long, none is published, and the others' ids are free again.
    let mine = json!({"everyone": true, "data": 4, "id": "order-8"});
    for (fault, status) in [
        (json!({"everyone": true, "data": 2, "id": "order-7"}), 409),
        (json!({"everyone": true, "data": "x".repeat(65536)}), 413),
    ] {
        let answer = api.publish(ALL, &json!([mine, fault, mine]));
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(
            answer.json()["detail"].as_str().unwrap().starts_with("message 1 of the list: "),
            "{answer:?}"
        );
    }
    api.publish(ALL, &json!({"everyone": true, "data": 3}));
    assert_eq!((page.next().await, page.next().await), (json!(1), json!(3)));
    assert_eq!(api.publish(ALL, &mine).status, 202);
    assert_eq!(page.next().await, json!(4));
}

/// Plain requests that publish are read without hyper, and others follow them on the same connection.
#[tokio::test(flavor = "multi_thread")]
async fn requests_follow_each_other_however_they_come() {
    let (single, api) = Api::single(&[]);
    let mut page = Browser::open(&single.server.websocket_url()).await;
    let publish = |data: u32, headers: &str| {
        let body = json!({"everyone": true, "data": data}).to_string();
        let length = body.len();
        format!(
            "POST /v1/publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ALL}\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let mut stream = TcpStream::connect(&api.address).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in publish(1, "").as_bytes().chunks(40) {
        stream.write_all(piece).unwrap();
    }
    let refused = "POST /v1/publish HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
    let other = format!("GET /v1/users/42 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ALL}\r\n\r\n");
    let last = publish(4, "Connection: close\r\n");
    let all = [&publish(2, ""), refused, &other, &publish(3, ""), &last].map(str::as_bytes).concat();
    stream.write_all(&all).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["202", "202", "401", "200", "202", "202"], "{answers}");
    assert_eq!(answers.to_ascii_lowercase().matches("\r\ndate: ").count(), 6, "{answers}");
    for data in 1..=4 {
        assert_eq!(page.next().await, json!(data));
    }
}

/// What has come whole is published, though its client did not wait for the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_has_published() {
    let (single, api) = Api::single(&[]);
    let mut page = Browser::open(&single.server.websocket_url()).await;
    let body = r#"{"everyone": true, "data": 1}"#;
    let mut stream = TcpStream::connect(&api.address).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST /v1/publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ALL}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    drop(stream);
    assert_eq!(page.next().await, json!(1));
}

#[test]
fn who_may_not_is_told_why() {
    let (_single, api) = Api::single(&[]);
    let message = json!({"channels": ["blog.a"], "data": 1});
    assert_eq!(api.publish(BLOG, &message).status, 202);
    for (answer, status, kind) in [
        (ask(&api.address, "POST", "/v1/publish", &[], "{}"), 401, "key_missing"),
        (api.publish("pn_other", &message), 401, "key_unknown"),
        (api.publish(BLOG, &json!({"channels": ["blog", "news"], "data": 1})), 403, "other_channels"),
        (api.publish(BLOG, &json!({"everyone": true, "data": 1})), 403, "other_channels"),
        (api.ask("GET", "/v1/channels/blog", BLOG, ""), 403, "right_missing"),
        (api.ask("GET", "/v1/publish", ALL, ""), 405, "method_not_allowed"),
        (api.ask("GET", "/v1/elsewhere", ALL, ""), 404, "not_found"),
        (api.ask("GET", "/v1/channels/a%00", ALL, ""), 400, "malformed"),
        (api.ask("GET", "/v1/channels/a?last=101", ALL, ""), 400, "malformed"),
        (api.ask("POST", "/v1/publish", ALL, "{\"data\":1"), 400, "malformed"),
        (api.publish(ALL, &json!({"channel": "news", "data": 1})), 400, "malformed"),
        (api.publish(ALL, &json!({"data": 1})), 400, "malformed"),
        (api.publish(ALL, &json!([])), 400, "malformed"),
        (api.publish(ALL, &json!([{"everyone": true, "data": 1}, {"data": 1}])), 400, "malformed"),
        (api.publish(ALL, &json!({"everyone": true, "data": "x".repeat(65536)})), 413, "data_too_long"),
        (api.ask("POST", "/v1/publish", ALL, &" ".repeat((16 << 20) + 1)), 413, "body"),
    ] {
        let problem = answer.json();
        assert_eq!((answer.status, &problem["status"]), (status, &json!(status)), "{problem}");
        assert_eq!(problem["type"], format!("urn:pushnote:problem:{kind}"), "{problem}");
        assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
    }
    // Of the list with a fault, nothing was published.
    assert_eq!(api.publish(ALL, &message).json()["offset"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_forwarder_all_servers_have_it() {
    let (endpoints, (flags, keys)) = (pushnote_tests::free_endpoint(), flags());
    let forwarder = Forwarder::with(&[&format!("--ack={endpoints}")]);
    let other = Server::start(&forwarder.publ).subscribed();
    let mut arguments = vec![
        format!("--mq_socket={}", forwarder.publ),
        format!("--publish-to={}", forwarder.sub),
        format!("--publish-ack={endpoints}"),
    ];
    arguments.extend(flags);
    let server = Server::with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let api = Api::of(&server.process, keys);
    let server = server.subscribed();
    let mut pages =
        [Browser::open(&server.websocket_url()).await, Browser::open(&other.websocket_url()).await];
    let answer = api.publish(ALL, &json!({"everyone": true, "data": "all"}));
    assert_eq!((answer.status, answer.json()["servers"].as_u64()), (202, Some(2)), "{answer:?}");
    for page in &mut pages {
        assert_eq!(page.next().await, "all");
    }
}

#[test]
fn a_server_that_hears_a_forwarder_says_where_to_publish() {
    let (forwarder, (mut arguments, keys)) = (Forwarder::start(), flags());
    arguments.push(format!("--mq_socket={}", forwarder.publ));
    let server = Server::with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let answer = Api::of(&server.process, keys).publish(ALL, &json!({"everyone": true, "data": 1}));
    assert_eq!(answer.status, 503);
    assert!(answer.json()["detail"].as_str().unwrap().contains("set publish_to"), "{answer:?}");
}

/// Waits until the server knows of the subscription.
fn until_subscribed(api: &Api, user: &str) {
    while api.ask("GET", &format!("/v1/users/{user}"), ALL, "").json()["connections"] != 1 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_disconnected_and_tokens_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let (mut single, api) = Api::single(&[&format!("--data-dir={}", folder.path().display())]);
    let url = single.server.websocket_url();
    let (old, other) = (token("42"), token("43"));
    let mut page = Browser::open(&url).await;
    page.subscribe(&old).await;
    until_subscribed(&api, "42");
    let answer = api.ask("POST", "/v1/disconnect", ALL, r#"{"users":[42]}"#);
    assert_eq!((answer.status, answer.json()), (202, json!({"connections": 1})));
    assert_eq!(page.close_code().await, Some(3505));

    // The token is good until it is revoked.
    let mut page = Browser::open(&url).await;
    page.subscribe(&old).await;
    until_subscribed(&api, "42");
    assert_eq!(api.ask("POST", "/v1/revoke", ALL, r#"{"users":["42"]}"#).status, 202);
    assert_eq!(page.close_code().await, Some(3502));
    assert_eq!(api.ask("POST", "/v1/revoke", BLOG, r#"{"users":["42"]}"#).status, 403);
    assert_eq!(api.ask("POST", "/v1/revoke", ALL, r#"{"users":[]}"#).status, 400);

    // That is remembered.
    single.crash_and_restart();
    let line = single.server.process.line_after("api listening on http://");
    let api = Api { address: line.split('/').next().unwrap().to_owned(), ..api };
    let url = single.server.websocket_url();
    let mut page = Browser::open(&url).await;
    page.subscribe(&old).await;
    assert_eq!(page.close_code().await, Some(3502));
    let mut page = Browser::open(&url).await;
    page.subscribe(&other).await;
    until_subscribed(&api, "43");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_forwarder_users_are_gone_from_all_servers() {
    let (forwarder, (flags, keys)) = (Forwarder::start(), flags());
    let other = Server::start(&forwarder.publ).subscribed();
    let mut arguments =
        vec![format!("--mq_socket={}", forwarder.publ), format!("--publish-to={}", forwarder.sub)];
    arguments.extend(flags);
    let server = Server::with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let api = Api::of(&server.process, keys);
    let _server = server.subscribed();
    let mut page = Browser::open(&other.websocket_url()).await;
    page.subscribe(&token("42")).await;
    // It is subscribed when it gets what is its own.
    while page.next_within(std::time::Duration::from_millis(50)).await.is_none() {
        api.publish(ALL, &json!({"users": ["42"], "data": 1}));
    }
    api.ask("POST", "/v1/revoke", ALL, r#"{"users":["42"]}"#);
    assert_eq!(page.close_code().await, Some(3502));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_publishes_by_http() {
    let (single, api) = Api::single(&[]);
    let mut page = Browser::open(&single.server.websocket_url()).await;
    let url = format!("--url=http://{}", api.address);
    let publish = |key: &str| {
        let key = [("PUSHNOTE_API_KEY", key)];
        Process::output("pushnote", &["publish", &url, r#"{"msg":"Hi"}"#], &key)
    };
    let output = publish(ALL);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.ends_with(": for 1 connections of that server\n"), "{said}");
    assert_eq!(page.next().await, json!({"msg": "Hi"}));
    let refused = publish("pn_other");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("answered 401: the API key is unknown"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tool_prints_what_pages_get() {
    let (mut single, api) = Api::single(&[]);
    let url = format!("--url=http://{}", single.server.address);
    let tail = Launch::of("pushnote")
        .arguments(["tail", &url, "--channel=news", "--user=42"])
        .variable("PUSHNOTE_SECRET", SECRET)
        .start_logged();
    while api.ask("GET", "/v1/channels/news", ALL, "").json()["connections"] != 1 {}
    until_subscribed(&api, "42");
    let list = json!([{"channels": ["news"], "data": {"n": 1}}, {"users": [42], "data": "mine"}]);
    api.publish(ALL, &list);
    assert_eq!(tail.line_after(r#"{"n""#), ":1}");
    assert_eq!(tail.line_after(r#""mine"#), "\"");
    // It goes on where it was; here the log has gone with its server.
    single.crash_and_restart();
    tail.logged("some messages are missing here");
}
