//! A server with Web Push and an API, and who asks it.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::{self, JoinHandle};

use pushnote_tests::{Answer, Process, Server, ask, token};
use serde_json::{Value, json};

use crate::browser::PushBrowser;
use crate::service::{Received, Service};

/// A key with all rights.
pub(crate) const KEY: &str = "pn_all";

/// One that somebody else has.
pub(crate) const OTHER_KEY: &str = "pn_other";

/// What `--api-keys` names, with their hashes.
const KEYS: &str = "\
    all publish,read,manage 200d9f4ec3e7d0d8adcf2bad18bdad2c37a342d7b9709edd610a09a22cc7cd2a
    other publish 6f4701cadd20616b889bc7845352caf89a469dc962042a1365cf8dfbc4999165\n";

pub(crate) struct Setup {
    pub(crate) server: Server,
    pub(crate) service: Service,
    pub(crate) data: tempfile::TempDir,
    api: String,
    _keys: tempfile::NamedTempFile,
}

impl Setup {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        let single = ["--single", "--mq_socket=tcp://127.0.0.1:0"];
        Self::of(&[&single, arguments].concat())
    }

    /// Behind a forwarder, as these arguments say.
    pub(crate) fn behind(arguments: &[&str]) -> Self {
        let setup = Self::of(arguments);
        Self { server: setup.server.subscribed(), ..setup }
    }

    /// A single server that has what solidwebpush had of so many browsers of the set-up's service: users 0, 1 …, at /s/0, /s/1 …,
    /// in the groups 0 and 1 by turns.
    pub(crate) fn with_imported(browsers: u32, arguments: &[&str]) -> Self {
        let (data, service) = (tempfile::tempdir().unwrap(), Service::start());
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let key = tests.join("../crates/pushnote-webpush/tests/vectors/pkcs8.pem");
        std::fs::copy(key, data.path().join("vapid.pem")).unwrap();
        let made = Command::new(tests.join(".venv/bin/python"))
            .arg(tests.join("python/solidwebpush_database.py"))
            .arg(data.path().join("subscriptors.db"))
            .args([format!("http://{}/s", service.address), browsers.to_string()])
            .status();
        assert!(made.unwrap().success());
        let imported = import(data.path());
        let said = String::from_utf8(imported.stdout).unwrap();
        let expected = format!("took over {browsers} subscriptions: {browsers} new, 0 known");
        assert!(said.starts_with(&expected) && said.contains("left out 1"), "{said}");
        let left_out = String::from_utf8(imported.stderr).unwrap();
        let expected = format!("left out: row {}: ", browsers + 1);
        assert!(left_out.starts_with(&expected) && left_out.lines().count() == 1, "{left_out}");
        let single = ["--single", "--mq_socket=tcp://127.0.0.1:0"];
        Self::on(data, service, &[&single, arguments].concat())
    }

    fn of(arguments: &[&str]) -> Self {
        Self::on(tempfile::tempdir().unwrap(), Service::start(), arguments)
    }

    fn on(data: tempfile::TempDir, service: Service, arguments: &[&str]) -> Self {
        let mut keys = tempfile::NamedTempFile::new().unwrap();
        keys.write_all(KEYS.as_bytes()).unwrap();
        let flags = [
            format!("--data-dir={}", data.path().display()),
            "--vapid-subject=mailto:ops@example.org".to_owned(),
            "--push-allowed-net=127.0.0.0/8".to_owned(),
            "--api=127.0.0.1:0".to_owned(),
            format!("--api-keys={}", keys.path().display()),
        ];
        let all: Vec<_> = flags.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        let server = Server::with(&all);
        let api = api_of(&server);
        Self { server, service, data, api, _keys: keys }
    }

    /// Kills the server, and starts it again.
    pub(crate) fn crash_and_restart(&mut self) {
        self.server.crash_and_restart();
        self.api = api_of(&self.server);
    }

    /// Ends the server in good order, and starts it again.
    pub(crate) fn restart(&mut self) {
        self.server.process.terminate();
        assert!(self.server.process.ended().success());
        self.crash_and_restart();
    }

    /// Runs `pushnote webpush send …`.
    pub(crate) fn send(&self, arguments: &[&str]) -> Output {
        let api = format!("--api-url=http://{}", self.api);
        let all = [&["webpush", "send", &api], arguments].concat();
        Process::output("pushnote", &all, &[("PUSHNOTE_API_KEY", KEY)])
    }

    /// Asks where browsers do.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        ask(&self.server.address, method, path, &[], &body.to_string())
    }

    /// Asks the API.
    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.api_as(KEY, method, path, body)
    }

    /// Asks the API with a key.
    pub(crate) fn api_as(&self, key: &str, method: &str, path: &str, body: &Value) -> Answer {
        ask(&self.api, method, path, &[&format!("authorization: Bearer {key}")], &body.to_string())
    }

    /// Asks the API on a thread of its own.
    pub(crate) fn api_meanwhile(
        &self,
        key: &'static str,
        method: &'static str,
        path: &'static str,
        body: &Value,
    ) -> JoinHandle<Answer> {
        let (api, body) = (self.api.clone(), body.to_string());
        thread::spawn(move || ask(&api, method, path, &[&format!("authorization: Bearer {key}")], &body))
    }

    /// Sends a request to the API, and does not wait for its answer.
    pub(crate) fn api_request(&self, method: &str, path: &str, body: &Value) -> TcpStream {
        let (mut stream, body) = (TcpStream::connect(&self.api).unwrap(), body.to_string());
        let len = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len}\r\n\r\n"
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        stream
    }

    /// A browser at the set-up's service.
    pub(crate) fn browser(&self, path: &str) -> PushBrowser {
        PushBrowser::of(&self.service.address, path)
    }

    pub(crate) fn subscribe(&self, user: &str, browser: &PushBrowser) -> Answer {
        let body = json!({"token": token(user), "subscription": browser.subscription});
        self.ask("POST", "/push/subscribe", &body)
    }

    /// Has a message sent; to how many browsers.
    pub(crate) fn push(&self, message: &Value) -> u64 {
        let answer = self.api("POST", "/v1/push", message);
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["devices"].as_u64().unwrap()
    }

    /// The next message that the service gets, as the browser reads it.
    pub(crate) fn read(&self, browser: &mut PushBrowser) -> (Received, Value) {
        let received = self.service.next();
        let text = browser.decrypt(&received.body);
        (received, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }
}

/// Takes over what solidwebpush has stored beside a server's database.
pub(crate) fn import(data: &Path) -> Output {
    let (file, data_dir) = (data.join("subscriptors.db"), format!("--data-dir={}", data.display()));
    Process::output("pushnote", &["webpush", "import", file.to_str().unwrap(), &data_dir], &[])
}

fn api_of(server: &Server) -> String {
    let line = server.process.line_after("api listening on http://");
    line.split('/').next().unwrap().to_owned()
}
