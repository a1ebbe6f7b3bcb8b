//! xhr and xhr_send.

use std::time::Duration;

use pushnote_sockjs::Message;

use crate::support::{Server, soon};

#[tokio::test]
async fn a_session_over_one_connection() {
    let mut server = Server::start().await;
    let mut client = server.connect().await;
    let answer = client.request("POST", "/app/000/id/xhr", "", "").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "o\n"));
    assert_eq!(answer.header("content-type"), "application/javascript; charset=UTF-8");
    let session = server.opened().await;

    let answer = client.request("POST", "/app/000/id/xhr_send", "", "[\"a\",\"b\"]").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("content-type"), "text/plain; charset=UTF-8");
    assert_eq!([server.message().await, server.message().await], ["a", "b"]);

    session.send(&Message::text("1")).unwrap();
    session.send(&Message::json("{\"msg\":\"Hi all!\"}".into())).unwrap();
    let answer = client.request("POST", "/app/999/id/xhr", "", "").await;
    assert_eq!(answer.body, "a[\"1\",{\"msg\":\"Hi all!\"}]\n", "the server's part of the URL plays no part");

    client.send("POST", "/app/000/id/xhr", "", "").await;
    session.send(&Message::text("2")).unwrap();
    assert_eq!(client.answer("POST").await.body, "a[\"2\"]\n");
}

#[tokio::test]
async fn bodies_that_are_refused_leave_the_session_alone() {
    let mut server = Server::start().await;
    server.open_polling("id").await;
    let url = "/app/0/id/xhr_send";
    for body in ["", "{}", "\"x\"", "1", "null", "true"] {
        let answer = server.post(url, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (500, "Payload expected."), "{body}");
    }
    for body in ["[\"x", "[\"x\"]y", "\u{feff}[\"x\"]", "x"] {
        let answer = server.post(url, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (500, "Broken JSON encoding."), "{body}");
    }
    let answer = server.post("/app/0/unknown/xhr_send", "").await;
    assert_eq!(answer.status, 500, "the body is looked at first");
    assert_eq!(server.post("/app/0/unknown/xhr_send", "[]").await.status, 404);
    assert_eq!(server.post(url, "[]").await.status, 204);
    assert_eq!(server.post(url, "[\"fine\"]").await.status, 204);
    assert_eq!(server.message().await, "fine");
}

#[tokio::test]
async fn any_content_type_and_any_json_value_will_do() {
    let mut server = Server::start().await;
    server.open_polling("id").await;
    for content_type in
        ["text/plain", "T", "application/json; charset=utf-8", "", "application/x-www-form-urlencoded"]
    {
        let headers = format!("Content-Type: {content_type}\r\n");
        assert_eq!(server.request("POST", "/app/0/id/xhr_send", &headers, "[\"a\"]").await.status, 204);
        assert_eq!(server.message().await, "a");
    }
    assert_eq!(server.post("/app/0/id/xhr_send", "[\"x\",1,null,{\"a\": []}]").await.status, 204);
    for expected in ["x", "1", "null", "{\"a\": []}"] {
        assert_eq!(server.message().await, expected);
    }
}

