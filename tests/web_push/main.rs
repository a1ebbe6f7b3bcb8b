//! Web Push by the real server: docs/web-push.md. The push service is a mock, browsers' keys are in Python.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod direct;
mod many;
mod refused;
mod restarts;
mod service;
mod setup;
mod socket_first;
mod tool;
mod webhook;

use pushnote_tests::{Launch, Metrics, Process, SECRET, token};
use serde_json::json;

use setup::Setup;

#[test]
fn a_browser_subscribes_reads_what_is_pushed_and_says_that_it_has_shown_it() {
    let setup = Setup::with(&["--metrics=127.0.0.1:0"]);
    let key = setup.ask("GET", "/push/key", &json!(null));
    assert_eq!((key.status, key.json()["key"].as_str().unwrap().len()), (200, 87));
    assert_eq!(setup.api("GET", "/v1/push/key", &json!(null)).json(), key.json());

    let mut browser = setup.browser("/wpush/secret-of-this-browser");
    assert_eq!(setup.subscribe("42", &browser).status, 201);
    assert_eq!(setup.subscribe("42", &browser).status, 200, "it is known");
    let message = json!({
        "users": [42], "title": "Hi", "body": "You have mail", "url": "/inbox", "id": "mail-7",
        "ttl_s": 60, "urgency": "high",
    });
    assert_eq!(setup.push(&message), 1);
    let (received, shown) = setup.read(&mut browser);
    assert_eq!(received.path, "/wpush/secret-of-this-browser");
    let authorization = received.header("authorization").unwrap();
    let signed = format!(", k={}", key.json()["key"].as_str().unwrap());
    assert!(authorization.starts_with("vapid t=") && authorization.ends_with(&signed), "{authorization}");
    assert_eq!(received.header("content-encoding"), Some("aes128gcm"));
    assert_eq!(received.header("urgency"), Some("high"));
    assert!((1..=60).contains(&received.header("ttl").unwrap().parse::<u64>().unwrap()));
    assert_eq!(received.header("topic").unwrap().len(), 32, "of the message's id");
    let ack = shown["ack"].as_str().unwrap().to_owned();
    assert_eq!(
        shown,
        json!({"ack": ack, "id": "mail-7", "tag": "mail-7", "title": "Hi", "body": "You have mail", "url": "/inbox"})
    );

    assert_eq!(setup.ask("POST", "/push/shown", &json!({"ack": ack})).status, 204);
    assert_eq!(setup.ask("POST", "/push/shown", &json!({"ack": format!("x{ack}")})).status, 403);
    let metrics = Metrics::of(&setup.server.process);
    metrics.until("pushnote_server_push_shown", |shown| shown == 1.0);
    metrics.until("pushnote_server_push_subscriptions", |subscriptions| subscriptions == 1.0);
    metrics.until("pushnote_server_push_messages", |messages| messages == 1.0);
    metrics.until("pushnote_server_push_waiting", |waiting| waiting == 0.0);

    let leaves = json!({"token": token("42"), "endpoint": browser.subscription["endpoint"]});
    assert_eq!(setup.ask("DELETE", "/push/subscribe", &leaves).status, 204);
    assert_eq!(setup.ask("DELETE", "/push/subscribe", &leaves).status, 204);
    assert_eq!(setup.push(&json!({"users": ["42"], "title": "Nobody"})), 0);
    let log = setup.server.process.log();
    assert!(!log.contains("secret-of-this-browser"), "{log}");
}

