//! The webhook, heard and verified by a program in Python that has nothing of ours.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use pushnote_tests::Process;
use serde_json::{Value, json};

use crate::setup::Setup;

/// `webhook-secret-of-this-test-only` in base64.
const SECRET: &str = "d2ViaG9vay1zZWNyZXQtb2YtdGhpcy10ZXN0LW9ubHk=";

#[test]
fn the_application_hears_how_far_messages_have_come_by_signed_requests() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = tests.join("python/webhook.py");
    let hears = Process::spawn(Command::new(tests.join(".venv/bin/python")).arg(program).arg(SECRET));
    let port = hears.line_after("listening on ");
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    writeln!(secret, "whsec_{SECRET}").unwrap();
    let setup = Setup::with(&[
        &format!("--webhook-url=http://127.0.0.1:{port}/hook"),
        &format!("--webhook-secret-file={}", secret.path().display()),
        "--metrics=127.0.0.1:0",
    ]);
    let mut browser = setup.browser("/x");
    setup.subscribe("42", &browser);
    let push = json!({"title": "Hi", "after_s": 0});
    setup.api("POST", "/v1/publish", &json!({"users": [42], "data": 1, "id": "order 7", "push": push}));
    let (_, shown) = setup.read(&mut browser);
    let event = |line: String| -> (String, Value) {
        let (id, event) = line.split_once(' ').unwrap();
        (id.to_owned(), serde_json::from_str(event).unwrap())
    };
    let refused = hears.line_after("again ");
    let (again, pushed) = event(format!("msg_{}", hears.line_after("msg_")));
    assert_eq!(again, refused, "the same request comes again");
    assert_eq!(
        (&pushed["type"], &pushed["data"]),
        (&json!("message.pushed"), &json!({"id": "order 7", "user": "42"}))
    );
    assert!(pushed["timestamp"].as_str().unwrap().ends_with('Z'), "{pushed}");
    let page = include_str!("../../docs/web-push.md");
    let printed = page.lines().find(|line| line.starts_with("[{\"type\":\"message.pushed\"")).unwrap();
    let printed: Value = serde_json::from_str(printed).unwrap();
    let fields = |event: &Value| Vec::from_iter(event.as_object().unwrap().keys().cloned());
    assert_eq!(
        (fields(&printed[0]), fields(&printed[0]["data"])),
        (fields(&pushed), fields(&pushed["data"]))
    );

    setup.ask("POST", "/push/shown", &json!({"ack": shown["ack"]}));
    let (id, told) = event(format!("msg_{}", hears.line_after("msg_")));
    assert!(id != again && told["type"] == "message.shown", "{id} {told}");
    let metrics = pushnote_tests::Metrics::of(&setup.server.process);
    let page = metrics.until("pushnote_server_webhook_events_total", |told| told == 2.0);
    assert_eq!(pushnote_tests::sum(&page, "pushnote_server_webhook_failed_requests_total"), 1.0);
    assert!(!setup.server.process.log().contains(SECRET));
}
