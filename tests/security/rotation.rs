//! What files say is changed while the binaries run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use pushnote::Publisher;
use pushnote_tests::{Browser, Launch, PATIENCE, Process, SECRET};
use serde_json::json;
use tempfile::TempDir;

use crate::Keys;

const OLD: &str = "an-old-secret-of-the-suites-0123456789abcdef";
const NEW: &str = "a-new-secret-of-the-suites-0123456789abcdef!";

/// A binary whose log can be read.
struct Logged {
    process: Process,
}

impl Logged {
    fn start(binary: &str, arguments: &[String]) -> Self {
        Self { process: Launch::of(binary).arguments(arguments.iter().cloned()).start_logged() }
    }

    fn log(&self) -> String {
        self.process.log()
    }

    /// Sends SIGHUP, and returns what is logged of it.
    fn hang_up(&self) -> String {
        self.hang_up_until("files read again")
    }

    fn hang_up_until(&self, words: &str) -> String {
        let before = self.log().len();
        self.process.signal("-HUP");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.log().split_off(before);
            if said.contains(words) {
                return said;
            }
            assert!(Instant::now() < deadline, "nothing is said of it: {said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn token(secret: &str) -> String {
    let made = Process::output("pushnote", &["token", "42"], &[("PUSHNOTE_SECRET", secret)]);
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// A server, and pages that try tokens.
struct Site {
    server: Logged,
    url: String,
    publisher: Publisher,
    secret: PathBuf,
    _folder: TempDir,
}

impl Site {
    fn start(secret: &str) -> Self {
        Self::start_with(secret, &[])
    }

    fn start_with(secret: &str, flags: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, secret).unwrap();
        let mut arguments = vec![format!("--secret-file={}", file.display())];
        let fixed = ["--single", "--port=0", "--address=127.0.0.1", "--mq_socket=tcp://127.0.0.1:0"];
        arguments.extend(fixed.map(str::to_owned));
        arguments.extend_from_slice(flags);
        let server = Logged::start("pushnote-server", &arguments);
        let line = server.process.line_after("listening on http://");
        let (address, _) = line.split_once('/').unwrap();
        let (_, endpoint) = line.rsplit_once(' ').unwrap();
        let publisher = Publisher::builder().endpoint(endpoint).unwrap().build().unwrap();
        let url = format!("ws://{address}/sockjs/websocket");
        Self { server, url, publisher, secret: file, _folder: folder }
    }

    /// A page whose token is good.
    async fn page(&self, secret: &str) -> Browser {
        self.page_with(&token(secret)).await
    }

    /// It is subscribed in its own time.
    async fn page_with(&self, token: &str) -> Browser {
        let mut browser = Browser::open(&self.url).await;
        browser.subscribe(token).await;
        loop {
            self.publisher.notify("for 42", ["42"]).unwrap();
            match browser.next_within(Duration::from_millis(100)).await {
                Some(heard) => assert_eq!(heard, Ok(json!("for 42"))),
                None => continue,
            }
            return browser;
        }
    }

    async fn refuses(&self, secret: &str) {
        self.refuses_token(&token(secret)).await;
    }

    async fn refuses_token(&self, token: &str) {
        let mut browser = Browser::open(&self.url).await;
        browser.subscribe(token).await;
        assert_eq!(browser.close_code().await, Some(3500));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_rotated_without_a_restart() {
    let site = Site::start(OLD);
    let mut old_page = site.page(OLD).await;
    site.refuses(NEW).await;

    fs::write(&site.secret, format!("{NEW}\n{OLD}\n")).unwrap();
    let said = site.server.hang_up();
    assert!(!said.contains("ERROR"), "{said}");
    let mut new_page = site.page(NEW).await;
    assert_eq!(old_page.next().await, json!("for 42"), "who is connected stays");
    site.page(OLD).await;

    fs::write(&site.secret, NEW).unwrap();
    site.server.hang_up();
    site.refuses(OLD).await;

    for bad in ["short", ""] {
        fs::write(&site.secret, bad).unwrap();
        let said = site.server.hang_up();
        assert!(said.contains("ERROR") && said.contains("secret"), "{said}");
        assert!(!said.contains(NEW), "a secret is not logged: {said}");
    }
    fs::remove_file(&site.secret).unwrap();
    let said = site.server.hang_up();
    assert!(said.contains("ERROR") && said.contains(site.secret.to_str().unwrap()), "{said}");
    site.page(NEW).await;
    assert_eq!(new_page.next().await, json!("for 42"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_is_no_part_of_a_secret() {
    let site = Site::start(&format!("\u{feff}{OLD}\r\n"));
    site.page(OLD).await;
}

#[test]
fn a_file_that_is_too_long_is_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("long");
    fs::write(&long, "x".repeat((64 << 10) + 1)).unwrap();
    for file in [long.to_str().unwrap(), "/dev/zero"] {
        let arguments = [&format!("--secret-file={file}"), "--mq_socket=tcp://127.0.0.1:1"];
        let refused = Process::output("pushnote-server", &arguments, &[]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(78), "{said}");
        assert!(
            said.contains("--secret-file") && said.contains(file) && said.contains("65536 bytes"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_keys_of_jwts_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = crate::tokens::made(folder.path());
    let token = |kind: &str| tokens[kind].as_str().unwrap();
    let at = |name: &str| folder.path().join(name);
    let flags = ["RS256.pem", "ES256.pem"].map(|name| format!("--jwt-keys={}", at(name).display()));
    let site = Site::start_with(SECRET, &flags);
    for kind in ["HS256", "RS256", "ES256"] {
        site.page_with(token(kind)).await;
    }
    site.refuses_token(token("stranger")).await;

    fs::copy(at("stranger.pem"), at("RS256.pem")).unwrap();
    site.server.hang_up();
    site.page_with(token("stranger")).await;
    site.page_with(token("ES256")).await;
    site.refuses_token(token("RS256")).await;

    fs::write(at("RS256.pem"), "ssh-rsa AAAA").unwrap();
    let said = site.server.hang_up();
    let file = at("RS256.pem").display().to_string();
    assert!(
        ["ERROR", "--jwt-keys", &file, "BEGIN PUBLIC KEY"].iter().all(|word| said.contains(word)),
        "{said}"
    );
    site.page_with(token("stranger")).await;
}

#[test]
fn clients_come_and_go_without_a_restart() {
    let keys = Keys::new();
    let mut arguments = vec!["--sub=tcp://127.0.0.1:0".to_owned(), "--pub=tcp://127.0.0.1:0".to_owned()];
    arguments.extend(keys.listen());
    let forwarder = Logged::start("pushnote-mq", &arguments);
    let sub = forwarder.process.line_after("sub listening on ");
    let publishes = |key: &crate::Key, timeout: &str| {
        key.publish(&keys.forwarder, &sub, "1", timeout).status.code() == Some(0)
    };
    assert!(publishes(&keys.application, "20s") && !publishes(&keys.stranger, "700ms"));

    fs::write(keys.list(), format!("publish {}\n", keys.stranger.public)).unwrap();
    assert!(!forwarder.hang_up().contains("ERROR"));
    assert!(publishes(&keys.stranger, "20s") && !publishes(&keys.application, "700ms"));

    fs::write(keys.list(), "anybody\n").unwrap();
    let said = forwarder.hang_up();
    assert!(said.contains("ERROR") && said.contains("line 1") && said.contains("anybody"), "{said}");
    assert!(publishes(&keys.stranger, "20s"));
}

#[test]
fn signals_that_mean_nothing_end_nothing() {
    let arguments = ["--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0"].map(str::to_owned);
    let mut forwarder = Logged::start("pushnote-mq", &arguments);
    forwarder.process.line_after("pub listening on ");
    forwarder.process.signal("-USR1");
    forwarder.process.signal("-USR2");
    forwarder.hang_up();
    assert!(forwarder.process.is_running());
}

/// A pipe that nobody writes to, as a disk at the other end of a dead network.
#[test]
fn a_file_that_does_not_answer_holds_up_neither_the_server_nor_its_end() {
    let mut site = Site::start(OLD);
    fs::remove_file(&site.secret).unwrap();
    assert!(Command::new("mkfifo").arg(&site.secret).status().unwrap().success());
    site.server.hang_up_until("one of them does not answer");
    site.server.process.terminate();
    assert!(site.server.process.ended().success());
}