#[test]
fn whom_it_is_for_is_who_gets_it() {
    let setup = Setup::start();
    let mut browsers = ["/a", "/b", "/c"].map(|path| setup.browser(path));
    let [a, b, c] = &mut browsers;
    for (user, browser, group) in [("1", &*a, None), ("2", &*b, Some("staff")), ("2", &*c, None)] {
        let body = json!({"user": user, "subscription": browser.subscription, "group": group});
        assert_eq!(setup.api("POST", "/v1/push/subscriptions", &body).status, 201);
    }
    for (audience, paths) in [
        (json!({"everyone": true}), &["/a", "/b", "/c"][..]),
        (json!({"everyone": true, "except": [2]}), &["/a"]),
        (json!({"group": "staff"}), &["/b"]),
        (json!({"users": ["1", "2", "3"]}), &["/a", "/b", "/c"]),
        (json!({"group": "staff", "except": ["2"]}), &[]),
    ] {
        let mut message = audience.clone();
        message["payload"] = json!("plain");
        assert_eq!(setup.push(&message), paths.len() as u64, "{audience}");
        let mut got: Vec<_> = paths.iter().map(|_| setup.service.next().path).collect();
        got.sort();
        assert_eq!(got, paths, "{audience}");
    }
    // Any payload, as it is.
    for (payload, text) in [(json!("a text"), "a text"), (json!({"a": [1]}), r#"{"a":[1]}"#)] {
        setup.push(&json!({"users": ["1"], "payload": payload}));
        assert_eq!(a.decrypt(&setup.service.next().body), text);
    }
    // The same once more is not sent.
    let once = json!({"users": ["1"], "title": "Once", "id": "once"});
    assert_eq!((setup.push(&once), setup.push(&once)), (1, 1));
    setup.service.next();
    setup.push(&json!({"users": ["1"], "payload": "next"}));
    assert_eq!(a.decrypt(&setup.service.next().body), "next");

    let seen = setup.api("GET", "/v1/push/subscriptions?user=2", &json!(null));
    let seen = &seen.json()["subscriptions"];
    assert_eq!(seen.as_array().unwrap().len(), 2);
    assert!(seen[0]["id"].as_str().unwrap().len() == 8 && seen[0]["made"].is_u64(), "{seen}");
    assert!(!seen.to_string().contains("/b"), "no endpoint is shown: {seen}");
    let removed = setup.api("DELETE", "/v1/push/subscriptions", &json!({"user": "2"}));
    assert_eq!((removed.status, removed.json()), (200, json!({"removed": 2})));
    let endpoint = &a.subscription["endpoint"];
    let removed = setup.api("DELETE", "/v1/push/subscriptions", &json!({"endpoint": endpoint}));
    assert_eq!(removed.json(), json!({"removed": 1}));
    assert_eq!(setup.push(&json!({"everyone": true, "title": "Nobody"})), 0);
}

#[test]
fn a_browser_that_is_gone_is_forgotten() {
    let setup = Setup::with(&["--metrics=127.0.0.1:0"]);
    let browser = setup.browser("/gone");
    setup.subscribe("42", &browser);
    setup.service.answer("410 Gone");
    assert_eq!(setup.push(&json!({"users": ["42"], "title": "Hi"})), 1);
    setup.service.next();
    let metrics = Metrics::of(&setup.server.process);
    metrics.until("pushnote_server_push_subscriptions", |subscriptions| subscriptions == 0.0);
    assert_eq!(setup.push(&json!({"users": ["42"], "title": "Hi"})), 0);
    let log = setup.server.process.log();
    assert!(!log.contains("/gone"), "{log}");
}

#[test]
fn a_page_of_another_origin_may_use_it_as_far_as_it_is_allowed() {
    let setup = Setup::with(&["--allowed-origin=https://shop.example"]);
    let address = &setup.server.address;
    let ask = |method, path, origin: &str| {
        pushnote_tests::ask(address, method, path, &[&format!("origin: {origin}")], "")
    };
    let allowed = ask("OPTIONS", "/push/subscribe", "https://shop.example");
    assert_eq!(allowed.status, 204);
    assert!(allowed.head.contains("access-control-allow-methods: post, delete"), "{allowed:?}");
    let key = ask("GET", "/push/key", "https://shop.example");
    assert!(key.head.contains("access-control-allow-origin: https://shop.example"), "{key:?}");
    assert_eq!(ask("GET", "/push/key", "https://evil.example").status, 403);
}

#[test]
fn web_push_is_off_unless_it_is_asked_for() {
    let single = pushnote_tests::Single::start();
    let answer = pushnote_tests::ask(&single.server.address, "GET", "/push/key", &[], "");
    assert_eq!(answer.status, 404);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[server]\nsingle = true\nvapid_subject = \"mailto:ops@localhost\"\n")
        .unwrap();
    let check = || {
        let path = file.path().display().to_string();
        let checked =
            Process::output("pushnote", &["config", "--check", &path], &[("PUSHNOTE_SECRET", SECRET)]);
        String::from_utf8(checked.stderr).unwrap()
    };
    let said = check();
    assert!(said.contains("with a dot in the host") && said.contains("line 3"), "{said}");
    std::fs::write(file.path(), "[server]\nsingle = true\nvapid_subject = \"mailto:ops@example.org\"\n")
        .unwrap();
    let said = check();
    assert!(said.contains("kept in --data-dir"), "{said}");

    let flags = ["--single", "--mq_socket=tcp://127.0.0.1:0", "--port=0"];
    for (more, words) in [
        (&["--vapid-subject=mailto:ops@example.org"][..], "kept in --data-dir"),
        (&["--vapid-subject=mailto:ops@localhost", "--data-dir=/nonexistent"], "--vapid-subject"),
        (&["--vapid-key-file=key.pem"], "--vapid-subject switches it on"),
    ] {
        let ended = Launch::server().arguments(flags.iter().chain(more).copied()).start_logged();
        ended.logged(words);
    }
}
