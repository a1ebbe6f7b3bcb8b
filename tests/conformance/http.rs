//! Connections that are kept, and clients of HTTP/1.0.

use std::time::{Duration, Instant};

use crate::client::{Request, Server, Wire};
use crate::transports::{ALL, JSONP, POLLING, STREAMING, XHR};

/// The protocol says 0.1 s; a busy machine needs more, a server that waits for the client far more.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Every request with a short answer, on one connection in this order.
fn short() -> [Request; 11] {
    [
        XHR.request("/echo/000/a"),
        Request::new("POST", "/echo/000/a/xhr_send").body(r#"["a"]"#),
        XHR.request("/echo/000/a"),
        Request::new("POST", "/echo/000/a/jsonp_send").body(r#"["a"]"#),
        JSONP.request("/echo/000/a"),
        Request::get("/echo"),
        Request::get("/echo/info"),
        Request::get("/echo/iframe.html"),
        Request::new("OPTIONS", "/echo/000/a/xhr"),
        Request::get("/echo/000/a/xhr"),
        Request::get("/echo/a/b/c"),
    ]
}

#[track_caller]
fn is_closed(wire: &mut Wire) {
    assert_eq!(wire.byte(), None, "the end of the connection");
}

#[test]
fn all_short_answers_leave_the_connection_open() {
    let server = Server::start();
    let mut wire = server.connect();
    for request in short() {
        let response = wire.ask(&request);
        assert_eq!(response.version, "HTTP/1.1");
        let connection = response.header("Connection").unwrap_or("keep-alive");
        assert!(connection.eq_ignore_ascii_case("keep-alive"), "{response:?}");
    }
}

#[test]
fn failed_sends_leave_the_connection_open() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.ask(&XHR.request("/echo/000/a"));
    for (session, body, status) in
        [("a", "", 500), ("a", "broken", 500), ("b", r#"["a"]"#, 404), ("a", r#"["a"]"#, 204)]
    {
        let send = Request::new("POST", &format!("/echo/000/{session}/xhr_send")).body(body);
        assert_eq!(wire.ask(&send).status, status);
    }
    assert_eq!(wire.ask(&XHR.request("/echo/000/a")).text(), "a[\"a\"]\n");
}

#[test]
fn a_stream_ends_with_its_connection_and_says_so() {
    let server = Server::start();
    for transport in STREAMING {
        for frame in ["o", r#"c[3000,"Go away!"]"#] {
            let mut wire = server.connect();
            let response = wire.ask(&transport.request(&format!("/close/000/{}", transport.name.len())));
            assert!(response.text().contains(&transport.wrapped(frame)), "{response:?}");
            assert_eq!(response.header("Connection"), Some("close"));
            assert_eq!(wire.rest(), "", "{transport:?}");
        }
    }
}

#[test]
fn every_answer_says_where_it_ends() {
    let server = Server::start();
    for request in short() {
        let response = server.ask(&request);
        let length = response.header("Content-Length");
        assert!(response.status == 204 || length.is_some() || response.is_chunked(), "{response:?}");
        assert!(length.is_none() || !response.is_chunked(), "{response:?}");
    }
}

#[test]
fn an_answer_without_content_has_no_length_and_no_chunks() {
    let server = Server::start();
    server.open("/echo/000/a");
    for request in [
        Request::new("POST", "/echo/000/a/xhr_send").body(r#"["a"]"#),
        Request::new("OPTIONS", "/echo/000/a/xhr"),
        Request::get("/echo/iframe.html").header("If-None-Match", "*"),
    ] {
        let mut wire = server.connect();
        let response = wire.ask(&request);
        assert!([204, 304].contains(&response.status), "{response:?}");
        assert!(!response.is_chunked(), "{response:?}");
        assert_eq!(response.header("Content-Length"), None, "{response:?}");
        // A body would stand before the next answer.
        assert_eq!(wire.ask(&Request::get("/echo")).text(), "Welcome to SockJS!\n");
    }
}

#[test]
fn a_stream_is_chunked_for_a_client_of_http_1_1() {
    let server = Server::start();
    for transport in STREAMING {
        let (head, _) = server.stream(&transport.request(&format!("/echo/000/{}", transport.name.len())));
        assert_eq!(head.version, "HTTP/1.1");
        assert_eq!(head.header("Content-Length"), None);
    }
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks_and_an_end() {
    let server = Server::start();
    for request in short() {
        let mut wire = server.connect();
        let response = wire.ask(&request.http10());
        assert_eq!(response.header("Transfer-Encoding"), None, "{response:?}");
        is_closed(&mut wire);
    }
}

#[test]
fn a_client_of_http_1_0_may_keep_a_connection_whose_answers_have_a_length() {
    let server = Server::start();
    let mut wire = server.connect();
    let mut kept = 0;
    for request in short() {
        let response = wire.ask(&request.http10().header("Connection", "Keep-Alive"));
        assert_eq!(response.header("Transfer-Encoding"), None, "{response:?}");
        let keeps =
            response.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("keep-alive"));
        if keeps {
            assert!(response.status == 204 || response.header("Content-Length").is_some(), "{response:?}");
            kept += 1;
        } else {
            is_closed(&mut wire);
            wire = server.connect();
        }
    }
    assert!(kept > 0, "no connection was kept");
}

#[test]
fn a_stream_to_a_client_of_http_1_0_is_plain_and_ends_by_closing() {
    let server = Server::start();
    for transport in STREAMING {
        let session = format!("/close/000/{}", transport.name.len());
        for connection in ["close", "Keep-Alive"] {
            let request = transport.request(&format!("{session}{connection}")).http10();
            let mut wire = server.connect();
            let head = wire.begin(&request.header("Connection", connection));
            assert_eq!(head.status, 200, "{head:?}");
            assert_eq!(head.header("Transfer-Encoding"), None, "{head:?}");
            assert_eq!(head.header("Content-Length"), None, "{head:?}");
            let frames = transport.wrapped("o") + &transport.wrapped(r#"c[3000,"Go away!"]"#);
            let begun = Instant::now();
            let body = wire.rest();
            assert!(body.ends_with(&frames), "{transport:?}: {body:?}");
            assert!(begun.elapsed() < AT_ONCE, "{:?} until the end", begun.elapsed());
        }
    }
}

#[test]
fn frames_reach_a_client_of_http_1_0_at_once() {
    let server = Server::start();
    for transport in STREAMING {
        let session = format!("/echo/000/{}", transport.name.len());
        let mut wire = server.connect();
        assert_eq!(wire.begin(&transport.request(&session).http10()).status, 200);
        for frame in ["o", r#"a["x"]"#] {
            let wrapped = transport.wrapped(frame);
            let mut body = String::new();
            while !body.ends_with(&wrapped) {
                body += &wire.line();
            }
            server.send(&session, r#"["x"]"#);
        }
    }
}

#[test]
fn polls_of_a_client_of_http_1_0_work() {
    let server = Server::start();
    for transport in POLLING {
        let session = format!("/echo/000/{}", transport.name.len());
        let poll = transport.request(&session).http10();
        assert_eq!(server.ask(&poll).text(), transport.wrapped("o"));
        let send = Request::new("POST", &format!("{session}/xhr_send")).http10();
        assert_eq!(server.ask(&send.body(r#"["x"]"#)).status, 204);
        assert_eq!(server.ask(&poll).text(), transport.wrapped(r#"a["x"]"#));
    }
}

#[test]
fn a_client_may_ask_for_the_end_of_the_connection() {
    let server = Server::start();
    for (number, transport) in ALL.into_iter().enumerate() {
        let mut wire = server.connect();
        let session = format!("/close/000/{number}");
        XHR.gets_only(&server, &session, "o");
        let response = wire.ask(&transport.request(&session).header("Connection", "close"));
        assert!(response.text().ends_with(&transport.wrapped(r#"c[3000,"Go away!"]"#)), "{response:?}");
        is_closed(&mut wire);
    }
}
