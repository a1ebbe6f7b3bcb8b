//! How sessions begin and end, and that the application is told once.

use std::time::Duration;

use pushnote_sockjs::{CloseCause, Message, SendError, Transport};
use warp::Filter;

use crate::support::{Client, Event, Server, serve, soon};

const SOON: Duration = Duration::from_millis(30);
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n";

#[tokio::test]
async fn what_the_application_learns_of_a_session() {
    let trusted = ["127.0.0.0/8".parse().unwrap()];
    let mut server = Server::with(|builder| builder.trusted_proxies(trusted)).await;
    let headers =
        "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nCookie: secret\r\nOrigin: http://a\r\nUser-Agent: me\r\n";
    let mut client = server.connect().await;
    client.send("POST", "/app/000/secretid/xhr_streaming?token=t", headers, "").await;
    let Event::Opened(session, info) = server.event().await else { panic!("expected a session") };
    assert_eq!(info.remote_addr, Some("203.0.113.7".parse().unwrap()));
    assert_eq!((info.transport, session.transport()), (Transport::XhrStreaming, Transport::XhrStreaming));
    assert_eq!((info.path.as_str(), info.query.as_deref()), ("/app", Some("token=t")));
    assert_eq!(info.headers["user-agent"], "me");
    assert!(!info.headers.contains_key("cookie") && !info.headers.contains_key("origin"));
    assert!(
        !format!("{info:?}{session:?}").contains("secretid"),
        "the id is none of the application's business"
    );
}

#[tokio::test]
async fn a_refused_session_is_told_why_and_the_application_nothing() {
    let mut server = Server::start().await;
    assert_eq!(server.post("/app/0/id/xhr?refuse", "").await.body, "o\n");
    assert_eq!(server.post("/app/0/id/xhr?refuse", "").await.body, "c[4000,\"Not you\"]\n");
    server.no_event();
}

#[tokio::test]
async fn a_client_that_does_not_come_back_is_gone() {
    let mut server = Server::with(|builder| builder.disconnect_delay(SOON)).await;
    let session = server.open_polling("id").await;
    let reason = server.closed().await;
    assert_eq!(reason.cause, CloseCause::TimedOut);
    server.empty().await;
    assert_eq!(session.send(&Message::text("x")), Err(SendError::Closed));
    assert_eq!(server.post("/app/0/id/xhr_send", "[\"x\"]").await.status, 404);
    assert_eq!(server.post("/app/0/id/xhr", "").await.body, "o\n", "a new session");
    server.opened().await;
    server.closed().await;
    server.no_event();
}

#[tokio::test]
async fn broken_connections_are_noticed_on_every_transport() {
    let mut server = Server::start().await;
    for (method, endpoint) in [
        ("POST", "xhr_streaming"),
        ("GET", "eventsource"),
        ("GET", "htmlfile?c=x"),
        ("POST", "xhr"),
        ("GET", "jsonp?c=x"),
    ] {
        let path = format!("/app/0/{}/{endpoint}", endpoint.replace('?', ""));
        let mut client = server.connect().await;
        client.open(method, &path).await;
        server.opened().await;
        if matches!(endpoint, "xhr" | "jsonp?c=x") {
            // The open frame has ended the first poll.
            client = server.waiting_poll(method, &path).await;
        }
        drop(client);
        let reason = server.closed().await;
        assert_eq!((reason.close.code, reason.cause), (1002, CloseCause::Client), "{endpoint}");
    }
    let mut client = server.connect().await;
    client.send("GET", "/app/websocket", UPGRADE, "").await;
    server.opened().await;
    drop(client);
    assert_eq!(server.closed().await.cause, CloseCause::Client);
    server.no_event();
}

#[tokio::test]
async fn sends_after_the_close_are_swallowed_until_the_session_is_forgotten() {
    let mut server = Server::start().await;
    let session = server.open_polling("id").await;
    session.close(3000, "Go away!");
    assert_eq!(server.closed().await.close.code, 3000);
    assert_eq!(server.post("/app/0/id/xhr_send", "[\"x\"]").await.status, 204);
    server.no_event();
}

