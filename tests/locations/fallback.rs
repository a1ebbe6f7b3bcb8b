//! The application behind gets all that is not push.

use std::process::Command;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pushnote_tests::requests::{begin, rest};
use pushnote_tests::{Browser, Metrics, PATIENCE, Process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::application::Application;
use crate::site::{LOCATIONS, Relay};

fn before(application: &str, arguments: &[&str]) -> Relay {
    Relay::with(&format!("fallback = 'http://{application}'\n{LOCATIONS}"), arguments)
}

/// Reads until `part` has come.
async fn until(stream: &mut TcpStream, part: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).contains(part) {
        let read = timeout(Duration::from_secs(20), stream.read_buf(&mut bytes)).await;
        assert!(read.expect("more").unwrap() > 0, "ended: {}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_request_is_passed_on_as_it_is_with_where_it_comes_from() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &[]);
    let headers = [
        ("Cookie", "a=b"),
        ("X-Hop", "1"),
        ("X-Forwarded-For", "192.0.2.1"),
        ("X_Forwarded_Proto", "https"),
        ("Keep-Alive", "timeout=5"),
    ];
    let asked = begin(relay.address(), "PUT", "/any/path%20?query=1&b", &headers, b"body").await;
    let request = application.next().await;
    assert!(request.head.starts_with("PUT /any/path%20?query=1&b HTTP/1.1\n"), "{}", request.head);
    assert_eq!(request.body, "body");
    let host = relay.address();
    for line in ["cookie: a=b", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"] {
        assert!(request.has(line), "no {line} in {}", request.head);
    }
    assert!(request.has(&format!("host: {host}")) && request.has(&format!("x-forwarded-host: {host}")));
    for line in [
        "keep-alive: timeout=5",
        "connection: close",
        "x-forwarded-for: 192.0.2.1",
        "x_forwarded_proto: https",
    ] {
        assert!(!request.has(line), "{line} in {}", request.head);
    }
    request.answer("HTTP/1.1 418 Teapot\r\nX-Own: 1\r\nKeep-Alive: timeout=9\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 3\r\n\r\ntea").await;
    let answer = rest(asked).await;
    assert_eq!((answer.status, answer.text(), answer.header("x-own")), (418, "tea", Some("1")));
    assert_eq!(answer.head.matches("set-cookie: ").count(), 2);
    assert_eq!(answer.header("keep-alive"), None);
}

#[tokio::test]
async fn a_trusted_proxy_says_where_a_request_comes_from() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &["--trusted-proxy=127.0.0.1"]);
    let headers =
        [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "site")];
    let _asked = begin(relay.address(), "GET", "/", &headers, b"").await;
    let request = application.next().await;
    for line in
        ["x-forwarded-for: 192.0.2.1, 127.0.0.1", "x-forwarded-proto: https", "x-forwarded-host: site"]
    {
        assert!(request.has(line), "no {line} in {}", request.head);
    }
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &[]);
    let mut client = TcpStream::connect(relay.address()).await.unwrap();
    let head = "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(format!("{head}3\r\none\r\n").as_bytes()).await.unwrap();
    let mut request = application.next().await;
    if !request.body.contains("one") {
        until(&mut request.stream, "one").await;
    }
    client.write_all(b"3\r\ntwo\r\n").await.unwrap();
    until(&mut request.stream, "two").await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    request.stream.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await.unwrap();
    until(&mut client, "first").await;
    client.write_all(b"0\r\n\r\n").await.unwrap();
    until(&mut request.stream, "0\r\n\r\n").await;
    request.stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    until(&mut client, "last").await;
}

#[tokio::test]
async fn websockets_pass_and_end_with_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut relay = before(&listener.local_addr().unwrap().to_string(), &[]);
    let echo = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "tungstenite's own type")]
        let subprotocol = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/ws/chat/");
            response.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
            Ok(response)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, subprotocol).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let stream = TcpStream::connect(relay.address()).await.unwrap();
    let request = http_request(&format!("ws://{}/ws/chat/", relay.address()));
    let (mut socket, response) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    for message in [Message::text("hello"), Message::binary(vec![0u8; 100_000])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    relay.single.server.process.terminate();
    let end = timeout(Duration::from_secs(20), socket.next()).await.expect("an end");
    assert!(end.is_none_or(|message| message.is_err()));
    timeout(Duration::from_secs(20), echo).await.expect("the application is let go").unwrap();
    assert!(relay.single.server.process.ended().success());
}

