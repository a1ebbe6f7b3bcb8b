//! Polling with XMLHttpRequest, and sending.

use serde_json::Value;

use crate::client::{Request, Server};

#[track_caller]
fn fails(server: &Server, body: impl AsRef<[u8]>, text: &str) {
    let body = body.as_ref();
    let response = server.post("/echo/000/a/xhr_send", body);
    let shown = String::from_utf8_lossy(body);
    assert_eq!(response.status, 500, "{shown}");
    assert_eq!(response.text(), text, "{shown}");
    server.send("/echo/000/a", r#"["alive"]"#);
    assert_eq!(server.poll("/echo/000/a"), "a[\"alive\"]\n", "after {shown}");
}

#[test]
fn a_poll_is_one_line_of_javascript() {
    let server = Server::start();
    let response = server.post("/echo/000/a/xhr", "");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Content-Type"), Some("application/javascript; charset=UTF-8"));
    assert_eq!(response.text(), "o\n");
}

#[test]
fn a_poll_needs_no_body_and_no_length() {
    let server = Server::start();
    assert_eq!(server.ask(&Request::new("POST", "/echo/000/a/xhr")).text(), "o\n");
    let chunked = Request::new("POST", "/echo/000/b/xhr").header("Transfer-Encoding", "chunked");
    let mut wire = server.connect();
    wire.write([chunked.bytes(), b"0\r\n\r\n".to_vec()].concat());
    assert_eq!(wire.answer("POST").text(), "o\n");
    assert_eq!(server.post("/echo/000/c/xhr", "ignored").text(), "o\n");
}

#[test]
fn a_send_is_answered_with_no_content_of_a_type() {
    let server = Server::start();
    server.open("/echo/000/a");
    let response = server.post("/echo/000/a/xhr_send", r#"["a"]"#);
    assert_eq!(response.status, 204);
    assert_eq!(response.header("Content-Type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(response.text(), "");
    assert_eq!(server.poll("/echo/000/a"), "a[\"a\"]\n");
}

#[test]
fn a_body_that_holds_no_array_fails_and_the_session_lives() {
    let server = Server::start();
    server.open("/echo/000/a");
    for body in ["", "{}", r#"{"a":["b"]}"#, r#""text""#, "1", "-1.5e3", "null", "true", "false"] {
        fails(&server, body, "Payload expected.");
    }
}

#[test]
fn a_body_that_is_no_json_fails_and_the_session_lives() {
    let server = Server::start();
    server.open("/echo/000/a");
    for body in [
        r#"["a"#,
        "[",
        r#"["a"],"#,
        r#"["a"]x"#,
        r#"["a",]"#,
        "['a']",
        "\u{feff}[\"a\"]",
        "[\"a\nb\"]",
        "x",
        "[\"\\x\"]",
    ] {
        fails(&server, body, "Broken JSON encoding.");
    }
}

#[test]
fn white_space_around_messages_is_fine() {
    let server = Server::start();
    server.open("/echo/000/a");
    server.send("/echo/000/a", " \r\n\t[ \"a\" ,\n\"b\" ] \n");
    assert_eq!(server.poll("/echo/000/a"), "a[\"a\",\"b\"]\n");
}

#[test]
fn an_empty_array_is_no_message() {
    let server = Server::start();
    server.open("/echo/000/a");
    server.send("/echo/000/a", "[]");
    server.send("/echo/000/a", r#"["first"]"#);
    assert_eq!(server.poll("/echo/000/a"), "a[\"first\"]\n");
}

#[test]
fn empty_messages_are_messages() {
    let server = Server::start();
    server.open("/echo/000/a");
    server.send("/echo/000/a", r#"["",""]"#);
    assert_eq!(server.poll("/echo/000/a"), "a[\"\",\"\"]\n");
}

#[test]
fn elements_that_are_no_strings_end_nothing() {
    let server = Server::start();
    server.open("/echo/000/a");
    for body in ["[1]", "[null]", "[true]", r#"[{"a":1}]"#, "[[]]", r#"["x",1]"#] {
        let status = server.post("/echo/000/a/xhr_send", body).status;
        assert!([204, 500].contains(&status), "{status} to {body}");
    }
    server.send("/echo/000/a", r#"["alive"]"#);
    let frame = server.poll("/echo/000/a");
    let messages: Vec<Value> =
        serde_json::from_str(frame.strip_prefix('a').expect("messages")).expect("an array");
    assert!(messages.iter().all(Value::is_string), "{frame}");
    assert_eq!(messages.last(), Some(&"alive".into()), "{frame}");
}

#[test]
fn content_types_do_not_matter() {
    let server = Server::start();
    server.open("/echo/000/a");
    for content_type in [
        "text/plain",
        "T",
        "application/json",
        "application/xml",
        "text/xml",
        "",
        "text/plain; charset=UTF-8",
        "application/json; charset=utf-8",
        "application/xml;charset=UTF-8",
        "text/xml; charset=\"utf-8\"; a=b",
        "T; charset=UTF-8",
    ] {
        let send = Request::new("POST", "/echo/000/a/xhr_send").header("Content-Type", content_type);
        assert_eq!(server.ask(&send.body(r#"["a"]"#)).status, 204, "{content_type}");
        assert_eq!(server.poll("/echo/000/a"), "a[\"a\"]\n");
    }
    server.send("/echo/000/a", r#"["none"]"#);
}

#[test]
fn sends_keep_their_order() {
    let server = Server::start();
    server.open("/echo/000/a");
    let mut wire = server.connect();
    for number in 0..100 {
        let send = Request::new("POST", "/echo/000/a/xhr_send").body(format!("[\"{number}\"]"));
        assert_eq!(wire.ask(&send).status, 204);
    }
    let numbers: Vec<_> = (0..100).map(|number| format!("\"{number}\"")).collect();
    assert_eq!(server.poll("/echo/000/a"), format!("a[{}]\n", numbers.join(",")));
}

#[test]
fn a_body_may_come_in_chunks_of_a_byte() {
    let server = Server::start();
    server.open("/echo/000/a");
    let mut wire = server.connect();
    let send = Request::new("POST", "/echo/000/a/xhr_send").header("Transfer-Encoding", "chunked");
    wire.write(send.bytes());
    for byte in "[\"\u{e9}\u{1f600}\"]".bytes() {
        wire.write([b"1\r\n".as_slice(), &[byte], b"\r\n"].concat());
    }
    wire.write("0\r\n\r\n");
    assert_eq!(wire.answer("POST").status, 204);
    assert_eq!(server.poll("/echo/000/a"), "a[\"\u{e9}\\ud83d\\ude00\"]\n");
}

#[test]
fn a_body_without_bounds_is_refused_before_it_comes() {
    let server = Server::start();
    server.open("/echo/000/a");
    let send = Request::new("POST", "/echo/000/a/xhr_send").header("Content-Length", "999999999999");
    assert_eq!(server.connect().begin(&send).status, 413);
    server.send("/echo/000/a", r#"["alive"]"#);
}