#[tokio::test]
async fn ids_belong_to_their_service() {
    let echo = |word: &'static str| {
        pushnote_sockjs::SockJs::builder().build(move |session: &pushnote_sockjs::Session, _: &_| {
            let _ = session.send(&Message::text(word));
            Ok(|_: &str| {})
        })
    };
    let (addr, _accepting) = serve(echo("one").filter("/one").or(echo("two").filter("/two"))).await;
    let mut client = Client::connect(addr).await;
    for (path, frame) in [
        ("/one/0/id/xhr", "o\n"),
        ("/two/0/id/xhr", "o\n"),
        ("/two/0/id/xhr", "a[\"two\"]\n"),
        ("/one/0/id/xhr", "a[\"one\"]\n"),
    ] {
        assert_eq!(client.request("POST", path, "", "").await.body, frame, "{path}");
    }
}

#[tokio::test]
async fn sessions_can_be_bound_to_an_address() {
    let trusted = ["127.0.0.0/8".parse().unwrap()];
    let server = Server::with(|builder| builder.trusted_proxies(trusted).same_address(true)).await;
    let (owner, thief) = ("X-Forwarded-For: 203.0.113.1\r\n", "X-Forwarded-For: 203.0.113.2\r\n");
    assert_eq!(server.request("POST", "/app/0/id/xhr", owner, "").await.body, "o\n");
    assert_eq!(server.request("POST", "/app/0/id/xhr_send", thief, "[\"x\"]").await.status, 404);
    assert_eq!(server.request("POST", "/app/0/id/xhr", thief, "").await.status, 404);
    assert_eq!(server.request("POST", "/app/0/id/xhr_send", owner, "[\"x\"]").await.status, 204);
}

#[tokio::test]
async fn close_all_tells_everyone_and_lets_no_one_in() {
    let mut server = Server::with(|builder| builder.disconnect_delay(Duration::from_secs(2))).await;
    let mut streaming = server.connect().await;
    streaming.open("POST", "/app/0/streaming/xhr_streaming").await;
    streaming.next().await;
    assert_eq!(streaming.next().await, "o\n");
    server.opened().await;
    server.open_polling("polling").await;
    let mut websocket = server.connect().await;
    assert_eq!(websocket.request("GET", "/app/0/ws/websocket", UPGRADE, "").await.status, 101);
    assert_eq!(websocket.exactly_bytes(3).await, b"\x81\x01o");
    server.opened().await;

    let closed = server.sockjs.close_all(1001, "Going away");
    assert_eq!(streaming.next().await, "c[1001,\"Going away\"]\n");
    assert_eq!(streaming.chunk().await, None);
    let frame = websocket.exactly_bytes(22 + 2).await;
    assert_eq!(&frame[2..], b"c[1001,\"Going away\"]\x88\x10");
    websocket.write_bytes(b"\x88\x82\x00\x00\x00\x00\x03\xe8").await;
    for path in ["/app/0/new/xhr", "/app/0/new/xhr_streaming"] {
        assert_eq!(server.post(path, "").await.status, 503);
    }
    assert_eq!(server.request("GET", "/app/0/new/websocket", UPGRADE, "").await.status, 503);
    assert_eq!(server.post("/app/0/polling/xhr", "").await.body, "c[1001,\"Going away\"]\n");
    soon("the end of all", closed).await;
    assert_eq!(server.sockjs.session_count(), 0);
    for _ in 0..3 {
        assert_eq!(server.closed().await.close.code, 1001);
    }
    server.no_event();
}

#[tokio::test]
async fn an_application_that_panics_loses_that_request_and_nothing_else() {
    let mut server = Server::start().await;
    let session = server.open_polling("id").await;
    let mut client = server.connect().await;
    client.send("POST", "/app/0/id/xhr_send", "", "[\"panic\"]").await;
    assert_eq!(client.until_closed().await, "");
    assert_eq!(server.post("/app/0/id/xhr_send", "[\"on\"]").await.status, 204);
    assert_eq!(server.message().await, "on");
    session.close(3000, "Enough");
    assert_eq!(server.closed().await.close.code, 3000);
}
