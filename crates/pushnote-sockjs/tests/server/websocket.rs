//! websocket, framed and raw, with an independent client.

use std::{borrow::Cow, time::Duration};

use futures_util::{SinkExt, StreamExt};
use pushnote_sockjs::{Close, CloseCause, Message, SendError, Transport};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message as Frame, protocol::CloseFrame},
};

use crate::support::{Event, Server, soon};

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(server: &Server, path: &str) -> Self {
        let url = format!("ws://{}{path}", server.addr);
        Self(soon("connecting", connect_async(url)).await.unwrap().0)
    }

    async fn send(&mut self, text: &str) {
        self.0.send(Frame::text(text)).await.unwrap();
    }

    async fn next(&mut self) -> Frame {
        soon("a frame", self.0.next()).await.expect("a frame").unwrap()
    }

    async fn text(&mut self) -> String {
        self.next().await.into_text().unwrap().to_string()
    }

    /// The close frame, which is answered.
    async fn close_frame(&mut self) -> (u16, String) {
        let Frame::Close(Some(CloseFrame { code, reason })) = self.next().await else {
            panic!("expected a close frame");
        };
        assert!(soon("the end", self.0.next()).await.is_none());
        (code.into(), reason.to_string())
    }
}

#[tokio::test]
async fn framed() {
    let mut server = Server::start().await;
    let mut client = Client::connect(&server, "/app/0/id/websocket").await;
    assert_eq!(client.text().await, "o");
    let session = server.opened().await;
    assert_eq!(session.transport(), Transport::WebSocket);

    for empty in ["", "[]"] {
        client.send(empty).await;
    }
    client.send("[\"a\",\"b\"]").await;
    client.send("\"c\"").await;
    client.0.send(Frame::binary(&b"[\"d\"]"[..])).await.unwrap();
    for expected in ["a", "b", "c", "d"] {
        assert_eq!(server.message().await, expected);
    }

    session.send(&Message::text("x\u{ffff}")).unwrap();
    session.send(&Message::batch(["1".into(), "{}".into()])).unwrap();
    assert_eq!(client.text().await, "a[\"x\\uffff\"]");
    assert_eq!(client.text().await, "a[1,{}]");
    assert_eq!(session.send_binary(b"x"), Err(SendError::BinaryUnsupported));
}

/// Threads send without a pause while another closes: a race, and so tried often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_follows_the_close_frame() {
    let mut server = Server::start().await;
    for _ in 0..200 {
        let mut client = Client::connect(&server, "/app/0/id/websocket").await;
        assert_eq!(client.text().await, "o");
        let session = server.opened().await;
        let senders = [(); 8].map(|()| {
            let session = session.clone();
            std::thread::spawn(move || while session.send(&Message::text("x")).is_ok() {})
        });
        while client.text().await != "a[\"x\"]" {}
        session.close(3000, "Go away!");
        while client.text().await != "c[3000,\"Go away!\"]" {}
        assert_eq!(client.close_frame().await, (1000, "Normal closure".to_owned()));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(matches!(server.event().await, Event::Closed(_)));
    }
}

#[tokio::test]
async fn the_application_closes() {
    let mut server = Server::start().await;
    let mut client = Client::connect(&server, "/app/0/id/websocket").await;
    assert_eq!(client.text().await, "o");
    let session = server.opened().await;
    session.send(&Message::text("last")).unwrap();
    session.close(3000, "Go away!");
    session.close(3001, "Not again");
    assert_eq!(session.send(&Message::text("too late")), Err(SendError::Closed));
    assert_eq!(client.text().await, "a[\"last\"]");
    assert_eq!(client.text().await, "c[3000,\"Go away!\"]");
    assert_eq!(client.close_frame().await, (1000, "Normal closure".to_owned()));
    let reason = server.closed().await;
    assert_eq!((reason.close.code, reason.cause), (3000, CloseCause::Application));
    server.empty().await;
    server.no_event();
}

#[tokio::test]
async fn the_client_closes() {
    let mut server = Server::start().await;
    let mut client = Client::connect(&server, "/app/0/id/websocket").await;
    server.opened().await;
    client.0.close(Some(CloseFrame { code: 3210.into(), reason: "Bye".into() })).await.unwrap();
    let reason = server.closed().await;
    assert_eq!((reason.close.code, &reason.close.reason), (3210, &Cow::Borrowed("Bye")));
    assert_eq!(reason.cause, CloseCause::Client);
    server.empty().await;
}

#[tokio::test]
async fn broken_json_ends_the_connection() {
    let mut server = Server::start().await;
    let mut client = Client::connect(&server, "/app/0/id/websocket").await;
    assert_eq!(client.text().await, "o");
    server.opened().await;
    client.send("[\"a").await;
    client.send("[\"never delivered\"]").await;
    assert_eq!(client.close_frame().await, (3000, "Broken framing.".to_owned()));
    assert_eq!(server.closed().await.cause, CloseCause::ProtocolError);
    server.no_event();
}

#[tokio::test]
async fn a_refused_session() {
    let mut server = Server::start().await;
    let mut client = Client::connect(&server, "/app/0/id/websocket?refuse").await;
    assert_eq!(client.text().await, "o");
    assert_eq!(client.text().await, "c[4000,\"Not you\"]");
    assert_eq!(client.close_frame().await.0, 1000);
    let mut client = Client::connect(&server, "/app/websocket?refuse").await;
    assert_eq!(client.close_frame().await, (4000, "Not you".to_owned()));
    server.empty().await;
    server.no_event();
}

