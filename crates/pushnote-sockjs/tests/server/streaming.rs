//! xhr_streaming, eventsource and htmlfile: what arrives, chunk by chunk.

use std::time::Duration;

use pushnote_sockjs::Message;

use crate::support::Server;

const XHR: &str = "/app/0/id/xhr_streaming";

#[tokio::test]
async fn xhr_streaming() {
    let mut server = Server::start().await;
    let mut client = server.connect().await;
    let head = client.open("POST", XHR).await;
    assert_eq!((head.status, head.header("content-length")), (200, "-"));
    assert_eq!(head.header("content-type"), "application/javascript; charset=UTF-8");
    assert_eq!(head.header("x-accel-buffering"), "no");
    assert_eq!(client.next().await, "h".repeat(2048) + "\n");
    assert_eq!(client.next().await, "o\n");
    let session = server.opened().await;
    for text in ["1", "2"] {
        session.send(&Message::text(text)).unwrap();
        assert_eq!(client.next().await, format!("a[\"{text}\"]\n"));
    }
    session.close(3000, "Go \u{2028}away!");
    assert_eq!(client.next().await, "c[3000,\"Go \\u2028away!\"]\n");
    assert_eq!(client.chunk().await, None);
    assert_eq!(server.post("/app/0/id/xhr", "").await.body, "c[3000,\"Go \\u2028away!\"]\n");
}

#[tokio::test]
async fn the_limit_ends_a_response_and_not_the_session() {
    let mut server = Server::with(|builder| builder.response_limit(4096)).await;
    let mut client = server.connect().await;
    client.open("POST", XHR).await;
    assert_eq!(client.next().await.len(), 2049);
    assert_eq!(client.next().await, "o\n");
    let session = server.opened().await;
    let text = "x".repeat(128);
    for _ in 0..31 {
        session.send(&Message::text(&text)).unwrap();
        assert_eq!(client.next().await, format!("a[\"{text}\"]\n"));
    }
    assert_eq!(client.chunk().await, None, "2 + 31 × 134 bytes of frames");
    session.send(&Message::text("meanwhile")).unwrap();
    client.open("POST", XHR).await;
    assert_eq!(client.next().await.len(), 2049);
    assert_eq!(client.next().await, "a[\"meanwhile\"]\n", "no second open frame");
    server.no_event();
}

#[tokio::test]
async fn a_response_ends_with_its_age() {
    let server = Server::with(|builder| builder.response_age_max(Duration::from_millis(20))).await;
    let mut client = server.connect().await;
    for first in [Some("o\n"), None] {
        client.open("POST", XHR).await;
        assert_eq!(client.next().await.len(), 2049);
        assert_eq!(client.chunk().await.as_deref(), first);
        if first.is_some() {
            assert_eq!(client.chunk().await, None);
        }
    }
}

#[tokio::test]
async fn heartbeats_go_on_and_on() {
    let server = Server::with(|builder| builder.heartbeat_delay(Duration::from_millis(10))).await;
    let mut client = server.connect().await;
    client.open("POST", XHR).await;
    client.next().await;
    assert_eq!(client.next().await, "o\n");
    for _ in 0..3 {
        assert_eq!(client.next().await, "h\n");
    }
}

#[tokio::test]
async fn eventsource() {
    let mut server = Server::with(|builder| builder.response_limit(4096)).await;
    let mut client = server.connect().await;
    let head = client.open("GET", "/app/0/id/eventsource").await;
    assert_eq!(head.header("content-type"), "text/event-stream");
    assert_eq!(head.header("access-control-allow-origin"), "*");
    assert_eq!(client.next().await, "\r\n");
    assert_eq!(client.next().await, "data: o\r\n\r\n");
    let session = server.opened().await;
    session.send(&Message::text("  \0\n\r %20")).unwrap();
    assert_eq!(client.next().await, "data: a[\"  \\u0000\\n\\r %2520\"]\r\n\r\n");
    session.send(&Message::text(&"x".repeat(4096))).unwrap();
    assert_eq!(client.next().await.len(), 4096 + 6 + 5 + 4);
    assert_eq!(client.chunk().await, None);
}

#[tokio::test]
async fn htmlfile() {
    let mut server = Server::start().await;
    let mut client = server.connect().await;
    let head = client.open("GET", "/app/0/id/htmlfile?c=%63allback").await;
    assert_eq!(head.header("content-type"), "text/html; charset=UTF-8");
    let page = client.next().await;
    assert!(page.len() > 1024 && page.contains("var c = parent.callback;\n"));
    assert_eq!(client.next().await, "<script>\np(\"o\");\n</script>\r\n");
    server.opened().await.send(&Message::text("</script>\"")).unwrap();
    assert_eq!(client.next().await, "<script>\np(\"a[\\\"\\u003c/script>\\\\\\\"\\\"]\");\n</script>\r\n");
}

#[tokio::test]
async fn htmlfile_refuses_callbacks_before_there_is_a_session() {
    let server = Server::start().await;
    for (query, message) in [
        ("", "\"callback\" parameter required"),
        ("?c=", "\"callback\" parameter required"),
        ("?c=%20", "invalid \"callback\" parameter"),
        ("?c=abc(", "invalid \"callback\" parameter"),
        ("?c=abc%28", "invalid \"callback\" parameter"),
    ] {
        let answer = server.get(&format!("/app/0/id/htmlfile{query}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (500, message), "{query}");
    }
    assert_eq!(server.sockjs.session_count(), 0);
}

#[tokio::test]
async fn a_second_stream_is_told_so_with_its_prelude() {
    let server = Server::start().await;
    let mut first = server.connect().await;
    first.open("POST", XHR).await;
    first.next().await;
    assert_eq!(first.next().await, "o\n");
    let mut second = server.connect().await;
    second.open("POST", XHR).await;
    assert_eq!(second.next().await.len(), 2049);
    assert_eq!(second.next().await, "c[2010,\"Another connection still open\"]\n");
    assert_eq!(second.chunk().await, None);
}
