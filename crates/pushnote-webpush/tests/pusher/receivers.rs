//! What is encrypted and signed is read by others.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pushnote_webpush::{Key, Keys, Message, Vapid, encrypt};
use serde_json::json;

use crate::browser::{Browser, payload};

#[test]
fn messages_are_read_and_their_sender_is_known() {
    let browser = Browser::at("https://push.example:8443/send/x");
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
        let body = message.payload().map(|payload| encrypt(&browser.subscription, payload).unwrap());
        let origin = browser.subscription.endpoint().origin();
        json!({
            "body": body.map(|body| URL_SAFE_NO_PAD.encode(body)),
            "authorization": *vapid.authorization(origin, key.id(), now).unwrap(),
        })
    });
    for (message, found) in messages.iter().zip(browser.read(&sent)) {
        assert_eq!(payload(&found).as_deref(), message.payload().map(|payload| &payload[..]));
        assert_eq!(found["aud"], "https://push.example:8443", "with its port");
        assert_eq!(found["sub"], "mailto:ops@example.com");
        assert_eq!(found["header"], json!({ "typ": "JWT", "alg": "ES256" }));
        assert!((43_000..=43_200).contains(&found["seconds"].as_u64().unwrap()), "{found}");
    }
}
