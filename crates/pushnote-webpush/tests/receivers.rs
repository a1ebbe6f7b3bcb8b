//! What is encrypted and signed is read by Python's http_ece, py_vapid and PyJWT, which have nothing of ours.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pushnote_webpush::{Endpoint, Key, Keys, Message, Subscription, Vapid, encrypt};
use serde_json::{Value, json};

const AUTH: [u8; 16] = *b"0123456789abcdef";

/// What the program reads out of messages; see `python/webpush_receiver.py`.
fn read(browser: &Key, messages: &[Value]) -> Vec<Value> {
    let tests = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests"));
    let python = tests.join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
    let mut command = Command::new(python);
    command.arg(tests.join("python/webpush_receiver.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let given = json!({ "private": *browser.private_base64url(), "auth": URL_SAFE_NO_PAD.encode(AUTH), "messages": messages });
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the receiver cannot read them; see above");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn messages_are_read_and_their_sender_is_known() {
    let browser = Key::generate().unwrap();
    let endpoint = Endpoint::parse("https://push.example:8443/send/x").unwrap();
    let subscription = Subscription::new(endpoint, *browser.public_bytes(), AUTH).unwrap();
    let key = Key::generate().unwrap();
    let vapid = Vapid::new(Keys::new(key.clone(), Vec::new()), "mailto:ops@example.com".parse().unwrap());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();

    let longest: Vec<u8> = (0..3993).map(|number| (number % 256) as u8).collect();
    let messages = [
        Message::new("Straße, 日本語, 🎉").unwrap(),
        Message::new("").unwrap(),
        Message::new(longest).unwrap(),
        Message::without_payload(),
    ];
    let sent = messages.each_ref().map(|message| {
        let body = message.payload().map(|payload| encrypt(&subscription, payload).unwrap());
        json!({
            "body": body.map(|body| URL_SAFE_NO_PAD.encode(body)),
            "authorization": *vapid.authorization(subscription.endpoint().origin(), key.id(), now).unwrap(),
        })
    });
    for (message, found) in messages.iter().zip(read(&browser, &sent)) {
        let payload = found["payload"]
            .as_str()
            .map(|text| base64::engine::general_purpose::URL_SAFE.decode(text).unwrap());
        assert_eq!(payload.as_deref(), message.payload().map(|payload| &payload[..]));
        assert_eq!(found["aud"], "https://push.example:8443", "with its port");
        assert_eq!(found["sub"], "mailto:ops@example.com");
        assert_eq!(found["header"], json!({ "typ": "JWT", "alg": "ES256" }));
        assert!((43_000..=43_200).contains(&found["seconds"].as_u64().unwrap()), "{found}");
    }
}