fn http_request(url: &str) -> tokio_tungstenite::tungstenite::handshake::client::Request {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    request
}

#[tokio::test]
async fn what_is_push_stays_here() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &[]);
    assert_eq!(relay.get("/health").await.text(), "ok\n");
    assert_eq!(relay.get("/sockjs").await.text(), "Welcome to SockJS!\n");
    assert_eq!(relay.post("/pub/a", "x").await.status, 202);
    drop(Browser::open(&relay.single.server.websocket_url()).await);
    for (method, path) in
        [("GET", "/"), ("HEAD", "/"), ("GET", "/sockjsx"), ("GET", "/pub/a/b"), ("OPTIONS", "/x")]
    {
        let asked = begin(relay.address(), method, path, &[], b"").await;
        let request = application.next().await;
        assert!(request.head.starts_with(&format!("{method} {path} ")), "{}", request.head);
        request.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(rest(asked).await.status, 204);
    }
}

#[tokio::test]
async fn by_http_2_the_application_is_asked_the_same() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &[]);
    let url = format!("http://{}/", relay.address());
    let mut curl = Command::new("curl");
    let client =
        Process::spawn(curl.args(["-si", "--http2-prior-knowledge", "-HCookie: a=b", "-HCookie: c=d", &url]));
    let request = application.next().await;
    let host = relay.address();
    for line in [&format!("host: {host}"), &format!("x-forwarded-host: {host}"), "cookie: a=b; c=d"] {
        assert!(request.has(line), "no {line} in {}", request.head);
    }
    request.answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntea\n").await;
    client.line_after("HTTP/2 200");
    client.line_after("tea");
}

#[tokio::test]
async fn nothing_but_a_websocket_is_switched_to() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &[]);
    let websocket = [("Connection", "upgrade"), ("Upgrade", "websocket")];
    let h2c = [("Connection", "upgrade, http2-settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")];
    for (method, headers, protocol) in [
        ("GET", &h2c[..], "h2c"),
        ("POST", &websocket, "websocket"),
        ("GET", &websocket, "h2c"),
        ("GET", &[], "websocket"),
    ] {
        let asked = begin(relay.address(), method, "/", headers, b"").await;
        let request = application.next().await;
        let is_passed = request.has("upgrade: websocket") && request.has("connection: upgrade");
        assert_eq!(is_passed, method == "GET" && headers == websocket, "{}", request.head);
        assert!(is_passed || !request.head.contains("upgrade"), "{}", request.head);
        assert!(!request.head.contains("http2-settings"), "{}", request.head);
        let switching =
            format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n");
        request.answer(&switching).await;
        let answer = rest(asked).await;
        assert!(answer.status == 502 && answer.text().contains("no proper answer"), "{}", answer.text());
    }
}

#[tokio::test]
async fn where_an_application_is_that_is_not_there_is_for_the_log_alone() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let relay = before(&nobody, &[]);
    let answer = relay.get("/").await;
    assert_eq!(answer.status, 502);
    let text = answer.text();
    assert!(text.contains("cannot be reached") && !text.contains(&nobody), "{text}");
    assert!(relay.single.server.process.logged("no answer from the application").contains(&nobody));

    let mut application = Application::start().await;
    let relay = before(&application.address, &[]);
    let asked = begin(relay.address(), "GET", "/", &[], b"").await;
    application.next().await.answer("no HTTP\r\n\r\n").await;
    let answer = rest(asked).await;
    let text = answer.text();
    assert!(answer.status == 502 && text.contains("no proper answer"), "{text}");
    assert!(!text.contains(&application.address), "{text}");
}

#[tokio::test]
async fn a_body_passes_whatever_the_method() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &[]);
    let mut client = TcpStream::connect(relay.address()).await.unwrap();
    let head = "GET /search HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(format!("{head}3\r\none\r\n0\r\n\r\n").as_bytes()).await.unwrap();
    let mut request = application.next().await;
    assert!(request.has("transfer-encoding: chunked"), "{}", request.head);
    if !request.body.contains("one\r\n0\r\n\r\n") {
        until(&mut request.stream, "0\r\n\r\n").await;
    }
    request.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    until(&mut client, "HTTP/1.1 204").await;
    // Where there is none, none is said to be.
    let _asked = begin(relay.address(), "GET", "/", &[], b"").await;
    let request = application.next().await;
    assert!(!request.head.contains("transfer-encoding"), "{}", request.head);
}

