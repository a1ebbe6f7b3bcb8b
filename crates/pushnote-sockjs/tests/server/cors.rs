//! CORS, caching and cookies.

use pushnote_sockjs::Transport;

use crate::support::{Head, Server};

fn assert_not_cached(answer: &Head) {
    assert_eq!(
        answer.header("cache-control"),
        "no-store, no-cache, no-transform, must-revalidate, max-age=0"
    );
    assert_eq!(answer.header("expires"), "-");
    assert_eq!(answer.header("last-modified"), "-");
}

#[tokio::test]
async fn origins_are_echoed_on_success_and_on_error() {
    let mut server = Server::start().await;
    server.open_polling("id").await;
    for (number, (origin, allowed, credentials)) in [
        ("", "*", "-"),
        ("Origin: http://a.example\r\n", "http://a.example", "true"),
        ("Origin: null\r\n", "null", "true"),
        ("Origin:\r\n", "*", "-"),
    ]
    .into_iter()
    .enumerate()
    {
        let poll = format!("/app/0/{number}/xhr");
        for (method, path, body, status) in [
            ("GET", "/app/info", "", 200),
            ("POST", poll.as_str(), "", 200),
            ("POST", "/app/0/id/xhr_send", "[\"x\"]", 204),
            ("POST", "/app/0/id/xhr_send", "", 500),
            ("POST", "/app/0/none/xhr_send", "[]", 404),
        ] {
            let answer = server.request(method, path, origin, body).await;
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{method} {path} {origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), credentials, "{path} {origin}");
            assert_eq!(answer.header("vary"), "Origin");
            assert_not_cached(&answer);
        }
    }
}

#[tokio::test]
async fn preflight() {
    let server = Server::start().await;
    for (path, methods) in [
        ("/app/info", "OPTIONS, GET"),
        ("/app/0/1/xhr", "OPTIONS, POST"),
        ("/app/0/1/xhr_send", "OPTIONS, POST"),
        ("/app/0/1/xhr_streaming", "OPTIONS, POST"),
    ] {
        let headers = "Origin: http://a.example\r\nAccess-Control-Request-Headers: a, b, c\r\n";
        let answer = server.request("OPTIONS", path, headers, "").await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        assert_eq!(answer.header("access-control-allow-methods"), methods);
        assert_eq!(answer.header("access-control-allow-headers"), "a, b, c");
        assert_eq!(answer.header("access-control-max-age"), "31536000");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000");
        assert_ne!(answer.header("expires"), "-");
        for headers in ["", "Access-Control-Request-Headers:\r\n"] {
            let answer = server.request("OPTIONS", path, headers, "").await;
            assert_eq!(answer.header("access-control-allow-headers"), "-");
        }
    }
    assert_eq!(server.sockjs.session_count(), 0);
}

#[tokio::test]
async fn the_sticky_cookie_is_off_unless_wanted() {
    let server = Server::start().await;
    assert_eq!(server.post("/app/0/1/xhr", "").await.header("set-cookie"), "-");

    let server = Server::with(|builder| builder.jsessionid(true)).await;
    for (method, path, body) in [
        ("POST", "/app/0/1/xhr", ""),
        ("POST", "/app/0/1/xhr_send", "[]"),
        ("OPTIONS", "/app/0/1/xhr", ""),
        ("GET", "/app/0/2/jsonp?c=x", ""),
        ("POST", "/app/0/2/jsonp_send", "[]"),
    ] {
        let answer = server.request(method, path, "", body).await;
        assert_eq!(answer.header("set-cookie"), "JSESSIONID=dummy; path=/", "{method} {path}");
    }
    let cookies = "Cookie: a=b; JSESSIONID=abcdef; c=d\r\n";
    let answer = server.request("POST", "/app/0/3/xhr", cookies, "").await;
    assert_eq!(answer.header("set-cookie"), "JSESSIONID=abcdef; path=/");
    assert_eq!(server.get("/app").await.header("set-cookie"), "-");
}

#[tokio::test]
async fn a_list_of_origins_keeps_other_pages_out() {
    let server = Server::with(|builder| {
        builder.allowed_origins(["https://good.example".parse().unwrap()]).sockjs_url("/s.js")
    })
    .await;
    let good = "Origin: https://good.example\r\n";
    let evil = "Origin: https://evil.example\r\n";

    let answer = server.request("POST", "/app/0/1/xhr", good, "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "o\n"));
    assert_eq!(answer.header("access-control-allow-origin"), "https://good.example");
    let answer = server.request("POST", "/app/0/2/xhr", evil, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, "-"));
    assert_eq!(server.request("POST", "/app/0/1/xhr_send", evil, "[\"x\"]").await.status, 403);
    let answer = server.request("OPTIONS", "/app/0/1/xhr", evil, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), "-");
    let answer = server.request("GET", "/app/info", evil, "").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "-"));
    assert!(!answer.body.contains("origins"));
    assert_eq!(server.get("/app/info").await.header("access-control-allow-origin"), "-");

    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n";
    for path in ["/app/0/1/websocket", "/app/websocket"] {
        assert_eq!(server.request("GET", path, &format!("{upgrade}{evil}"), "").await.status, 403, "{path}");
        assert_eq!(server.request("GET", path, &format!("{upgrade}{good}"), "").await.status, 101, "{path}");
    }
    for path in ["/app/iframe.html", "/app/0/1/htmlfile?c=x", "/app/0/1/jsonp?c=x"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn transports_that_are_not_offered_are_not_found() {
    let server = Server::with(|builder| builder.transports([Transport::XhrPolling])).await;
    assert_eq!(server.post("/app/0/1/xhr", "").await.body, "o\n");
    assert_eq!(server.post("/app/0/1/xhr_send", "[]").await.status, 204);
    for path in ["/app/0/2/xhr_streaming", "/app/0/2/jsonp_send"] {
        assert_eq!(server.post(path, "").await.status, 404, "{path}");
    }
    for path in [
        "/app/0/2/eventsource",
        "/app/0/2/htmlfile",
        "/app/0/2/jsonp",
        "/app/0/2/websocket",
        "/app/websocket",
    ] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
    assert!(server.get("/app/info").await.body.contains("\"websocket\":false"));
}
