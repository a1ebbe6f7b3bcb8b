//! A page that never ends, for browsers that know nothing better.

use crate::client::{Request, Server};
use crate::transports::HTMLFILE;

const PAGE: &str = r#"<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.callback;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>"#;

#[test]
fn the_page_begins_with_a_chunk_that_browsers_do_not_hold_back() {
    let server = Server::start();
    let (head, mut wire) = server.stream(&HTMLFILE.request("/echo/000/a"));
    assert_eq!(head.header("Content-Type"), Some("text/html; charset=UTF-8"));
    assert_eq!(head.header("Content-Length"), None);
    let page = wire.chunk().expect("a page");
    assert!(page.len() > 1024, "{} bytes", page.len());
    assert_eq!(page.trim(), PAGE);
}

#[test]
fn every_frame_is_a_script() {
    let server = Server::start();
    let mut wire = HTMLFILE.attach(&server, "/echo/000/a");
    assert_eq!(wire.chunk().as_deref(), Some("<script>\np(\"o\");\n</script>\r\n"));
    server.send("/echo/000/a", r#"["x"]"#);
    assert_eq!(wire.chunk().as_deref(), Some("<script>\np(\"a[\\\"x\\\"]\");\n</script>\r\n"));
}

#[test]
fn a_message_cannot_end_its_script() {
    let server = Server::start();
    let mut wire = HTMLFILE.open(&server, "/echo/000/a");
    for text in ["</script><script>alert(1)</script>", "</SCRIPT >", "</", "<!--<script>"] {
        server.send("/echo/000/a", serde_json::to_string(&[text]).expect("JSON"));
        let chunk = wire.chunk().expect("a script");
        let literal =
            chunk.strip_prefix("<script>\np(").and_then(|rest| rest.strip_suffix(");\n</script>\r\n"));
        let literal = literal.unwrap_or_else(|| panic!("a script, not {chunk:?}"));
        assert!(!literal.contains("</"), "{literal}");
        let frame: String = serde_json::from_str(literal).expect("a string literal");
        let messages: Vec<String> = serde_json::from_str(&frame[1..]).expect("messages");
        assert_eq!(messages, [text]);
    }
}

#[test]
fn the_callback_may_be_a_path_of_names() {
    let server = Server::start();
    for (query, callback) in [("_jp.a1b2c3d", "_jp.a1b2c3d"), ("a-B_9.z", "a-B_9.z"), ("%63%2Ed", "c.d")] {
        let (_, mut wire) =
            server.stream(&Request::get(&format!("/echo/000/{}/htmlfile?t=1&c={query}", query.len())));
        assert_eq!(wire.chunk().expect("a page").trim(), PAGE.replace("callback", callback));
    }
}

#[test]
fn a_page_needs_a_callback() {
    let server = Server::start();
    for query in ["", "?", "?t=1", "?callbac=x"] {
        let response = server.get(&format!("/echo/000/a/htmlfile{query}"));
        assert_eq!(response.status, 500, "{query}");
        assert_eq!(response.text(), "\"callback\" parameter required");
    }
}

#[test]
fn a_callback_cannot_carry_a_script() {
    let server = Server::start();
    for callback in [
        "%20",
        "*",
        "abc(",
        "abc%28",
        "a%3Cscript%3E",
        "a%0D%0Ab",
        "%22",
        "'",
        "a;b",
        "%C3%A9",
        "a+b",
        "a%00",
    ] {
        let response = server.get(&format!("/echo/000/a/htmlfile?c={callback}"));
        assert_eq!(response.status, 500, "{callback}");
        assert_eq!(response.text(), "invalid \"callback\" parameter", "{callback}");
    }
}

#[test]
fn an_empty_callback_is_refused() {
    assert_eq!(Server::start().get("/echo/000/a/htmlfile?c=").status, 500);
}

#[test]
fn a_refused_page_makes_no_session() {
    let server = Server::start();
    for query in ["", "?c=%20"] {
        assert_eq!(server.get(&format!("/echo/000/a/htmlfile{query}")).status, 500);
        assert_eq!(server.post("/echo/000/a/xhr_send", r#"["a"]"#).status, 404);
    }
}
