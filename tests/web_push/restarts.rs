//! What waits is sent once, whatever becomes of the server.

use std::time::Duration;

use serde_json::json;

use crate::setup::Setup;

#[test]
fn what_waits_is_sent_by_the_next_run_after_a_crash() {
    let mut setup = Setup::start();
    let key = setup.ask("GET", "/push/key", &json!(null)).json();
    let mut browser = setup.browser("/x");
    setup.subscribe("42", &browser);
    // For a minute the service wants nothing.
    setup.service.answer("503 Service Unavailable\r\nretry-after: 2");
    setup.push(&json!({"users": ["42"], "title": "First", "id": "1"}));
    let (_, first) = setup.read(&mut browser);
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
