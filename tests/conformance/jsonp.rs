//! Polling with script elements, sending with forms.

use crate::client::{Request, Server};
use crate::transports::JSONP;

const FORM: &str = "application/x-www-form-urlencoded";

fn form(body: &str) -> Request {
    typed(FORM, body)
}

fn typed(content_type: &str, body: &str) -> Request {
    Request::new("POST", "/echo/000/a/jsonp_send").header("Content-Type", content_type).body(body)
}

#[track_caller]
fn sends(server: &Server, request: &Request, frame: &str) {
    let response = server.ask(request);
    assert_eq!((response.status, response.text().as_str()), (200, "ok"), "{response:?}");
    assert_eq!(server.poll("/echo/000/a"), format!("{frame}\n"));
}

#[test]
fn a_poll_is_a_call_in_a_script() {
    let server = Server::start();
    let response = server.get("/echo/000/a/jsonp?c=%63allback");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Content-Type"), Some("application/javascript; charset=UTF-8"));
    assert_eq!(response.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(response.text(), "/**/callback(\"o\");\r\n");
    server.send("/echo/000/a", r#"["x"]"#);
    assert_eq!(
        server.get("/echo/000/a/jsonp?c=_jp.a1b2c3d").text(),
        "/**/_jp.a1b2c3d(\"a[\\\"x\\\"]\");\r\n"
    );
}

#[test]
fn a_poll_needs_a_callback() {
    let server = Server::start();
    for query in ["", "?", "?t=1"] {
        let response = server.get(&format!("/echo/000/a/jsonp{query}"));
        assert_eq!(response.status, 500, "{query}");
        assert_eq!(response.text(), "\"callback\" parameter required");
    }
}

#[test]
fn a_callback_cannot_carry_a_script() {
    let server = Server::start();
    for callback in
        ["%20", "*", "abc(", "abc%28", "a%3Cscript%3E", "a%0D%0Ab", "%22", "'", "a;b", "%C3%A9", "a+b"]
    {
        let response = server.get(&format!("/echo/000/a/jsonp?c={callback}"));
        assert_eq!(response.status, 500, "{callback}");
        assert_eq!(response.text(), "invalid \"callback\" parameter", "{callback}");
    }
    assert_eq!(server.get("/echo/000/a/jsonp?c=").status, 500);
}

#[test]
fn a_refused_poll_makes_no_session() {
    let server = Server::start();
    for query in ["", "?c=%20"] {
        assert_eq!(server.get(&format!("/echo/000/a/jsonp{query}")).status, 500);
        assert_eq!(server.post("/echo/000/a/jsonp_send", r#"["a"]"#).status, 404);
    }
}

#[test]
fn a_send_is_answered_ok() {
    let server = Server::start();
    JSONP.gets_only(&server, "/echo/000/a", "o");
    let response = server.ask(&form("d=%5B%22x%22%5D"));
    assert_eq!(response.status, 200);
    assert_eq!(response.header("Content-Type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(response.text(), "ok");
    JSONP.gets_only(&server, "/echo/000/a", r#"a["x"]"#);
}

#[test]
fn the_field_of_a_form_is_decoded() {
    let server = Server::start();
    server.open("/echo/000/a");
    for (body, frame) in [
        ("d=%5B%22x%22%5D", r#"a["x"]"#),
        ("d=[%22a+b%2Bc%20d%22]", r#"a["a b+c d"]"#),
        ("d=%5B%22%25%26%3D%22%5D", r#"a["%&="]"#),
        ("d=%5B%22%C3%A9%22%5D", "a[\"\u{e9}\"]"),
        ("first=1&d=%5B%22x%22%5D&last=2", r#"a["x"]"#),
    ] {
        sends(&server, &form(body), frame);
    }
    sends(
        &server,
        &typed("application/x-www-form-urlencoded; charset=UTF-8", "d=%5B%22x%22%5D"),
        r#"a["x"]"#,
    );
}

#[test]
fn a_plain_body_is_not_decoded() {
    let server = Server::start();
    server.open("/echo/000/a");
    for content_type in ["text/plain", "text/plain; charset=UTF-8"] {
        sends(&server, &typed(content_type, r#"["%61+bc"]"#), r#"a["%61+bc"]"#);
    }
    sends(&server, &Request::new("POST", "/echo/000/a/jsonp_send").body(r#"["%61bc"]"#), r#"a["%61bc"]"#);
}

#[test]
fn the_query_of_a_send_is_ignored() {
    let server = Server::start();
    server.open("/echo/000/a");
    let send = Request::new("POST", "/echo/000/a/jsonp_send?i=%5B%22no%22%5D&d=%5B%22no%22%5D");
    sends(&server, &send.header("Content-Type", FORM).body("d=%5B%22yes%22%5D"), r#"a["yes"]"#);
}

#[test]
fn a_send_without_messages_fails_and_the_session_lives() {
    let server = Server::start();
    server.open("/echo/000/a");
    for request in [
        form(""),
        form("d="),
        form("d"),
        form("e=%5B%5D"),
        typed("text/plain", ""),
        typed("text/plain", "{}"),
        form("d=1"),
    ] {
        let response = server.ask(&request);
        assert_eq!((response.status, response.text().as_str()), (500, "Payload expected."), "{request:?}");
    }
    for request in [form("d=%5B%22x"), form("d=x"), form("d=%5B%22x%22%5Dy"), typed("text/plain", "[\"x")] {
        let response = server.ask(&request);
        assert_eq!(
            (response.status, response.text().as_str()),
            (500, "Broken JSON encoding."),
            "{request:?}"
        );
    }
    sends(&server, &form("d=%5B%22alive%22%5D"), r#"a["alive"]"#);
}
