//! Which URLs a service has, and how every other one is answered.

use crate::client::{Request, Response, Server};
use crate::websockets::handshake;

/// Methods and URLs under the base, with what they need.
const KNOWN: [(&str, &str); 14] = [
    ("GET", ""),
    ("GET", "/"),
    ("GET", "/info"),
    ("GET", "/iframe.html"),
    ("GET", "/websocket"),
    ("POST", "/000/known/xhr"),
    ("POST", "/000/known/xhr_streaming"),
    ("POST", "/000/known/xhr_send"),
    ("GET", "/000/known/eventsource"),
    ("GET", "/000/known/htmlfile"),
    ("GET", "/000/known/jsonp"),
    ("POST", "/000/known/jsonp_send"),
    ("GET", "/000/known/websocket"),
    ("OPTIONS", "/info"),
];

#[track_caller]
fn is_a_refused_method(response: &Response) {
    assert_eq!(response.status, 405, "{response:?}");
    assert!(response.header("Allow").is_some_and(|methods| !methods.is_empty()), "{response:?}");
    assert_eq!(response.header("Content-Type"), None, "{response:?}");
    assert_eq!(response.text(), "");
}

#[test]
fn the_base_greets_with_and_without_a_slash() {
    let server = Server::start();
    for target in ["/echo", "/echo/", "/echo?query", "/echo/?a=b"] {
        let response = server.get(target);
        assert_eq!(response.status, 200, "{target}");
        assert_eq!(response.header("Content-Type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(response.text(), "Welcome to SockJS!\n");
    }
}

#[test]
fn server_and_session_may_be_any_text_without_slash_and_dot() {
    let server = Server::start();
    for parts in ["a/a", "_/_", "1/1", "abcdefgh_i-j%20/abcdefg_i-j%20", "~/!$&'()*+,;=:@", "0/%2F%2E"] {
        server.open(&format!("/echo/{parts}"));
    }
}

#[test]
fn a_dot_or_an_empty_part_is_not_found() {
    let server = Server::start();
    for target in [
        "//xhr",
        "///xhr",
        "//abc/xhr",
        "/abc//xhr",
        "/a./a/xhr",
        "/a/a./xhr",
        "/./a/xhr",
        "/a/./xhr",
        "/../../xhr",
        "/a/a//xhr",
        "/./info",
    ] {
        assert_eq!(server.post(&format!("/echo{target}"), "").status, 404, "{target}");
        assert_eq!(server.get(&format!("/echo{target}")).status, 404, "{target}");
    }
}

#[test]
fn only_the_session_part_names_a_session() {
    let server = Server::start();
    server.open("/echo/000/same");
    server.send("/echo/111/same", r#"["a"]"#);
    assert_eq!(server.poll("/echo/999/same"), "a[\"a\"]\n");
}

#[test]
fn a_session_belongs_to_its_service() {
    let server = Server::start();
    server.open("/echo/000/same");
    assert_eq!(server.post("/amplify/000/same/xhr_send", r#"["1"]"#).status, 404);
    server.open("/amplify/000/same");
    server.send("/echo/000/same", r#"["still mine"]"#);
    assert_eq!(server.poll("/echo/000/same"), "a[\"still mine\"]\n");
}

#[test]
fn unknown_paths_are_not_found() {
    let server = Server::start();
    for target in
        ["//", "///", "/a", "/a/a", "/a/a/", "/a/b/c", "/a/b/c/d", "/a/b/xhrs", "/a/b/c/xhr", "/xhr"]
    {
        for method in ["GET", "POST"] {
            let response = server.ask(&Request::new(method, &format!("/echo{target}")).body(""));
            assert_eq!(response.status, 404, "{method} {target}");
        }
    }
}

#[test]
fn a_longer_name_is_not_this_service() {
    let server = Server::start();
    for target in ["/echoX", "/echoX/info", "/ech", "/Echo/info", "/"] {
        assert_eq!(server.get(target).status, 404, "{target}");
    }
}

#[test]
fn paths_are_compared_without_decoding() {
    let server = Server::start();
    for target in ["/echo/%69nfo", "/echo%2Finfo", "/echo/iframe%2Ehtml", "/echo/INFO"] {
        assert_eq!(server.get(target).status, 404, "{target}");
    }
    server.open("/echo/000/a");
    assert_eq!(server.poll("/echo/000/%61"), "o\n", "another session");
}

#[test]
fn the_query_is_ignored() {
    let server = Server::start();
    assert_eq!(server.get("/echo/info?t=1/2.3").status, 200);
    assert_eq!(server.post("/echo/000/a/xhr?t=1", "").text(), "o\n");
    assert_eq!(server.post("/echo/000/a/xhr_send?/x", "[]").status, 204);
}

#[test]
fn iframe_pages_may_have_a_version() {
    let server = Server::start();
    for name in [
        "iframe.html",
        "iframe-.html",
        "iframe-a.html",
        "iframe-0.1.2.html",
        "iframe-0.1.2abc-dirty.2144.html",
    ] {
        for query in ["", "?t=qweqweq123"] {
            let target = format!("/echo/{name}{query}");
            assert_eq!(server.get(&target).status, 200, "{target}");
        }
    }
}

#[test]
fn what_only_resembles_an_iframe_page_is_not_found() {
    let server = Server::start();
    for name in [
        "iframe.htm",
        "iframe",
        "IFRAME.HTML",
        "IFRAME",
        "iframe.HTML",
        "iframe.xml",
        "iframe-/.html",
        "iframexhtml",
        "iframe-A.html",
        "xiframe.html",
        "iframe.html.",
    ] {
        assert_eq!(server.get(&format!("/echo/{name}")).status, 404, "{name}");
    }
}

#[test]
fn a_wrong_method_is_refused_with_an_empty_body() {
    let server = Server::start();
    for (right, target) in KNOWN {
        let wrong = if right == "POST" { "GET" } else { "POST" };
        for method in [wrong, "PUT", "DELETE"] {
            is_a_refused_method(&server.ask(&Request::new(method, &format!("/echo{target}")).body("")));
        }
    }
}

#[test]
fn a_refused_method_is_told_the_right_one() {
    let server = Server::start();
    for (right, target) in KNOWN {
        let response = server.ask(&Request::new("PUT", &format!("/echo{target}")).body(""));
        let allowed = response.header("Allow").expect("the methods").to_owned();
        assert!(
            allowed.split(", ").any(|method| method == right),
            "{right} is not in {allowed:?} of {target}"
        );
    }
}

#[test]
fn a_websocket_url_refuses_post_with_and_without_upgrade() {
    let server = Server::start();
    for target in ["/echo/websocket", "/echo/000/a/websocket"] {
        is_a_refused_method(&server.post(target, ""));
        let post = Request::post(target)
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        is_a_refused_method(&server.ask(&post));
    }
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start();
    for target in ["/echo", "/echo/", "/echo/info", "/echo/iframe.html"] {
        let (get, head) = (server.get(target), server.ask(&Request::new("HEAD", target)));
        assert_eq!(head.status, 200, "{target}");
        for name in ["Content-Type", "Cache-Control", "ETag"] {
            assert_eq!(head.header(name), get.header(name), "{target}");
        }
    }
}

#[test]
fn head_leaves_nothing_on_the_connection() {
    let server = Server::start();
    let mut wire = server.connect();
    wire.ask(&Request::new("HEAD", "/echo/info"));
    assert_eq!(wire.ask(&Request::get("/echo")).text(), "Welcome to SockJS!\n");
}

#[test]
fn a_target_may_name_the_host() {
    let server = Server::start();
    for target in ["/echo", "/echo/info", "/echo/iframe.html"] {
        let target = format!("http://{}{target}", server.address());
        assert_eq!(server.get(&target).status, 200, "{target}");
    }
    let session = format!("http://{}/echo/000/a", server.address());
    server.open(&session);
    let upgrade = handshake(&format!("http://{}/echo/websocket", server.address()));
    assert_eq!(server.connect().begin(&upgrade).status, 101);
}
