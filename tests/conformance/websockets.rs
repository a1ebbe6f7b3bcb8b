//! WebSocket clients: one that keeps the rules, and one that writes frames as it likes.

use std::net::TcpStream;

use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::client::{Request, Response, Server, Wire};

/// What RFC 6455 §1.3 answers to the key below.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
pub(crate) const FINAL: u8 = 0x80;

/// The request that asks for a WebSocket.
pub(crate) fn handshake(target: &str) -> Request {
    Request::get(target)
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// A client that keeps the rules and checks that the server does.
pub(crate) struct Client(WebSocket<TcpStream>);

impl Client {
    #[track_caller]
    pub(crate) fn open(server: &Server, target: &str) -> Self {
        let url = format!("ws://{}{target}", server.address());
        let (socket, _) = tungstenite::client(url, server.connect().into_stream()).expect("a WebSocket");
        Self(socket)
    }

    /// One whose session is open.
    #[track_caller]
    pub(crate) fn framed(server: &Server, target: &str) -> Self {
        let mut client = Self::open(server, target);
        client.hears("o");
        client
    }

    pub(crate) fn says(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    pub(crate) fn send(&mut self, message: Message) {
        self.0.send(message).expect("a server that reads");
    }

    pub(crate) fn next(&mut self) -> Message {
        self.0.read().expect("a message")
    }

    #[track_caller]
    pub(crate) fn hears(&mut self, text: &str) {
        assert_eq!(self.next(), Message::text(text));
    }

    /// The server's close frame, and after it the end of the connection.
    #[track_caller]
    pub(crate) fn ends(mut self) -> (u16, String) {
        let Message::Close(Some(close)) = self.next() else { panic!("a close frame with a code") };
        loop {
            match self.0.read() {
                Err(tungstenite::Error::ConnectionClosed) => break,
                other => drop(other.expect("an end in order")),
            }
        }
        (close.code.into(), close.reason.to_string())
    }
}

/// A client that may break every rule.
pub(crate) struct RawClient(Wire);

impl RawClient {
    #[track_caller]
    pub(crate) fn open(server: &Server, target: &str) -> Self {
        let mut wire = server.connect();
        let response = wire.begin(&handshake(target));
        assert_eq!(response.status, 101, "{response:?}");
        Self(wire)
    }

    pub(crate) fn framed(server: &Server, target: &str) -> Self {
        let mut client = Self::open(server, target);
        client.hears(TEXT, b"o");
        client
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// A masked frame with this first byte.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) {
        let short = u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("a short payload");
        let mask = [0x12, 0x34, 0x56, 0x78];
        let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key);
        let head = [first, 0x80 | short].into_iter().chain(mask);
        self.0.write(head.chain(masked).collect::<Vec<_>>());
    }

    /// The next frame: opcode and payload; `None` when the connection has ended.
    pub(crate) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.0.byte()?;
        assert_eq!(first & 0xF0, FINAL, "a whole frame without extension bits");
        let length = match self.0.byte()? {
            126 => u16::from_be_bytes(self.0.exactly(2).try_into().expect("two bytes")).into(),
            length => {
                assert!(length < 126, "an unmasked frame of moderate length");
                usize::from(length)
            }
        };
        Some((first & 0xF, self.0.exactly(length)))
    }

    #[track_caller]
    pub(crate) fn hears(&mut self, opcode: u8, payload: &[u8]) {
        assert_eq!(self.next(), Some((opcode, payload.to_owned())));
    }

    /// The code of the server's close frame, after which the connection must end.
    #[track_caller]
    pub(crate) fn ends(mut self) -> u16 {
        let (opcode, payload) = self.next().expect("a close frame");
        assert_eq!(opcode, CLOSE, "{payload:?}");
        // The client's part of the closing handshake, or nothing if the server does not wait for it.
        self.frame(FINAL | CLOSE, &payload);
        assert_eq!(self.next(), None, "nothing after the close frame");
        u16::from_be_bytes([payload[0], payload[1]])
    }
}

/// How the server answers a handshake that it refuses.
#[track_caller]
pub(crate) fn refused(server: &Server, request: &Request) -> Response {
    let response = server.ask(request);
    assert_ne!(response.status, 101, "{response:?}");
    response
}
