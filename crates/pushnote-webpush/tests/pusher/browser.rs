//! A browser: Python's http_ece, py_vapid and PyJWT, which have nothing of ours.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use pushnote_webpush::{Endpoint, Key, Subscription};
use serde_json::{Value, json};

use crate::support::Received;

const AUTH: [u8; 16] = *b"0123456789abcdef";

pub(crate) struct Browser {
    key: Key,
    pub(crate) subscription: Subscription,
}

impl Browser {
    /// A browser that has subscribed at a push service.
    pub(crate) fn at(endpoint: &str) -> Self {
        let key = Key::generate().unwrap();
        let endpoint = Endpoint::parse(endpoint).unwrap();
        let subscription = Subscription::new(endpoint, *key.public_bytes(), AUTH).unwrap();
        Self { key, subscription }
    }

    /// What its page sends to the application.
    pub(crate) fn json(&self) -> String {
        self.subscription.to_json()
    }

    /// The payload of each message that a push service has received for it; `None` if a message has none.
    pub(crate) fn payloads(&self, received: &[Received]) -> Vec<Option<Vec<u8>>> {
        let path =
            self.subscription.endpoint().as_str().trim_start_matches(self.subscription.endpoint().origin());
        let mine: Vec<_> = received.iter().filter(|received| received.path == path).map(message).collect();
        self.read(&mine).iter().map(payload).collect()
    }

    /// What the program reads of messages; see `python/webpush_receiver.py`.
    pub(crate) fn read(&self, messages: &[Value]) -> Vec<Value> {
        let tests = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests"));
        let python = tests.join(".venv/bin/python");
        assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
        let mut command = Command::new(python);
        command.arg(tests.join("python/webpush_receiver.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let given = json!({
            "private": *self.key.private_base64url(),
            "auth": URL_SAFE_NO_PAD.encode(AUTH),
            "messages": messages,
        });
        child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "the receiver cannot read them; see above");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// As the program takes it.
fn message(received: &Received) -> Value {
    let header = |name: &str| received.headers.get(name).map(|value| value.to_str().unwrap());
    let body = match header("content-encoding") {
        Some("aes128gcm") => Some(URL_SAFE_NO_PAD.encode(&received.body)),
        None if received.body.is_empty() => None,
        other => panic!("{other:?}"),
    };
    json!({ "body": body, "authorization": header("authorization") })
}

/// As the program gives it.
pub(crate) fn payload(message: &Value) -> Option<Vec<u8>> {
    message["payload"].as_str().map(|text| URL_SAFE.decode(text).unwrap())
}
