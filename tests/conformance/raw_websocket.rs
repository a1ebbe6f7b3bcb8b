//! A WebSocket without sessions and frames of its own.

use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::client::Server;
use crate::websockets::{Client, FINAL, RawClient, TEXT, handshake};

#[test]
fn text_comes_back_as_it_is() {
    let server = Server::start();
    let mut client = Client::open(&server, "/echo/websocket");
    for text in ["", "\"\"", "[]", "[\"a\"]", "[\"broken", "o", "hello, w\u{f6}rld"] {
        client.says(text);
        client.hears(text);
    }
}

#[test]
fn nothing_is_said_unasked() {
    let server = Server::start();
    let mut client = RawClient::open(&server, "/echo/websocket");
    client.frame(FINAL | TEXT, b"first");
    client.hears(TEXT, b"first");
}

#[test]
fn binary_stays_binary() {
    let server = Server::start();
    let mut client = Client::open(&server, "/echo/websocket");
    for payload in [b"".as_slice(), b"text", b"\x00\xff\xfe"] {
        let message = Message::Binary(Bytes::copy_from_slice(payload));
        client.send(message.clone());
        assert_eq!(client.next(), message);
    }
}

#[test]
fn a_mebibyte_comes_back() {
    let text = "x".repeat(1 << 20);
    let server = Server::start();
    let mut client = Client::open(&server, "/echo/websocket");
    client.says(&text);
    client.hears(&text);
}

#[test]
fn a_close_has_the_applications_code_and_reason() {
    let server = Server::start();
    let client = Client::open(&server, "/close/websocket");
    assert_eq!(client.ends(), (3000, "Go away!".to_owned()));
}

#[test]
fn extensions_and_protocols_that_are_offered_are_not_taken() {
    let offer = handshake("/echo/websocket")
        .header("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")
        .header("Sec-WebSocket-Protocol", "one, two");
    let response = Server::start().connect().begin(&offer);
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(response.header("Sec-WebSocket-Extensions"), None);
    assert_eq!(response.header("Sec-WebSocket-Protocol"), None);
}
