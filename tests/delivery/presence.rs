//! Who is in a channel, and who comes and goes: docs/protocol.md, on a real server.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use pushnote_tests::{Browser, Metrics, Process, SECRET, Single, token};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// So long the server waits for somebody to come back, until that is a leave.
const LEAVE_DELAY: Duration = Duration::from_secs(5);

fn server() -> Single {
    let rules =
        r#"[{ prefix = "news", public = true, presence = true }, { prefix = "open", public = true }]"#;
    Single::with(&[&format!("--channels={rules}"), "--metrics=127.0.0.1:0"])
}

fn short_token(user: &str) -> String {
    let made = Process::output("pushnote", &["token", user, "--ttl=5s"], &[("PUSHNOTE_SECRET", SECRET)]);
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// A page that speaks the client protocol.
struct Page {
    browser: Browser,
    next_id: u64,
    /// What came before the answers that it waited for.
    heard: VecDeque<Value>,
}

impl Page {
    /// It is in `news`, as a user or as none.
    async fn of(single: &Single, token: Option<&str>) -> Self {
        let mut subscriptions = vec![json!({"channel": "news"})];
        subscriptions.extend(token.map(|token| json!({"token": token})));
        let browser = Browser::open(&single.server.websocket_url()).await;
        let mut page = Self { browser, next_id: 1, heard: VecDeque::new() };
        let welcome = page.asks("hello", json!({"version": 1, "subscriptions": subscriptions})).await;
        assert_eq!((&welcome["type"], &welcome["errors"]), (&json!("welcome"), &Value::Null));
        page
    }

    /// Its answer.
    async fn asks(&mut self, name: &str, mut data: Value) -> Value {
        data["id"] = json!(self.next_id);
        self.next_id += 1;
        self.browser.say(&json!({"name": name, "data": data}).to_string()).await;
        loop {
            let answer = self.browser.next().await;
            if answer["id"] == data["id"] {
                return answer;
            }
            self.heard.push_back(answer);
        }
    }

    async fn presence(&mut self, data: Value) -> (u64, Vec<String>, u64) {
        let answer = self.asks("presence", data).await;
        assert_eq!((&answer["type"], &answer["channel"]), (&json!("presence"), &json!("news")));
        let users = answer["users"].as_array().unwrap().iter().map(|user| user.as_str().unwrap().to_owned());
        (answer["count"].as_u64().unwrap(), users.collect(), answer["anonymous"].as_u64().unwrap())
    }

    async fn hears(&mut self, what: &str, user: &str) {
        let heard = match self.heard.pop_front() {
            Some(heard) => heard,
            None => self.browser.next().await,
        };
        assert_eq!(heard, json!({"type": what, "channel": "news", "user": user}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_know_hears_who_comes_and_goes_but_not_of_a_reload() {
    let single = server();
    let metrics = Metrics::of(&single.server.process);
    let mut witness = Page::of(&single, None).await;
    assert_eq!(witness.presence(json!({"channel": "news", "events": true})).await, (0, vec![], 1));
    let token = token("42");
    let mut page = Page::of(&single, Some(&token)).await;
    witness.hears("join", "42").await;
    assert_eq!(page.presence(json!({"channel": "news"})).await, (1, vec!["42".to_owned()], 1));
    metrics.until("pushnote_server_presence_members", |members| members == 2.0);
    for _ in 0..3 {
        drop(page);
        page = Page::of(&single, Some(&token)).await;
    }
    // Another one comes, and none of that was said before.
    let other = Page::of(&single, Some(&self::token("43"))).await;
    witness.hears("join", "43").await;
    let left = Instant::now();
    drop(page);
    witness.hears("leave", "42").await;
    assert!(left.elapsed() >= LEAVE_DELAY, "{:?}", left.elapsed());
    assert_eq!(witness.presence(json!({"channel": "news"})).await, (1, vec!["43".to_owned()], 1));
    // It wants to hear no more.
    assert_eq!(witness.presence(json!({"channel": "news", "events": false})).await.0, 1);
    let _third = Page::of(&single, Some(&token)).await;
    assert_eq!(witness.presence(json!({"channel": "news"})).await.0, 2);
    assert!(witness.heard.is_empty(), "{:?}", witness.heard);
    drop((witness, other));
    metrics.until("pushnote_server_presence_members", |members| members == 1.0);
    metrics.until("pushnote_server_presence_channels", |channels| channels == 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_documentation_are_what_is_said() {
    let documentation = std::fs::read_to_string("../docs/protocol.md").unwrap();
    let (_, section) = documentation.split_once("## presence\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut examples = section.split("```json ").skip(1).map(|block| {
        let (whose, text) = block.split_once('\n').unwrap();
        let (text, _) = text.split_once("\n```").unwrap();
        (whose, text)
    });
    let single = server();
    let (_a, _b) = (Page::of(&single, Some(&token("42"))).await, Page::of(&single, Some(&token("43"))).await);
    let mut page = Page::of(&single, None).await;
    let (whose, request) = examples.next().unwrap();
    assert_eq!(whose, "client");
    page.browser.say(request).await;
    let mut other = None;
    let mut told = 0;
    for (whose, text) in examples {
        if whose == "client" {
            page.browser.say(text).await;
            continue;
        }
        let example: Value = serde_json::from_str(text).unwrap();
        match example["type"].as_str().unwrap() {
            "join" => other = Some(Page::of(&single, Some(&token("44"))).await),
            "leave" => other = None,
            _ => {}
        }
        assert_eq!(page.browser.next().await, example);
        told += 1;
    }
    assert!(other.is_none() && told == 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_there_as_long_as_it_is_subscribed() {
    let single = server();
    let mut witness = Page::of(&single, None).await;
    witness.presence(json!({"channel": "news", "events": true})).await;
    // First the channel, and its user later.
    let mut page = Page::of(&single, None).await;
    assert_eq!(witness.presence(json!({"channel": "news"})).await, (0, vec![], 2));
    page.presence(json!({"channel": "news", "events": true})).await;
    page.asks("subscribe", json!({"token": token("42")})).await;
    witness.hears("join", "42").await;
    page.hears("join", "42").await;
    page.asks("unsubscribe", json!({"channel": "news"})).await;
    for channel in ["news", "open", "newest"] {
        let refused = page.asks("presence", json!({"channel": channel, "events": true})).await;
        assert_eq!((&refused["type"], &refused["code"]), (&json!("error"), &json!("not_subscribed")));
    }
    page.asks("subscribe", json!({"channel": "open"})).await;
    let refused = page.asks("presence", json!({"channel": "open"})).await;
    assert_eq!(refused["code"], "no_presence");
    witness.hears("leave", "42").await;
    let _other = Page::of(&single, Some(&token("43"))).await;
    witness.hears("join", "43").await;
    page.asks("history", json!({"channel": "open", "last": 1})).await;
    assert!(page.heard.is_empty(), "it hears no more of a channel that it has left");
}

/// A page that polls, over HTTP.
struct Polling {
    address: String,
    heard: VecDeque<Value>,
}

impl Polling {
    async fn post(&self, what: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "POST /sockjs/000/polling/{what} HTTP/1.1\r\nhost: {}\r\nconnection: close",
            self.address
        );
        let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn says(&self, name: &str, data: Value) {
        let message = json!({"name": name, "data": data}).to_string();
        self.post("xhr_send", &json!([message]).to_string()).await;
    }

    async fn hears(&mut self) -> Value {
        while self.heard.is_empty() {
            let answer = self.post("xhr", "").await;
            let frames = answer.lines().filter(|line| line.starts_with("a["));
            self.heard
                .extend(frames.flat_map(|frame| serde_json::from_str::<Vec<Value>>(&frame[1..]).unwrap()));
        }
        self.heard.pop_front().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_polls_is_there_between_two_polls_and_leaves_when_it_polls_no_more() {
    let single = server();
    let mut witness = Page::of(&single, None).await;
    witness.presence(json!({"channel": "news", "events": true})).await;
    let mut page = Polling { address: single.server.address.clone(), heard: VecDeque::new() };
    assert!(page.post("xhr", "").await.ends_with("o\n"), "it is open");
    page.says(
        "hello",
        json!({"id": 1, "version": 1, "subscriptions": [{"token": token("42")}, {"channel": "news"}]}),
    )
    .await;
    assert_eq!(page.hears().await["type"], "welcome");
    witness.hears("join", "42").await;
    page.says("presence", json!({"id": 2, "channel": "news", "events": true})).await;
    let answer = page.hears().await;
    assert_eq!((&answer["id"], &answer["count"], &answer["anonymous"]), (&json!(2), &json!(1), &json!(1)));
    let _other = Page::of(&single, Some(&token("43"))).await;
    witness.hears("join", "43").await;
    let mut heard = page.hears().await;
    if heard["user"] == "42" {
        // It asked in the moment in which it came.
        heard = page.hears().await;
    }
    assert_eq!(heard, json!({"type": "join", "channel": "news", "user": "43"}));
    witness.hears("leave", "42").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_token_expires_is_there_no_more() {
    let single = server();
    let mut witness = Page::of(&single, None).await;
    witness.presence(json!({"channel": "news", "events": true})).await;
    let mut page = Page::of(&single, None).await;
    // As whom it subscribed to the channel, if it has not said so otherwise.
    page.presence(json!({"channel": "news", "events": true})).await;
    page.asks("subscribe", json!({"channel": "news", "token": short_token("42")})).await;
    witness.hears("join", "42").await;
    page.hears("join", "42").await;
    let expired = page.browser.next().await;
    assert_eq!((&expired["type"], &expired["channel"]), (&json!("expired"), &json!("news")));
    for (name, data) in
        [("presence", json!({"channel": "news"})), ("history", json!({"channel": "news", "last": 1}))]
    {
        assert_eq!(page.asks(name, data).await["code"], "not_subscribed");
    }
    assert_eq!(page.asks("unsubscribe", json!({"channel": "news"})).await["type"], "unsubscribed");
    witness.hears("leave", "42").await;
    // The name is gone with the token.
    page.asks("subscribe", json!({"channel": "news"})).await;
    assert_eq!(page.presence(json!({"channel": "news"})).await, (0, vec![], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_users_token_expires_stays_without_its_name() {
    let single = server();
    let mut witness = Page::of(&single, None).await;
    witness.presence(json!({"channel": "news", "events": true})).await;
    let mut page = Page::of(&single, Some(&short_token("42"))).await;
    witness.hears("join", "42").await;
    let expired = page.browser.next().await;
    assert_eq!((&expired["type"], &expired["user"]), (&json!("expired"), &json!("42")));
    witness.hears("leave", "42").await;
    assert_eq!(page.presence(json!({"channel": "news"})).await, (0, vec![], 2));
    page.asks("subscribe", json!({"token": token("42")})).await;
    witness.hears("join", "42").await;
}
