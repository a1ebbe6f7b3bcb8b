//! Which URL answers what, beside the sessions.

use pushnote_sockjs::ClientScript;
use warp::Filter;

use crate::support::{Client, Server, serve};

#[tokio::test]
async fn greeting() {
    let server = Server::start().await;
    for path in ["/app", "/app/", "/app?x=1"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "Welcome to SockJS!\n"), "{path}");
        assert_eq!(answer.header("content-type"), "text/plain; charset=UTF-8");
        assert_eq!(answer.header("set-cookie"), "-");
    }
    let answer = server.request("HEAD", "/app", "", "").await;
    assert_eq!((answer.status, answer.header("content-length")), (200, "19"));
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let server = Server::start().await;
    for path in [
        "/app//",
        "/app///",
        "/app/a",
        "/app/a.html",
        "/app/a/a",
        "/app/a/a/",
        "/app/a/b/c",
        "/app//a/xhr",
        "/app/a./b/xhr",
        "/app/iframe.htm",
        "/app/iframexhtml",
        "/app/IFRAME.HTML",
        "/appX",
        "/",
        "/app%2finfo",
        "/app/sockjs-0.js",
    ] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
        assert_eq!(server.post(path, "").await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn wrong_methods() {
    let server = Server::with(|builder| builder.sockjs_url("/s.js")).await;
    for (method, path, allow) in [
        ("POST", "/app", "GET, HEAD"),
        ("POST", "/app/info", "GET, HEAD, OPTIONS"),
        ("POST", "/app/iframe.html", "GET, HEAD"),
        ("POST", "/app/websocket", "GET"),
        ("POST", "/app/0/1/websocket", "GET"),
        ("GET", "/app/0/1/xhr", "OPTIONS, POST"),
        ("GET", "/app/0/1/xhr_streaming", "OPTIONS, POST"),
        ("PUT", "/app/0/1/xhr_send", "OPTIONS, POST"),
        ("OPTIONS", "/app/0/1/jsonp", "GET"),
        ("POST", "/app/0/1/eventsource", "GET"),
        ("HEAD", "/app/0/1/htmlfile", "GET"),
        ("GET", "/app/0/1/jsonp_send", "POST"),
    ] {
        let answer = server.request(method, path, "", "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {path}");
        assert_eq!(answer.header("content-type"), "-", "{method} {path}");
        assert_eq!(answer.body, "");
    }
}

#[tokio::test]
async fn absolute_form_targets() {
    let server = Server::start().await;
    let answer = server.get("http://test/app/info").await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.get("http://test/elsewhere").await.status, 404);
    let answer = server.post("http://test/app/0/1/xhr", "").await;
    assert_eq!(answer.body, "o\n");
}

#[tokio::test]
async fn at_the_root_other_filters_have_their_turn() {
    let sockjs = pushnote_sockjs::SockJs::builder().build(|_: &_, _: &_| Ok(|_: &str| {}));
    let (addr, _accepting) = serve(sockjs.filter("/").or(warp::path!("page").map(|| "a page"))).await;
    for (path, body) in [("/", "Welcome to SockJS!\n"), ("/page", "a page")] {
        assert_eq!(Client::connect(addr).await.request("GET", path, "", "").await.body, body);
    }
    assert_eq!(Client::connect(addr).await.request("POST", "/0/1/xhr", "", "").await.body, "o\n");
}

#[tokio::test]
async fn nested_prefixes() {
    let server = Server::at("a/b/", |builder| builder).await;
    assert_eq!(server.get("/a/b/info").await.status, 200);
    assert_eq!(server.get("/b/info").await.status, 404);
}

#[tokio::test]
async fn info() {
    let server = Server::start().await;
    let mut entropies = Vec::new();
    for path in ["/app/info", "/app/info/", "/app/info?t=1"] {
        let answer = server.get(path).await;
        assert_eq!(answer.header("content-type"), "application/json; charset=UTF-8");
        assert_eq!(
            answer.header("cache-control"),
            "no-store, no-cache, no-transform, must-revalidate, max-age=0"
        );
        assert_eq!(answer.header("expires"), "-");
        let info: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(info["websocket"], true);
        assert_eq!(info["origins"], serde_json::json!(["*:*"]));
        assert_eq!(info["cookie_needed"], false);
        entropies.push(info["entropy"].as_u64().unwrap());
    }
    assert!(entropies.iter().all(|&entropy| entropy <= u64::from(u32::MAX)));
    assert!(entropies[0] != entropies[1] || entropies[1] != entropies[2], "{entropies:?}");

    let server = Server::with(|builder| builder.websocket(false).jsessionid(true).base_url("/x")).await;
    let answer = server.get("/app/info").await;
    let info: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(info["websocket"], false);
    assert_eq!(info["cookie_needed"], true);
    assert_eq!(info["base_url"], "/x");
    assert_eq!(answer.header("set-cookie"), "-");
}

#[tokio::test]
async fn iframe_page() {
    let server = Server::with(|builder| builder.sockjs_url("/lib/sockjs.js")).await;
    let page = server.get("/app/iframe.html").await;
    assert_eq!(page.header("content-type"), "text/html; charset=UTF-8");
    assert_eq!(page.header("cache-control"), "public, max-age=31536000");
    assert!(page.header("expires").ends_with("GMT"));
    assert_eq!(page.header("last-modified"), "-");
    assert!(page.body.contains("<script src=\"/lib/sockjs.js\"></script>"));
    for path in ["/app/iframe-.html", "/app/iframe-1.6.1.html?t=1"] {
        assert_eq!(server.get(path).await.body, page.body, "{path}");
    }

    let etag = page.header("etag").to_owned();
    for value in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let headers = format!("If-None-Match: {value}\r\n");
        let answer = server.request("GET", "/app/iframe.html", &headers, "").await;
        assert_eq!(answer.status, 304, "{value}");
        assert_eq!(answer.header("content-type"), "-");
        assert_eq!(answer.header("content-length"), "-");
        assert_eq!(answer.header("etag"), etag);
    }
    let answer = server.request("GET", "/app/iframe.html", "If-None-Match: \"x\"\r\n", "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn iframe_page_with_a_script_of_our_own() {
    let script = ClientScript::Content("var SockJS;".into());
    let server = Server::with(|builder| builder.sockjs_url(script)).await;
    let page = server.get("/app/iframe.html").await.body;
    let (_, rest) = page.split_once("<script src=\"").unwrap();
    let (path, _) = rest.split_once('"').unwrap();
    assert!(path.starts_with("/app/sockjs-"), "{path}");
    let answer = server.get(path).await;
    assert_eq!(answer.body, "var SockJS;");
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000");
    assert_eq!(answer.header("content-type"), "application/javascript; charset=UTF-8");
    assert_eq!(server.post(path, "").await.status, 405);
}

#[tokio::test]
async fn without_a_script_there_is_no_iframe_page() {
    let server = Server::start().await;
    assert_eq!(server.get("/app/iframe.html").await.status, 404);
    assert!(ClientScript::from_file("/does/not/exist.js").is_err());
}