#[tokio::test]
async fn unicode_both_ways() {
    let mut server = Server::start().await;
    let session = server.open_polling("id").await;
    server.post("/app/0/id/xhr_send", r#"["\ud800","\ud83d\ude00 é","\udc00x"]"#).await;
    assert_eq!(
        [server.message().await, server.message().await, server.message().await],
        ["\u{fffd}", "😀 é", "\u{fffd}x"]
    );
    session.send(&Message::text("\u{2028}😀\u{fff0}é\n")).unwrap();
    assert_eq!(server.post("/app/0/id/xhr", "").await.body, "a[\"\\u2028\\ud83d\\ude00\\ufff0é\\n\"]\n");
}

#[tokio::test]
async fn a_body_in_chunks_byte_by_byte() {
    let mut server = Server::start().await;
    server.open_polling("id").await;
    let mut client = server.connect().await;
    client
        .write("POST /app/0/id/xhr_send HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    for byte in "[\"abc\"]".chars() {
        client.write(&format!("1\r\n{byte}\r\n")).await;
    }
    client.write("0\r\n\r\n").await;
    assert_eq!(client.answer("POST").await.status, 204);
    assert_eq!(server.message().await, "abc");
}

#[tokio::test]
async fn a_poll_may_have_no_length_and_may_have_a_body() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("POST /app/0/1/xhr HTTP/1.1\r\nHost: test\r\n\r\n").await;
    assert_eq!(client.answer("POST").await.body, "o\n");
    assert_eq!(client.request("POST", "/app/0/2/xhr", "", "whatever").await.body, "o\n");
}

#[tokio::test]
async fn http_1_0_is_never_chunked() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    client.write("POST /app/0/1/xhr HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.header("transfer-encoding"), head.header("content-length")), ("-", "2"));
    assert_eq!(client.exactly(2).await, "o\n");
    let mut client = server.connect().await;
    client.write("POST /app/0/2/xhr_streaming HTTP/1.0\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.header("transfer-encoding"), head.header("content-length")), ("-", "-"));
    assert_eq!(client.exactly(2051).await, "h".repeat(2048) + "\no\n");
}

#[tokio::test]
async fn a_second_poll_is_told_so_and_the_first_goes_on() {
    let mut server = Server::start().await;
    let session = server.open_polling("id").await;
    let mut first = server.waiting_poll("POST", "/app/0/id/xhr").await;
    let second = server.post("/app/0/id/xhr", "").await;
    assert_eq!(second.body, "c[2010,\"Another connection still open\"]\n");
    session.send(&Message::text("x")).unwrap();
    assert_eq!(first.answer("POST").await.body, "a[\"x\"]\n");
}

#[tokio::test]
async fn a_poll_ends_with_a_heartbeat() {
    let server = Server::with(|builder| builder.heartbeat_delay(Duration::from_millis(20))).await;
    assert_eq!(server.post("/app/0/1/xhr", "").await.body, "o\n");
    assert_eq!(server.post("/app/0/1/xhr", "").await.body, "h\n");
    assert_eq!(server.post("/app/0/1/xhr", "").await.body, "h\n");
}

#[tokio::test]
async fn an_aborted_poll_gives_way_at_once() {
    let mut server = Server::start().await;
    server.open_polling("id").await;
    drop(server.waiting_poll("POST", "/app/0/id/xhr").await);
    let answer = soon("an answer", server.post("/app/0/id/xhr", "")).await;
    assert_eq!(answer.body, "c[1002,\"Connection interrupted\"]\n");
    assert_eq!(server.closed().await.close.code, 1002);
    server.no_event();
}

#[tokio::test]
async fn a_poll_with_the_frames_that_came_tells_when_an_answer_was_lost() {
    let mut server = Server::start().await;
    let session = server.open_polling("id").await;
    for frames in ["1", "2"] {
        session.send(&Message::text(frames)).unwrap();
        let answer = server.post(&format!("/app/0/id/xhr?t=9&frames={frames}"), "").await;
        assert_eq!(answer.body, format!("a[\"{frames}\"]\n"));
    }
    for without in ["", "?frames=", "?frames=x", "?frame=9"] {
        session.send(&Message::text("x")).unwrap();
        assert_eq!(server.post(&format!("/app/0/id/xhr{without}"), "").await.body, "a[\"x\"]\n");
    }
    session.send(&Message::text("lost")).unwrap();
    server.post("/app/0/id/xhr?frames=7", "").await;
    session.send(&Message::text("next")).unwrap();
    let answer = server.post("/app/0/id/xhr?frames=7", "").await;
    assert_eq!(answer.body, "c[1002,\"Connection interrupted\"]\n");
    assert_eq!(server.closed().await.close.code, 1002);
}
