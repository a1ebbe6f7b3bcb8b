//! lightpush's pages and publishers: the original's README with its own client, and what the original did not take.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use futures_util::StreamExt;
use pushnote_tests::{Launch, PATIENCE, Process, SECRET};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const KEY: &str = "a-key-of-the-test-suites-0123456789";

/// `python lightpush.py`, and its README's "Sending a notification", with a URL that requests takes.
const README: &str = r#"
import sys
import requests

headers = {
  "Authorization" : sys.argv[2],
  "Lightpush-Message": "refresh"
}

response = requests.post("http://" + sys.argv[1], headers=headers)
assert response.status_code == 202
assert response.json() == {"message": "accepted"}
"#;

struct Lightpush {
    /// `127.0.0.1:PORT` of it.
    address: String,
    process: Process,
}

/// A page: `new WebSocket(…)`, and its `onmessage`.
struct Page(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Lightpush {
    fn start() -> Self {
        let process = Launch::server()
            .arguments(["--single", "--mq_socket=tcp://127.0.0.1:0", "--address=127.0.0.1", "--port=0"])
            .arguments(["--lightpush-port=0"])
            .variable("PUSHNOTE_LIGHTPUSH_KEY", KEY)
            .start_logged();
        let address = process.line_after("lightpush listening on http://").trim_end_matches('/').to_owned();
        Self { address, process }
    }

    async fn page(&self, path: &str) -> Page {
        Page(connect_async(format!("ws://{}{path}", self.address)).await.unwrap().0)
    }

    /// A request with these lines behind its first one, and the body; all of the answer.
    async fn ask(&self, line: &str, headers: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{length}{headers}\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    async fn status(&self, line: &str, headers: &str, body: &[u8]) -> u16 {
        let answer = self.ask(line, headers, body).await;
        answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
    }
}

impl Page {
    async fn hears(&mut self, text: &str) {
        let next = async {
            loop {
                if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                    return text;
                }
            }
        };
        assert_eq!(tokio::time::timeout(PATIENCE, next).await.unwrap().as_str(), text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_originals_readme_from_its_first_line_to_its_last() {
    let lightpush = Lightpush::start();
    let mut page = lightpush.page("").await;
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
    let sent = Command::new(python).args(["-c", README, &lightpush.address, KEY]).status().unwrap();
    assert!(sent.success());
    page.hears("refresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_the_originals_order() {
    let lightpush = Lightpush::start();
    let right = format!("Authorization: {KEY}\r\n");
    let wrong = "Authorization: 29e03fe7-9e8f-42b2-a9ac-2c9519bdf0b1\r\n";
    let message = "Lightpush-Message: a\r\n";
    for (line, headers, status) in [
        ("POST /", String::new(), 401),
        ("POST /", message.to_owned(), 401),
        ("POST /", wrong.to_owned(), 400),
        ("POST /", right.clone(), 400),
        ("POST /", format!("{wrong}{message}"), 403),
        ("POST /", format!("{right}{message}"), 202),
        ("POST /any/path", format!("{right}{message}").to_lowercase(), 202),
        ("GET /", String::new(), 400),
        ("OPTIONS /", String::new(), 200),
        ("PUT /", right.clone(), 405),
    ] {
        assert_eq!(lightpush.status(line, &headers, b"").await, status, "{line} {headers}");
    }
    let answer = lightpush.ask("OPTIONS /", "", b"").await.to_lowercase();
    for header in ["allow: options, get, post", "access-control-allow-origin: *", "content-length: "] {
        assert!(answer.contains(header), "{answer}");
    }
    assert!(lightpush.ask("POST /", "", b"").await.to_lowercase().contains("www-authenticate: secret-key"));
    tokio::task::block_in_place(|| lightpush.process.logged("wrong key"));
    assert!(!lightpush.process.log().contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_any_length_reach_the_pages_of_their_channel() {
    let lightpush = Lightpush::start();
    let mut root = lightpush.page("/").await;
    let mut football = lightpush.page("/football").await;
    let post = async |path: &str, headers: &str, body: &[u8]| {
        let headers = format!("Authorization: Secret-Key {KEY}\r\n{headers}");
        assert_eq!(lightpush.status(&format!("POST {path}"), &headers, body).await, 202);
    };
    for len in [1, 125, 126, 127, 255, 256, 10_000] {
        let text = "x".repeat(len);
        post("/football", &format!("Lightpush-Message: {text}\r\n"), b"").await;
        root.hears(&text).await;
        football.hears(&text).await;
    }
    let long = "kick-off\r\n\u{1f600}\"\\".repeat(2000);
    post("/football", "", long.as_bytes()).await;
    football.hears(&long).await;
    post("/", "", "to everybody".as_bytes()).await;
    root.hears("to everybody").await;
    football.hears("to everybody").await;
    post("/", "Lightpush-Message: Gr\u{fc}\u{df}e\r\n", b"").await;
    root.hears("Grüße").await;
    assert_eq!(lightpush.status("POST /", &format!("Authorization: {KEY}\r\n"), &[b'x'; 70_000]).await, 413);
    assert_eq!(lightpush.status("POST /", &format!("Authorization: {KEY}\r\n"), b"\xff").await, 400);
}

#[test]
fn a_key_that_everybody_knows_is_refused() {
    let start = |key: &str| {
        let arguments = ["--single", "--mq_socket=tcp://127.0.0.1:0", "--port=0", "--lightpush-port=0"];
        Process::output(
            "pushnote-server",
            &arguments,
            &[("PUSHNOTE_SECRET", SECRET), ("PUSHNOTE_LIGHTPUSH_KEY", key)],
        )
    };
    for (key, why) in [
        ("29e03fe7-9e8f-42b2-a9ac-2c9519bdf0b1", "which everybody knows"),
        ("abc123", "shorter than 16 characters"),
    ] {
        let output = start(key);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("PUSHNOTE_LIGHTPUSH_KEY: ") && said.contains(why), "{said}");
        assert!(!said.contains(key), "{said}");
    }
}
