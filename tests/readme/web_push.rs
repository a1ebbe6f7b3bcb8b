//! docs/web-push.md: its commands.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener};
use std::path::Path;
use std::thread;
use std::time::Instant;

use pushnote_tests::PATIENCE;
use serde_json::{Value, json};

use crate::blocks::block_of;
use crate::shell::Shell;
use crate::{PORTS, parsed};

const PAGE: &str = include_str!("../../docs/web-push.md");

/// Of the service that the page shows, a browser's.
const SUBSCRIPTION: &str = r#"{"endpoint":"https://updates.push.services.mozilla.com/wpush/v2/gAAAAABlx","keys":{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#;

#[tokio::test]
async fn a_browser_is_subscribed_seen_and_removed() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let start = block_of(PAGE, "## Start it", "keygen");
    let (made, server) = start.trim().rsplit_once('\n').unwrap();
    shell.run(made);
    let server = shell.start(server);
    server.line_after("listening on http://");
    server.line_after("api listening on http://");
    let key: Value = parsed(&shell.run(&block_of(PAGE, "## A browser subscribes", "curl")));
    assert_eq!(key["key"].as_str().unwrap().len(), 87);

    let subscribe = format!(
        "curl -s http://127.0.0.1:8081/v1/push/subscriptions -H \"Authorization: Bearer $(cat shop.key)\" \
         -d '{{\"user\":\"42\",\"subscription\":{SUBSCRIPTION}}}'"
    );
    assert_eq!(shell.run(&subscribe), "{}");
    let seen: Value = parsed(&shell.run(&block_of(PAGE, "## Browsers of a user", "?user=42")));
    let printed: Value = parsed(&block_of(PAGE, "## Browsers of a user", "\"subscriptions\""));
    let (seen, printed) = (&seen["subscriptions"][0], &printed["subscriptions"][0]);
    assert_eq!((&seen["origin"], &seen["group"]), (&printed["origin"], &printed["group"]));
    assert!(printed.as_object().unwrap().keys().eq(seen.as_object().unwrap().keys()));

    let removed: Value = parsed(&shell.run(&block_of(PAGE, "## Browsers of a user", "-X DELETE")));
    assert_eq!(removed, json!({"removed": 1}));
    // Nobody is there any more, so that nobody is asked.
    let sent: Value = parsed(&shell.run(&block_of(PAGE, "## Send", "/v1/push ")));
    assert_eq!(sent["devices"], json!(0));
    let printed: Value = parsed(&block_of(PAGE, "## Send", "devices"));
    assert!(printed.as_object().unwrap().keys().eq(sent.as_object().unwrap().keys()));

    let said = shell.run(&block_of(PAGE, "## Send from a shell", "--all"));
    assert_eq!(said, "news-7: for 0 browsers\n");
    let seen: Value = parsed(&shell.run(&block_of(PAGE, "## Send", "/v1/messages")));
    assert_eq!(seen, parsed(&block_of(PAGE, "## Send", "\"queued\"")));

    let receipt: Value = parsed(&shell.run(&block_of(PAGE, "## Socket first", "/v1/publish")));
    assert_eq!((&receipt["id"], &receipt["warning"]), (&json!("chat-7"), &json!(null)));
    // It is written down when it is delivered, and not before.
    let ask = block_of(PAGE, "### What became of it", "curl");
    let deadline = Instant::now() + PATIENCE;
    let seen = loop {
        let seen: Value = parsed(&shell.run(&ask));
        if seen["users"].is_array() {
            break seen;
        }
        assert!(Instant::now() < deadline, "{seen}");
    };
    let printed: Value = parsed(&block_of(PAGE, "### What became of it", "published"));
    assert_eq!(
        (&seen["states"], &seen["users"][0]["state"]),
        (&printed["states"], &printed["users"][0]["state"])
    );
    assert!(printed.as_object().unwrap().keys().eq(seen.as_object().unwrap().keys()));
}

#[tokio::test]
async fn browsers_that_the_application_keeps_are_sent_to() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let start = block_of(PAGE, "## Start it", "keygen");
    let (made, server) = start.trim().rsplit_once('\n').unwrap();
    shell.run(made);
    let server = shell.start(&format!("{server} --push-allowed-net=127.0.0.0/8"));
    server.line_after("api listening on http://");
    let service = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", service.local_addr().unwrap());
    let answering = thread::spawn(move || {
        let (mut stream, _) = service.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut asked = String::new();
        reader.read_line(&mut asked).unwrap();
        stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // What is left unread would end the connection before the answer is read.
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        asked
    });
    const SECTION: &str = "## Browsers that the application keeps";
    let asks = block_of(PAGE, SECTION, "curl");
    assert!(asks.contains(SUBSCRIPTION), "the one that is tested elsewhere");
    let sent = parsed(&shell.run(&asks.replace("https://updates.push.services.mozilla.com", &origin)));
    assert_eq!(sent["outcomes"], parsed(&block_of(PAGE, SECTION, "accepted"))["outcomes"]);
    assert!(answering.join().unwrap().starts_with("POST /wpush/v2/gAAAAABlx "));
}

#[test]
fn a_webhook_is_verified_as_it_is_printed_with_either_spelling_of_the_secret() {
    let verifies = block_of(PAGE, "### Webhook", "def verifies");
    // Of the specification's own libraries.
    let asks = r#"
headers = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,other v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"]:
    print(verifies(secret, headers, b'{"test": 2432232314}'), verifies(secret, headers, b"other"))
"#;
    let said = Shell::new().python(&format!("{verifies}{asks}"));
    assert_eq!(said, "True False\nTrue False\n");
}

#[test]
fn what_solidwebpush_has_is_taken_over() {
    let shell = Shell::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let made = format!(
        "{} {} subscriptors.db https://updates.push.services.mozilla.com/wpush/v2 3",
        tests.join(".venv/bin/python").display(),
        tests.join("python/solidwebpush_database.py").display()
    );
    shell.run(&made);
    let key = tests.join("../crates/pushnote-webpush/tests/vectors/pkcs8.pem");
    std::fs::copy(key, shell.folder().join("private_key.pem")).unwrap();
    let said = shell.run(&block_of(PAGE, "## Coming from solidwebpush", "import"));
    assert!(said.starts_with("took over 3 subscriptions: 3 new"), "{said}");
}
