//! Server-sent events.

use crate::client::Server;
use crate::transports::EVENTSOURCE;

#[test]
fn every_frame_is_an_event() {
    let server = Server::start();
    let (head, mut wire) = server.stream(&EVENTSOURCE.request("/echo/000/a"));
    assert_eq!(head.header("Content-Type"), Some("text/event-stream"));
    assert_eq!(head.header("Content-Length"), None);
    assert_eq!(wire.chunk().as_deref(), Some("\r\n"));
    assert_eq!(wire.chunk().as_deref(), Some("data: o\r\n\r\n"));
    server.send("/echo/000/a", r#"["x","y"]"#);
    let events = wire.chunk().expect("an event");
    // One frame for both, or one for each.
    if events != "data: a[\"x\",\"y\"]\r\n\r\n" {
        assert_eq!(events, "data: a[\"x\"]\r\n\r\n");
        assert_eq!(wire.chunk().as_deref(), Some("data: a[\"y\"]\r\n\r\n"));
    }
}

#[test]
fn percent_signs_are_escaped_because_the_client_decodes() {
    let server = Server::start();
    let mut wire = EVENTSOURCE.open(&server, "/echo/000/a");
    for (text, escaped) in [("%20", "%2520"), ("100%", "100%25"), ("%%", "%25%25"), ("%0D%0A", "%250D%250A")]
    {
        server.send("/echo/000/a", format!("[\"{text}\"]"));
        assert_eq!(wire.chunk(), Some(format!("data: a[\"{escaped}\"]\r\n\r\n")));
    }
}

#[test]
fn line_ends_in_a_message_do_not_end_the_event() {
    let server = Server::start();
    let mut wire = EVENTSOURCE.open(&server, "/echo/000/a");
    server.send("/echo/000/a", r#"["\r\n\u0000\u2028"]"#);
    let event = wire.chunk().expect("an event");
    let frame =
        event.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\r\n\r\n")).expect("an event");
    assert!(!frame.contains(['\r', '\n', '\0']), "{frame:?}");
    let messages: Vec<String> = serde_json::from_str(&frame[1..]).expect("messages");
    assert_eq!(messages, ["\r\n\0\u{2028}"]);
}
