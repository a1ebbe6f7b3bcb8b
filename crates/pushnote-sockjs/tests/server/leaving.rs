//! Streaming responses that leave the server: the same frames, and the connection's end with theirs.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Version;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use pushnote_sockjs::{ConnectionGuard, HttpStream, Message, SockJs};
use tokio::net::TcpListener;

use crate::support::{App, Client, Server, soon};

const XHR: &str = "/app/0/id/xhr_streaming";

/// A server whose streams hyper can be taken from. `guard` is what each connection holds.
async fn serve(sockjs: &SockJs<App>, guard: &Arc<()>) -> SocketAddr {
    let mount = sockjs.mount("/app");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let guard = Arc::clone(guard);
    tokio::spawn(async move {
        loop {
            let stream = HttpStream::new(listener.accept().await.unwrap().0);
            let (mount, handovers, guard) = (mount.clone(), stream.handovers(), guard.clone());
            let service = service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
                let chunked = request.version() == Version::HTTP_11;
                request.extensions_mut().insert(handovers.offer(chunked));
                request.extensions_mut().insert(ConnectionGuard::new(guard.clone()));
                let answer = mount.answer(request);
                async { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    addr
}

async fn start(server: &Server) -> SocketAddr {
    serve(&server.sockjs, &Arc::default()).await
}

#[tokio::test]
async fn the_same_frames_come_as_chunks_of_their_own() {
    let mut server = Server::with(|builder| builder.heartbeat_delay(Duration::from_millis(200))).await;
    let mut client = Client::connect(start(&server).await).await;
    let head = client.open("POST", XHR).await;
    assert_eq!((head.status, head.header("connection")), (200, "close"));
    assert_eq!(head.header("transfer-encoding"), "chunked");
    assert_eq!(client.next().await, "h".repeat(2048) + "\n");
    assert_eq!(client.next().await, "o\n");
    let session = server.opened().await;
    for text in ["1", "2"] {
        session.send(&Message::text(text)).unwrap();
        // On a busy machine a heartbeat may be due before it.
        let frame = loop {
            match client.next().await {
                heartbeat if heartbeat == "h\n" => {}
                frame => break frame,
            }
        };
        assert_eq!(frame, format!("a[\"{text}\"]\n"));
    }
    for _ in 0..3 {
        assert_eq!(client.next().await, "h\n");
    }
    session.close(3000, "Go away!");
    assert_eq!(client.next().await, "c[3000,\"Go away!\"]\n");
    assert_eq!(client.chunk().await, None);
    assert_eq!(client.until_closed().await, "");
    server.closed().await;
}

#[tokio::test]
async fn the_limit_ends_the_response_and_its_connection_but_not_the_session() {
    let mut server = Server::with(|builder| builder.response_limit(4096)).await;
    let addr = start(&server).await;
    let mut client = Client::connect(addr).await;
    client.open("POST", XHR).await;
    client.next().await;
    assert_eq!(client.next().await, "o\n");
    let session = server.opened().await;
    session.send(&Message::text(&"x".repeat(5000))).unwrap();
    assert_eq!(client.next().await.len(), 5006);
    assert_eq!(client.chunk().await, None);
    assert_eq!(client.until_closed().await, "");
    session.send(&Message::text("meanwhile")).unwrap();
    let mut client = Client::connect(addr).await;
    client.open("POST", XHR).await;
    client.next().await;
    assert_eq!(client.next().await, "a[\"meanwhile\"]\n");
    server.no_event();
}

#[tokio::test]
async fn old_clients_get_a_body_up_to_the_connections_end() {
    let mut server = Server::start().await;
    let mut client = Client::connect(start(&server).await).await;
    client.write(&format!("POST {XHR} HTTP/1.0\r\n\r\n")).await;
    let head = client.head().await;
    assert_eq!((head.status, head.header("transfer-encoding")), (200, "-"));
    assert_eq!(client.exactly(2051).await, "h".repeat(2048) + "\no\n");
    let session = server.opened().await;
    session.send(&Message::text("1")).unwrap();
    session.close(3000, "");
    assert_eq!(client.until_closed().await, "a[\"1\"]\nc[3000,\"\"]\n");
}

#[tokio::test]
async fn who_goes_is_seen_and_gives_its_place_back() {
    let mut server = Server::start().await;
    let guard = Arc::default();
    let addr = serve(&server.sockjs, &guard).await;
    let mut client = Client::connect(addr).await;
    client.open("POST", XHR).await;
    client.next().await;
    assert_eq!(client.next().await, "o\n");
    // What is sent behind the request is not a request.
    client.write("POST /app/0/id/xhr_send HTTP/1.1\r\n\r\n").await;
    let session = server.opened().await;
    session.send(&Message::text("1")).unwrap();
    assert_eq!(client.next().await, "a[\"1\"]\n");
    assert_eq!(Arc::strong_count(&guard), 3, "ours, the listener's, and the stream's: the server has let go");
    drop(client);
    assert_eq!(server.closed().await.close.code, 1002);
    let mut again = Client::connect(addr).await;
    again.open("POST", XHR).await;
    again.next().await;
    assert_eq!(again.next().await, "c[1002,\"Connection interrupted\"]\n");
    assert_eq!(again.chunk().await, None);
    drop(again);
    let given_back = async {
        while Arc::strong_count(&guard) > 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("the end of both", given_back).await;
}

#[tokio::test]
async fn who_does_not_read_gets_what_waits_when_it_does() {
    let mut server =
        Server::with(|builder| builder.response_limit(1 << 30).heartbeat_delay(Duration::from_secs(60)))
            .await;
    let mut client = Client::connect(start(&server).await).await;
    client.open("POST", XHR).await;
    client.next().await;
    assert_eq!(client.next().await, "o\n");
    let session = server.opened().await;
    let text = "x".repeat(100_000);
    let mut sent = 0;
    while session.send(&Message::text(&text)).is_ok() {
        sent += 1;
    }
    assert!(sent > 10, "{sent}");
    let mut bytes = 0;
    while bytes < sent * text.len() {
        let chunk = client.next().await;
        bytes += chunk.matches('x').count();
    }
    soon("room", server.room()).await;
    session.send(&Message::text("last")).unwrap();
    assert_eq!(client.next().await, "a[\"last\"]\n");
}
