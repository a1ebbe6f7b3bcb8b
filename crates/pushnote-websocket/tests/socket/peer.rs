use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pushnote_websocket::decode::{Decoder, Event, Role};
use pushnote_websocket::encode::{Frame, Opcode};
use pushnote_websocket::{Disconnected, Driver, Socket, SocketOptions};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time;

/// Both ends of a loopback connection, the accepting one first.
pub(crate) async fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (server, client)
}

/// A socket that echoes nothing, its driver not running, and its peer.
pub(crate) async fn connect(options: SocketOptions) -> (Arc<Socket>, Driver, Peer) {
    let (server, client) = streams().await;
    let (socket, driver) = Socket::new(server, Bytes::new(), Arc::new(options));
    (socket, driver, Peer::new(client))
}

/// As [`connect`], but the kernel takes only a few thousand bytes of what is sent before the peer reads.
pub(crate) async fn connect_narrow(options: SocketOptions) -> (Arc<Socket>, Driver, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Before the handshake, which announces the window.
    SockRef::from(&listener).set_send_buffer_size(4096).unwrap();
    let client = tokio::net::TcpSocket::new_v4().unwrap();
    client.set_recv_buffer_size(4096).unwrap();
    let client = client.connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let (socket, driver) = Socket::new(server, Bytes::new(), Arc::new(options));
    (socket, driver, Peer::new(client))
}

/// Runs a driver that ignores messages.
pub(crate) fn run(driver: Driver) -> JoinHandle<Disconnected> {
    tokio::spawn(driver.run(ignore))
}

pub(crate) fn ignore(_: pushnote_websocket::Event<'_>) -> ControlFlow<(u16, Cow<'static, str>)> {
    ControlFlow::Continue(())
}

/// Stops tokio's clock: it moves by `advance` alone, however long the kernel takes.
pub(crate) struct Clock {
    /// tokio does not advance a paused clock by itself while a blocking task runs.
    _hold: mpsc::Sender<()>,
}

impl Clock {
    pub(crate) fn stop() -> Self {
        time::pause();
        let (hold, release) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || release.recv());
        Self { _hold: hold }
    }

    /// A little more than `seconds`: tokio's timers fire at the next whole millisecond.
    pub(crate) async fn advance(&self, seconds: u64) {
        time::advance(Duration::from_secs(seconds) + Duration::from_millis(2)).await;
    }
}

/// What a peer receives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping,
    Pong(Vec<u8>),
    Close(u16, String),
    /// The stream's end, by FIN.
    Fin,
    /// The stream's end, by RST.
    Reset,
}

impl Got {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn close(code: u16, reason: &str) -> Self {
        Self::Close(code, reason.into())
    }
}

/// The browser's side.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    decoder: Decoder,
    unread: BytesMut,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self { stream, decoder: Decoder::new(Role::Client, 64 * 1024 * 1024), unread: BytesMut::new() }
    }

    pub(crate) async fn next(&mut self) -> Got {
        loop {
            let (taken, event) = self.decoder.decode(&mut self.unread).expect("a server's frames");
            let got = event.map(|event| match event {
                Event::Text(text) => Got::Text(text.into()),
                Event::Binary(bytes) => Got::Binary(bytes.into()),
                Event::Ping(_) => Got::Ping,
                Event::Pong(payload) => Got::Pong(payload.into()),
                Event::Close { code, reason } => Got::Close(code, reason.into()),
            });
            let _ = self.unread.split_to(taken);
            if let Some(got) = got {
                return got;
            }
            match self.stream.read_buf(&mut self.unread).await {
                Ok(0) => return Got::Fin,
                Ok(_) => {}
                Err(_) => return Got::Reset,
            }
        }
    }

    pub(crate) async fn send(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut frame = BytesMut::new();
        Frame::new(opcode, payload).append_masked(&mut frame, [1, 2, 3, 4]);
        self.send_raw(&frame).await;
    }

    pub(crate) async fn send_close(&mut self, code: u16, reason: &str) {
        self.send(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()].concat()).await;
    }

    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }
}