/// As `nc -N` does.
#[tokio::test]
async fn who_ends_its_side_is_answered_in_full_by_a_slow_application() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &[]);
    let mut client = TcpStream::connect(relay.address()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    client.shutdown().await.unwrap();
    let mut request = application.next().await;
    // The application notices nothing for far longer than anything is answered at once.
    let gone = timeout(Duration::from_millis(300), request.stream.read(&mut [0; 16])).await;
    assert!(gone.is_err(), "{gone:?}");
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    request.stream.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await.unwrap();
    until(&mut client, "first").await;
    request.answer("4\r\nlast\r\n0\r\n\r\n").await;
    until(&mut client, "last").await;
}

#[tokio::test]
async fn events_of_the_application_end_with_their_client_and_with_the_server() {
    let mut application = Application::start().await;
    let mut relay = before(&application.address, &[]);
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let ask = b"GET /own-events HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut stays = TcpStream::connect(relay.address()).await.unwrap();
    stays.write_all(ask).await.unwrap();
    let mut stays_there = application.next().await;
    let mut goes = TcpStream::connect(relay.address()).await.unwrap();
    goes.write_all(ask).await.unwrap();
    let mut goes_there = application.next().await;
    for (client, there) in [(&mut stays, &mut stays_there), (&mut goes, &mut goes_there)] {
        there.stream.write_all(format!("{head}3\r\n:\n\n\r\n").as_bytes()).await.unwrap();
        until(client, ":\n\n").await;
    }
    drop(goes);
    let gone = timeout(PATIENCE, goes_there.stream.read(&mut [0; 16])).await.expect("an end");
    assert!(matches!(gone, Ok(0) | Err(_)));
    relay.single.server.process.terminate();
    until(&mut stays, "0\r\n\r\n").await;
    let gone = timeout(PATIENCE, stays_there.stream.read(&mut [0; 16])).await.expect("an end");
    assert!(matches!(gone, Ok(0) | Err(_)));
    assert!(relay.single.server.process.ended().success());
}

#[tokio::test]
async fn who_pauses_is_told_and_lets_go() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &["--fallback-timeout=2", "--write-timeout=1"]);
    // A client in its request.
    let mut client = TcpStream::connect(relay.address()).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.write_all(format!("{head}3\r\none\r\n").as_bytes()).await.unwrap();
    let _request = application.next().await;
    until(&mut client, "HTTP/1.1 408").await;
    // The application before its answer, and in it.
    let asked = begin(relay.address(), "GET", "/", &[], b"").await;
    let _request = application.next().await;
    let answer = rest(asked).await;
    assert!(answer.status == 504 && answer.text().contains("within 2 s"), "{}", answer.text());
    let mut client = begin(relay.address(), "GET", "/", &[], b"").await;
    let mut request = application.next().await;
    request.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst").await.unwrap();
    until(&mut client, "first").await;
    let end = timeout(PATIENCE, client.read(&mut [0; 16])).await.expect("an end");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn only_so_many_requests_are_at_the_application() {
    let mut application = Application::start().await;
    let relay = before(&application.address, &["--fallback-requests-max=1", "--metrics=127.0.0.1:0"]);
    let mut client = begin(relay.address(), "GET", "/", &[], b"").await;
    let mut request = application.next().await;
    request.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst").await.unwrap();
    until(&mut client, "first").await;
    let refused = relay.get("/").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert!(refused.text().contains("as many requests as may be"), "{}", refused.text());
    let metrics = Metrics::of(&relay.single.server.process);
    metrics.until("pushnote_server_fallback_refused_requests", |refused| refused == 1.0);
    assert_eq!(relay.get("/health").await.status, 200, "what is not the application's");
    request.answer("last").await;
    until(&mut client, "last").await;
    // The place is free a moment later.
    let answering = async { application.next().await.answer("HTTP/1.1 204 No Content\r\n\r\n").await };
    let asking = async {
        loop {
            match relay.get("/").await.status {
                503 => {}
                status => return status,
            }
        }
    };
    let (status, ()) = timeout(PATIENCE, async { tokio::join!(asking, answering) }).await.expect("a place");
    assert_eq!(status, 204);
}
