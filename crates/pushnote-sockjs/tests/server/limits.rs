//! What a client may take of memory, and that it is given back.

use std::time::Duration;

use pushnote_sockjs::{CloseCause, Limits, Message, SendError};

use crate::support::{Server, soon};

#[tokio::test]
async fn bodies_over_the_limit_are_refused_announced_or_not() {
    let limits = Limits { request_body_bytes_max: 10, ..Limits::default() };
    let mut server = Server::with(|builder| builder.limits(limits)).await;
    server.open_polling("id").await;
    assert_eq!(server.post("/app/0/id/xhr_send", "[\"123456\"]").await.status, 204);
    assert_eq!(server.message().await, "123456");
    let answer = server.post("/app/0/id/xhr_send", "[\"1234567\"]").await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (413, "*"));
    let mut client = server.connect().await;
    client
        .write("POST /app/0/id/xhr_send HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    client.write("6\r\n[\"1234\r\n6\r\n56789\"\r\n").await;
    assert_eq!(client.answer("POST").await.status, 413);
    server.no_event();
}

#[tokio::test]
async fn a_full_queue_closes_the_session() {
    let limits = Limits { queue_bytes_max: 100, ..Limits::default() };
    let mut server = Server::with(|builder| builder.limits(limits)).await;
    let session = server.open_polling("id").await;
    let message = Message::text(&"x".repeat(40));
    assert_eq!(session.send(&message), Ok(()));
    assert_eq!(session.send(&message), Ok(()));
    assert_eq!(session.send(&message), Err(SendError::Full));
    server.no_event();
    assert_eq!(server.post("/app/0/id/xhr", "").await.body.len(), "a[]\n".len() + 2 * 42 + 1);
    server.room().await;
    assert_eq!(session.send(&message), Ok(()));
    session.abort(3008, "too slow");
    assert_eq!(session.send(&message), Err(SendError::Closed));
    assert_eq!(server.closed().await.cause, CloseCause::Application);
    assert_eq!(server.post("/app/0/id/xhr", "").await.body, "c[3008,\"too slow\"]\n");
}

#[tokio::test]
async fn a_stream_that_is_not_read_refuses_until_it_is() {
    let mut server = Server::with(|builder| builder.response_limit(usize::MAX)).await;
    let mut client = server.connect().await;
    client.open("POST", "/app/0/id/xhr_streaming").await;
    let session = server.opened().await;
    let message = Message::text(&"x".repeat(16 * 1024));
    let mut sent = 0;
    let refused = loop {
        match session.send(&message) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 10_000, "160 MiB are queued somewhere");
        tokio::task::yield_now().await;
    };
    assert_eq!(refused, SendError::Full);
    server.no_event();
    let mut received = 0;
    while received < sent {
        received += client.next().await.matches('"').count() / 2;
    }
    server.room().await;
    assert_eq!(session.send(&message), Ok(()));
}

#[tokio::test]
async fn delays_without_end() {
    let server = Server::with(|builder| {
        builder
            .heartbeat_delay(Duration::MAX)
            .disconnect_delay(Duration::MAX)
            .response_age_max(Duration::MAX)
            .response_limit(usize::MAX)
    })
    .await;
    assert_eq!(server.post("/app/0/id/xhr", "").await.body, "o\n");
    let mut client = server.connect().await;
    assert_eq!(client.open("POST", "/app/0/id/xhr_streaming").await.status, 200);
}

#[tokio::test]
async fn sessions_over_the_limit_are_refused() {
    let limits = Limits { sessions_max: 2, ..Limits::default() };
    let server = Server::with(|builder| builder.limits(limits)).await;
    for (id, status) in [("1", 200), ("2", 200), ("3", 503), ("4", 503)] {
        assert_eq!(server.post(&format!("/app/0/{id}/xhr"), "").await.status, status);
    }
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n";
    // WebSockets have room of their own.
    let mut websockets = Vec::new();
    for status in [101, 101, 503] {
        let mut client = server.connect().await;
        assert_eq!(client.request("GET", "/app/websocket", upgrade, "").await.status, status);
        if status == 101 {
            soon("registration", async {
                while server.sockjs.session_count() < 3 + websockets.len() {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            websockets.push(client);
        }
    }
    assert_eq!(server.sockjs.session_count(), 4);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = Limits { request_body_timeout: Duration::from_millis(50), ..Limits::default() };
    let mut server = Server::with(|builder| builder.limits(limits)).await;
    server.open_polling("id").await;
    let mut client = server.connect().await;
    client.write("POST /app/0/id/xhr_send HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n[").await;
    let answer = client.answer("POST").await;
    assert_eq!((answer.status, answer.header("connection")), (408, "close"));
    assert_eq!(server.post("/app/0/id/xhr_send", "[\"x\"]").await.status, 204);
    assert_eq!(server.message().await, "x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sessions_leave_nothing_behind() {
    const CLIENTS: usize = 20;
    const EACH: usize = 500;
    let limits = Limits { address_sessions_per_second_max: u32::MAX, ..Limits::default() };
    let mut server =
        Server::with(|builder| builder.disconnect_delay(Duration::from_millis(100)).limits(limits)).await;
    let addr = server.addr;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        clients.spawn(async move {
            let mut polling = crate::support::Client::connect(addr).await;
            for session in 0..EACH {
                let path = format!("/app/0/{client}-{session}/xhr");
                // Every tenth is broken off in the middle of a stream, the others just never come back.
                if session % 10 == 0 {
                    let mut streaming = crate::support::Client::connect(addr).await;
                    streaming.open("POST", &format!("{path}_streaming")).await;
                } else {
                    assert_eq!(polling.request("POST", &path, "", "").await.body, "o\n");
                }
            }
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    server.empty().await;
    let (mut opened, mut closed) = (0, 0);
    while closed < CLIENTS * EACH {
        match server.event().await {
            crate::support::Event::Opened(..) => opened += 1,
            crate::support::Event::Closed(_) => closed += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(opened, CLIENTS * EACH);
    server.no_event();
}

#[tokio::test]
async fn new_sessions_and_guesses_of_one_address_are_limited() {
    let limits =
        Limits { address_sessions_per_second_max: 2, address_misses_per_second_max: 2, ..Limits::default() };
    let server = Server::with(|builder| builder.limits(limits)).await;
    let mut answers = Vec::new();
    for url in ["/app/0/new{}/xhr", "/app/0/guess{}/xhr_send"] {
        for number in 0..30 {
            answers.push(server.post(&url.replace("{}", &number.to_string()), "[]").await.status);
        }
    }
    // The limits begin anew when the second is over while this runs.
    for status in [200, 404] {
        let count = answers.iter().filter(|answer| **answer == status).count();
        assert!((2..=10).contains(&count), "{status} comes {count} times: {answers:?}");
    }
    assert!(answers.iter().all(|status| [200, 404, 429].contains(status)), "{answers:?}");
}
