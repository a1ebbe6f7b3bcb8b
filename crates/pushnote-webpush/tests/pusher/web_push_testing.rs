//! A push service that is not ours: the npm package web-push-testing, which decrypts what comes and checks who sent it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use pushnote_webpush::{Key, Message, Pusher, PusherOptions, Subscription, Verdict};
use serde_json::{Value, json};

use crate::place::Place;

struct Service {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Service {
    fn start() -> Self {
        let tests = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests"));
        let package = tests.join("node_modules/web-push-testing");
        assert!(package.exists(), "{} is missing: run 'make test-setup' first", package.display());
        let mut command = Command::new("node");
        command.arg(tests.join("node/web_push_testing.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.stdin, "{command}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// A subscription, as a page sends it, and the name that the service has for it.
    fn subscribe(&mut self, key: &Key) -> (String, String) {
        let subscription = self.ask(&json!({ "subscribe": key.public_base64url() }));
        (subscription.to_string(), subscription["clientHash"].as_str().unwrap().to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn another_push_service_takes_messages() {
    let place = Place::new();
    let pusher = place.pusher();
    let mut service = Service::start();
    let (json, name) = service.subscribe(pusher.key());
    pusher.new_subscription("ann", &json, None).unwrap();
    let texts = ["Straße, 日本語, 🎉".to_owned(), String::new(), "x".repeat(3993)];
    for text in &texts {
        let progress = pusher.notify("ann", &Message::new(text.clone()).unwrap()).unwrap();
        assert_eq!(progress.accepted, 1);
    }
    assert_eq!(service.ask(&json!({ "messages": name })), json!({ "messages": texts }));

    service.ask(&json!({ "expire": name }));
    assert_eq!(pusher.notify("ann", &Message::new("late").unwrap()).unwrap().gone, 1);
    assert!(pusher.subscriptions_of("ann").unwrap().is_empty());
}

#[test]
fn another_push_service_knows_other_keys() {
    let place = Place::new();
    let mut service = Service::start();
    let old = Key::generate().unwrap();
    let (json, name) = service.subscribe(&old);
    let subscription = Subscription::parse(&json).unwrap();
    let message = Message::new("Hello World").unwrap();

    let pusher = place.pusher();
    assert_eq!(pusher.send_notification(&subscription, &message).unwrap().verdict, Verdict::Refused);
    drop(pusher);

    // The key of that time signs for what was stored with it.
    let [first, second] = ["first.pem", "second.pem"].map(|name| place.data().join(name));
    std::fs::write(&first, &*old.to_pem().unwrap()).unwrap();
    let options = PusherOptions { key_file: Some(first.clone()), ..place.options() };
    let pusher = Pusher::open(place.data(), options).unwrap();
    pusher.new_subscription("ann", &json, None).unwrap();
    drop(pusher);
    let options = PusherOptions { key_file: Some(second), old_key_files: vec![first], ..place.options() };
    let pusher = Pusher::open(place.data(), options).unwrap();
    assert_ne!(pusher.key().id(), old.id());
    assert_eq!(pusher.notify("ann", &message).unwrap().accepted, 1);
    assert_eq!(service.ask(&json!({ "messages": name })), json!({ "messages": ["Hello World"] }));
}
