//! What waits is sent once, whatever becomes of the server.

use std::collections::HashMap;
use std::time::Duration;

use pushnote_tests::{Metrics, Process, SECRET};
use serde_json::json;

use crate::setup::Setup;

#[test]
fn what_waits_is_sent_by_the_next_run_after_a_crash() {
    let mut setup = Setup::with(&["--metrics=127.0.0.1:0"]);
    let key = setup.ask("GET", "/push/key", &json!(null)).json();
    let mut browser = setup.browser("/x");
    setup.subscribe("42", &browser);
    // For a minute the service wants nothing.
    setup.service.answer("503 Service Unavailable\r\nretry-after: 2");
    setup.push(&json!({"users": ["42"], "title": "First", "id": "1"}));
    let (_, first) = setup.read(&mut browser);
    // It has heard so: what comes now is not on its way when it is killed, which would repeat it.
    Metrics::of(&setup.server.process).until("pushnote_server_push_pauses", |pauses| pauses == 1.0);
    setup.push(&json!({"users": ["42"], "title": "Second", "id": "2"}));
    setup.crash_and_restart();
    assert_eq!(setup.ask("GET", "/push/key", &json!(null)).json(), key);
    assert_eq!(setup.subscribe("42", &browser).status, 200, "it is known");
    let mut titles = [setup.read(&mut browser).1, setup.read(&mut browser).1];
    titles.sort_by_key(|shown| shown["id"].to_string());
    assert_eq!((&titles[0]["title"], &titles[1]["title"]), (&json!("First"), &json!("Second")));
    let ack = &first["ack"];
    assert_eq!(&titles[0]["ack"], ack);
    assert_eq!(setup.ask("POST", "/push/shown", &json!({"ack": ack})).status, 204, "of the run before");
    assert!(setup.service.is_silent_for(Duration::from_millis(500)), "each comes once");
}

#[test]
fn what_waits_is_sent_by_the_next_run_after_an_end_in_good_order() {
    let mut setup = Setup::start();
    let mut browser = setup.browser("/x");
    setup.subscribe("42", &browser);
    setup.service.answer("503 Service Unavailable\r\nretry-after: 2");
    setup.push(&json!({"users": ["42"], "title": "First"}));
    setup.service.next();
    setup.restart();
    assert_eq!(setup.read(&mut browser).1["title"], "First");
}

#[test]
fn of_ten_thousand_messages_a_kill_loses_none_and_repeats_what_was_on_its_way_alone() {
    const BROWSERS: u32 = 10_000;
    /// Requests at once to one service.
    const IN_FLIGHT_MAX: usize = 32;
    let mut setup = Setup::with_imported(BROWSERS, &["--metrics=127.0.0.1:0"]);
    let message = json!({"everyone": true, "title": "Hi", "id": "all", "topic": "news"});
    assert_eq!(setup.push(&message), u64::from(BROWSERS));
    let mut received: Vec<_> = (0..BROWSERS / 3).map(|_| setup.service.next()).collect();
    setup.server.process.kill();
    received.extend(setup.service.take());
    assert!(received.len() < BROWSERS as usize, "it was killed too late");
    setup.crash_and_restart();
    Metrics::of(&setup.server.process).until("pushnote_server_push_waiting", |waiting| waiting == 0.0);
    received.extend(setup.service.take());

    let mut times: HashMap<&str, usize> = HashMap::new();
    for message in &received {
        assert_eq!(message.header("topic"), Some("news"), "which makes one of two");
        *times.entry(&message.path).or_default() += 1;
    }
    assert_eq!(times.len(), BROWSERS as usize, "none is lost");
    let twice = received.len() - times.len();
    assert!(twice <= IN_FLIGHT_MAX, "{twice} came twice");
    let standing = setup.api("GET", "/v1/messages/all", &json!(null)).json();
    assert_eq!(
        standing["push"],
        json!({"queued": 0, "accepted": BROWSERS, "gone": 0, "failed": 0, "expired": 0, "cancelled": 0})
    );
}

#[test]
fn a_lost_key_is_warned_of_and_no_other_is_made_under_a_name() {
    let mut setup = Setup::start();
    setup.subscribe("42", &setup.browser("/x"));
    let file = |name| setup.data.path().join(name);
    let (key, other) = (file("vapid.pem"), file("other.pem"));
    std::fs::rename(&key, file("copy.pem")).unwrap();
    setup.restart();
    setup.server.process.logged("the key that browsers have subscribed with is not here");
    setup.server.process.terminate();
    assert!(setup.server.process.ended().success());

    let arguments = [
        "--single".to_owned(),
        "--mq_socket=tcp://127.0.0.1:0".to_owned(),
        "--port=0".to_owned(),
        "--vapid-subject=mailto:ops@example.org".to_owned(),
        format!("--data-dir={}", setup.data.path().display()),
        format!("--vapid-key-file={}", other.display()),
    ];
    let refused = Process::output(
        "pushnote-server",
        &arguments.each_ref().map(String::as_str),
        &[("PUSHNOTE_SECRET", SECRET)],
    );
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains("other.pem is missing, and 1 browsers have subscribed"), "{said}");
    assert!(!other.exists());
}