#[tokio::test]
async fn ids_do_not_matter() {
    let mut server = Server::start().await;
    let mut first = Client::connect(&server, "/app/0/id/websocket").await;
    let mut second = Client::connect(&server, "/app/0/id/websocket").await;
    assert_eq!([first.text().await, second.text().await], ["o", "o"]);
    assert_eq!(server.post("/app/0/id/xhr_send", "[\"x\"]").await.status, 404);
    assert_eq!(server.post("/app/0/id/xhr", "").await.body, "o\n");
    for _ in 0..3 {
        server.opened().await;
    }
    assert_eq!(server.sockjs.session_count(), 3);
}

#[tokio::test]
async fn raw() {
    let mut server = Server::start().await;
    let mut client = Client::connect(&server, "/app/websocket").await;
    let session = server.opened().await;
    assert_eq!(session.transport(), Transport::RawWebSocket);
    for text in ["Hello world!\u{ffff}", "", "[\"x\"]"] {
        client.send(text).await;
        assert_eq!(server.message().await, text);
        session.send(&Message::text(text)).unwrap();
        assert_eq!(client.text().await, text);
    }
    session.send(&Message::batch(["{\"a\":1}".into(), "\"b\"".into()])).unwrap();
    assert_eq!([client.text().await, client.text().await], ["{\"a\":1}", "\"b\""]);

    client.0.send(Frame::binary(&b"\xff\x00"[..])).await.unwrap();
    assert!(matches!(server.event().await, Event::Binary(payload) if payload == b"\xff\x00"));
    session.send_binary(b"\xfe").unwrap();
    assert_eq!(client.next().await, Frame::binary(&b"\xfe"[..]));

    session.close(3000, "Go away!");
    assert_eq!(client.close_frame().await, (3000, "Go away!".to_owned()));
    assert_eq!(server.closed().await.close.code, 3000);
}

#[tokio::test]
async fn raw_takes_no_close_code_that_is_not_for_the_wire() {
    let mut server = Server::start().await;
    let mut client = Client::connect(&server, "/app/websocket").await;
    server.opened().await.close(2010, "Why not");
    assert_eq!(client.close_frame().await, (1000, "Why not".to_owned()));
    assert_eq!(server.closed().await.close.code, 2010);
}

#[tokio::test]
async fn raw_binary_can_be_refused() {
    let mut server = Server::start().await;
    let mut client = Client::connect(&server, "/app/websocket").await;
    server.opened().await;
    client.0.send(Frame::binary(&b"unwanted"[..])).await.unwrap();
    assert_eq!(client.close_frame().await, (1003, "No binary".to_owned()));
    server.closed().await;
}

/// A page's script sees no pings.
#[tokio::test]
async fn a_page_that_is_sent_nothing_gets_heartbeats() {
    let server = Server::with(|builder| builder.heartbeat_delay(Duration::from_millis(20))).await;
    assert!(server.get("/app/info").await.body.contains(r#""heartbeat_delay":20,"#));
    let mut framed = Client::connect(&server, "/app/0/id/websocket").await;
    assert_eq!(framed.text().await, "o");
    for _ in 0..3 {
        let seen = loop {
            match framed.next().await {
                Frame::Ping(_) => {}
                other => break other,
            }
        };
        assert_eq!(seen, Frame::text("h"));
    }
    let mut raw = Client::connect(&server, "/app/websocket").await;
    for _ in 0..3 {
        assert!(matches!(raw.next().await, Frame::Ping(_)));
    }
}

#[tokio::test]
async fn requests_that_are_no_handshake() {
    let server = Server::start().await;
    let key = "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n";
    let version = "Sec-WebSocket-Version: 13\r\n";
    for path in ["/app/0/id/websocket", "/app/websocket"] {
        for (headers, status) in [
            (String::new(), 400),
            (format!("Upgrade: WebSocket\r\nConnection: close\r\n{key}{version}"), 400),
            (format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{version}"), 400),
            (format!("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n{key}"), 426),
            (format!("Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n{key}{version}"), 101),
        ] {
            let answer = server.request("GET", path, &headers, "").await;
            assert_eq!(answer.status, status, "{headers}");
            if status == 101 {
                assert_eq!(answer.header("sec-websocket-accept"), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
                assert_eq!(answer.header("content-length"), "-");
            }
        }
    }
    let server = Server::with(|builder| builder.websocket(false)).await;
    let upgrade = format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{key}{version}");
    for path in ["/app/0/id/websocket", "/app/websocket"] {
        assert_eq!(server.request("GET", path, &upgrade, "").await.status, 404);
        assert_eq!(server.get(path).await.status, 404);
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_refused_and_can_be_aborted() {
    let mut server = Server::start().await;
    let _client = Client::connect(&server, "/app/0/id/websocket").await;
    let session = server.opened().await;
    let message = Message::text(&"x".repeat(64 * 1024));
    let error = (0..1_000).find_map(|_| session.send(&message).err());
    assert_eq!(error, Some(SendError::Full));
    server.no_event();
    session.abort(3008, "too slow");
    let end = server.closed().await;
    assert_eq!((end.cause, end.close), (CloseCause::Application, Close::new(3008, "too slow")));
    server.empty().await;
}
