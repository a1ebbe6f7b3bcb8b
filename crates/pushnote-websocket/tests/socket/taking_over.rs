use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use pushnote_net::http::HttpStream;
use pushnote_websocket::{Event, HyperIo, Socket, TakeOverError, encode, handshake, take_over};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;

use crate::peer::{Got, Peer, streams};

/// The request and, without waiting for its answer, a text frame `Hi`, masked with zeros.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x82\0\0\0\0Hi";

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    answer_on(request, HyperIo::default()).await
}

async fn answer_on(mut request: Request<Incoming>, io: HyperIo) -> Result<Response<String>, Infallible> {
    let accept = handshake::check(request.method(), request.version(), request.headers()).unwrap();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (stream, read_ahead) = take_over(upgrade, &io).await.unwrap();
        let read_ahead = read_ahead.try_into_mut().unwrap();
        assert!(read_ahead.capacity() < 100, "a share of hyper's read buffer keeps all of it");
        let read_ahead = read_ahead.freeze();
        let (socket, driver) = Socket::new(stream, read_ahead, Arc::default());
        let echo = move |message: Event<'_>| {
            let Event::Text(text) = message else { panic!("not sent") };
            socket.send(&encode::text(text)).unwrap();
            ControlFlow::Continue(())
        };
        driver.run(echo).await
    });
    Ok(accept.response().map(|()| String::new()))
}

async fn assert_echo(mut client: TcpStream) {
    client.write_all(REQUEST).await.unwrap();
    let mut response = Vec::new();
    while !response.ends_with(b"\r\n\r\n") {
        response.push(client.read_u8().await.unwrap());
    }
    assert!(response.starts_with(b"HTTP/1.1 101"), "{}", response.escape_ascii());
    let mut peer = Peer::new(client);
    assert_eq!(peer.next().await, Got::text("Hi"));
    peer.send_close(1000, "").await;
    assert_eq!(peer.next().await, Got::close(1000, ""));
}

#[tokio::test]
async fn from_an_http1_connection() {
    let (server, client) = streams().await;
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(server), service_fn(answer))
        .with_upgrades();
    tokio::spawn(connection);
    assert_echo(client).await;
}

#[tokio::test]
async fn from_an_http_stream() {
    let (server, client) = streams().await;
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(HttpStream::new(server)), service_fn(answer))
        .with_upgrades();
    tokio::spawn(connection);
    assert_echo(client).await;
}

#[tokio::test]
async fn from_an_automatic_connection() {
    let (server, client) = streams().await;
    tokio::spawn(async move {
        auto::Builder::new(TokioExecutor::new())
            .serve_connection_with_upgrades(TokioIo::new(server), service_fn(answer))
            .await
    });
    assert_echo(client).await;
}

#[tokio::test]
async fn from_a_stream_of_the_servers_own() {
    let (server, client) = streams().await;
    let io = HyperIo::new(|io: TokioIo<BufWriter<TcpStream>>| io.into_inner().into_inner().into());
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(
            TokioIo::new(BufWriter::new(server)),
            service_fn(move |request| answer_on(request, io.clone())),
        )
        .with_upgrades();
    tokio::spawn(connection);
    assert_echo(client).await;
}

#[tokio::test]
async fn not_from_what_was_not_named() {
    let (server, mut client) = streams().await;
    let (sender, refused) = tokio::sync::oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let upgrade = hyper::upgrade::on(&mut request);
        let sender = sender.lock().unwrap().take().unwrap();
        tokio::spawn(async move { sender.send(take_over(upgrade, &HyperIo::default()).await.unwrap_err()) });
        let accept = handshake::check(request.method(), request.version(), request.headers()).unwrap();
        async move { Ok::<_, Infallible>(accept.response().map(|()| String::new())) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(BufWriter::new(server)), service)
        .with_upgrades();
    tokio::spawn(connection);
    client.write_all(REQUEST).await.unwrap();
    assert!(matches!(refused.await.unwrap(), TakeOverError::UnknownIo));
}
