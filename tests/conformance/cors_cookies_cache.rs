//! Headers for other origins, for load balancers and for caches.

use crate::client::{Request, Response, Server};
use crate::transports::{ALL, EVENTSOURCE, HTMLFILE, JSONP, XHR, XHR_STREAMING};
use crate::websockets::handshake;

/// URLs which pages of other origins may read, with an answer that ends or not.
fn shared(server: &Server, add: impl Fn(Request) -> Request) -> Vec<Response> {
    server.open("/echo/000/shared");
    let requests = [
        Request::get("/echo/info"),
        Request::new("OPTIONS", "/echo/info"),
        Request::new("OPTIONS", "/echo/000/a/xhr"),
        Request::new("OPTIONS", "/echo/000/a/xhr_streaming"),
        Request::new("OPTIONS", "/echo/000/a/xhr_send"),
        XHR.request("/echo/000/a"),
        XHR_STREAMING.request("/echo/000/b"),
        EVENTSOURCE.request("/echo/000/c"),
        Request::new("POST", "/echo/000/shared/xhr_send").body(r#"["a"]"#),
        // Without the headers a browser reports status 0 instead of these failures.
        Request::new("POST", "/echo/000/unknown/xhr_send").body(r#"["a"]"#),
        Request::new("POST", "/echo/000/shared/xhr_send").body("broken"),
        Request::new("POST", "/echo/000/shared/xhr_send").body(""),
    ];
    requests.into_iter().map(|request| server.connect().begin(&add(request))).collect()
}

#[test]
fn without_an_origin_all_may_read_but_with_no_credentials() {
    for response in shared(&Server::start(), |request| request) {
        assert_eq!(response.header("Access-Control-Allow-Origin"), Some("*"), "{response:?}");
        assert_eq!(response.header("Access-Control-Allow-Credentials"), None, "{response:?}");
    }
}

#[test]
fn an_origin_is_named_back_and_may_use_credentials() {
    for origin in ["http://example.org", "https://a.example:8443", "null"] {
        for response in shared(&Server::start(), |request| request.header("Origin", origin)) {
            assert_eq!(response.header("Access-Control-Allow-Origin"), Some(origin), "{response:?}");
            assert_eq!(response.header("Access-Control-Allow-Credentials"), Some("true"), "{response:?}");
        }
    }
}

#[test]
fn answers_vary_by_origin() {
    for origin in [None, Some("http://example.org")] {
        let add = |request: Request| match origin {
            Some(origin) => request.header("Origin", origin),
            None => request,
        };
        for response in shared(&Server::start(), add) {
            let vary = response.header("Vary").unwrap_or_default();
            assert!(vary.split(',').any(|name| name.trim().eq_ignore_ascii_case("origin")), "{response:?}");
        }
    }
}

#[test]
fn requested_headers_are_allowed_as_they_were_asked() {
    let server = Server::start();
    for target in ["/echo/info", "/echo/000/a/xhr", "/echo/000/a/xhr_streaming", "/echo/000/a/xhr_send"] {
        for wanted in ["a, b, c", "X-Custom,x-OTHER"] {
            let options = Request::new("OPTIONS", target).header("Access-Control-Request-Headers", wanted);
            assert_eq!(server.ask(&options).header("Access-Control-Allow-Headers"), Some(wanted), "{target}");
        }
    }
}

#[test]
fn no_requested_headers_are_answered_with_none() {
    let server = Server::start();
    for target in ["/echo/info", "/echo/000/a/xhr", "/echo/000/a/xhr_streaming", "/echo/000/a/xhr_send"] {
        let options = Request::new("OPTIONS", target);
        let empty = options.clone().header("Access-Control-Request-Headers", "");
        for request in [options, empty] {
            assert_eq!(server.ask(&request).header("Access-Control-Allow-Headers"), None, "{target}");
        }
    }
}

#[test]
fn options_are_empty_and_kept_for_a_year() {
    let server = Server::start();
    for (target, methods) in [
        ("/echo/info", "OPTIONS, GET"),
        ("/echo/000/a/xhr", "OPTIONS, POST"),
        ("/echo/000/a/xhr_streaming", "OPTIONS, POST"),
        ("/echo/000/a/xhr_send", "OPTIONS, POST"),
    ] {
        let response = server.ask(&Request::new("OPTIONS", target));
        assert!(matches!(response.status, 200 | 204), "{response:?}");
        assert_eq!(response.text(), "");
        assert_eq!(response.header("Access-Control-Allow-Methods"), Some(methods));
        assert_eq!(response.header("Access-Control-Max-Age"), Some("31536000"));
        response.may_be_cached();
    }
}

/// Every transport URL of the service, in the order in which a session can be used.
fn transport_requests(service: &str) -> Vec<Request> {
    let url = |session: &str, name: &str| format!("{service}/000/{session}/{name}");
    let receivers = ALL.iter().enumerate();
    let mut requests: Vec<_> = receivers
        .map(|(number, transport)| transport.request(&format!("{service}/000/session{number}")))
        .collect();
    requests
        .extend(["xhr", "xhr_streaming", "xhr_send"].map(|name| Request::new("OPTIONS", &url("a", name))));
    requests.push(Request::new("POST", &url("session0", "xhr_send")).body(r#"["a"]"#));
    requests.push(Request::new("POST", &url("session0", "jsonp_send")).body(r#"["a"]"#));
    requests
}

#[test]
fn a_session_cookie_is_set_on_every_transport() {
    let server = Server::start();
    for request in transport_requests("/cookie_needed_echo") {
        let response = server.connect().begin(&request);
        assert_eq!(response.header("Set-Cookie"), Some("JSESSIONID=dummy; path=/"), "{response:?}");
    }
}

#[test]
fn a_session_cookie_is_kept_as_it_is() {
    let server = Server::start();
    for request in transport_requests("/cookie_needed_echo") {
        let request = request.header("Cookie", "first=1; JSESSIONID=abcdef; last=2");
        let response = server.connect().begin(&request);
        assert_eq!(response.header("Set-Cookie"), Some("JSESSIONID=abcdef; path=/"), "{response:?}");
    }
}

#[test]
fn no_cookie_is_set_unless_it_is_needed() {
    for cookie in ["JSESSIONID=abcdef", "other=1"] {
        let server = Server::start();
        for request in transport_requests("/echo") {
            let response = server.connect().begin(&request.header("Cookie", cookie));
            assert_eq!(response.header("Set-Cookie"), None, "{response:?}");
        }
    }
}

#[test]
fn pages_and_websockets_set_no_cookie() {
    let server = Server::start();
    for service in ["/echo", "/cookie_needed_echo"] {
        for path in ["", "/", "/info", "/iframe.html"] {
            assert_eq!(server.get(&format!("{service}{path}")).header("Set-Cookie"), None, "{service}{path}");
        }
        for path in ["/websocket", "/000/a/websocket"] {
            let response = server.connect().begin(&handshake(&format!("{service}{path}")));
            assert_eq!(response.status, 101, "{response:?}");
            assert_eq!(response.header("Set-Cookie"), None, "{response:?}");
        }
    }
}

#[test]
fn nothing_of_a_session_may_be_cached() {
    let server = Server::start();
    server.get("/echo/info").must_not_be_cached();
    for (number, transport) in ALL.into_iter().enumerate() {
        let head = server.connect().begin(&transport.request(&format!("/echo/000/session{number}")));
        assert_eq!(head.status, 200, "{head:?}");
        head.must_not_be_cached();
    }
}

#[test]
fn no_answer_to_a_send_may_be_cached() {
    let server = Server::start();
    server.open("/echo/000/a");
    for name in ["xhr_send", "jsonp_send"] {
        for (session, body, statuses) in [
            ("a", r#"["a"]"#, [200, 204]),
            ("a", "", [500, 500]),
            ("a", "broken", [500, 500]),
            ("unknown", "[]", [404, 404]),
        ] {
            let response = server.post(&format!("/echo/000/{session}/{name}"), body);
            assert!(statuses.contains(&response.status), "{response:?}");
            response.must_not_be_cached();
        }
    }
}

#[test]
fn no_refused_callback_may_be_cached() {
    let server = Server::start();
    for transport in [HTMLFILE, JSONP] {
        let name = transport.name.split('?').next().expect("a name");
        for query in ["", "?c=%20"] {
            let response = server.get(&format!("/echo/000/a/{name}{query}"));
            assert_eq!(response.status, 500);
            response.must_not_be_cached();
        }
    }
}
