//! Sessions over WebSocket, and RFC 6455 itself.

use tokio_tungstenite::tungstenite::{
    Bytes, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::client::{Request, Server};
use crate::websockets::{
    ACCEPT, BINARY, CLOSE, Client, FINAL, PING, PONG, RawClient, TEXT, handshake, refused,
};

const FRAMED: &str = "/echo/000/a/websocket";
const RAW: &str = "/echo/websocket";

#[track_caller]
fn is_accepted(server: &Server, request: &Request) {
    let response = server.connect().begin(request);
    assert_eq!(response.status, 101, "{response:?}");
    assert_eq!(response.header("Sec-WebSocket-Accept"), Some(ACCEPT));
}

/// The handshake with other values of the two fields that ask for it.
fn upgrade(connection: &str, upgrade: &str) -> Request {
    Request::get(FRAMED)
        .header("Upgrade", upgrade)
        .header("Connection", connection)
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

#[test]
fn a_handshake_is_answered_with_its_key() {
    let server = Server::start();
    for target in [FRAMED, RAW] {
        let response = server.connect().begin(&handshake(target));
        assert_eq!(response.status, 101, "{response:?}");
        assert_eq!(response.header("Sec-WebSocket-Accept"), Some(ACCEPT));
        assert!(response.header("Upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")));
        assert!(response.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
        assert_eq!(response.header("Content-Length"), None, "{response:?}");
        assert_eq!(response.header("Transfer-Encoding"), None, "{response:?}");
    }
}

#[test]
fn upgrade_may_be_one_of_many_in_any_case() {
    let server = Server::start();
    for (connection, name) in [
        ("keep-alive, Upgrade", "websocket"),
        ("Upgrade, keep-alive", "WebSocket"),
        ("UPGRADE", "WEBSOCKET"),
        ("upgrade,keep-alive", "websocket"),
    ] {
        is_accepted(&server, &upgrade(connection, name));
    }
}

#[test]
fn what_asks_for_no_websocket_is_a_bad_request() {
    let server = Server::start();
    for target in [FRAMED, RAW] {
        assert_eq!(server.get(target).status, 400, "{target}");
    }
    for request in [
        upgrade("close", "websocket"),
        upgrade("keep-alive", "websocket"),
        upgrade("Upgrade", "h2c"),
        upgrade("Upgraded", "websocket"),
    ] {
        assert_eq!(refused(&server, &request).status, 400, "{request:?}");
    }
}

#[test]
fn a_handshake_needs_a_key_of_sixteen_bytes() {
    let server = Server::start();
    let without = Request::get(FRAMED)
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Version", "13");
    assert_eq!(refused(&server, &without).status, 400);
    for key in ["", "c2hvcnQ=", "not base64 at all!!!!!!!"] {
        let request = without.clone().header("Sec-WebSocket-Key", key);
        assert_eq!(refused(&server, &request).status, 400, "{key}");
    }
}

#[test]
fn versions_other_than_13_are_refused() {
    let server = Server::start();
    for version in ["8", "99", "0", ""] {
        let request = Request::get(FRAMED)
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", version)
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let status = refused(&server, &request).status;
        assert!([400, 426].contains(&status), "{status} to {version:?}");
    }
}

#[test]
fn a_service_without_websockets_has_no_such_url() {
    let server = Server::start();
    for target in ["/disabled_websocket_echo/websocket", "/disabled_websocket_echo/000/a/websocket"] {
        assert_eq!(server.get(target).status, 404);
        assert_eq!(refused(&server, &handshake(target)).status, 404);
    }
}

#[test]
fn messages_come_as_an_array_or_alone() {
    let server = Server::start();
    let mut client = Client::framed(&server, FRAMED);
    client.says(r#"["a"]"#);
    client.hears(r#"a["a"]"#);
    client.says(r#""alone""#);
    client.hears(r#"a["alone"]"#);
    client.says(" [ \"spaced\" ]\n");
    client.hears(r#"a["spaced"]"#);
}

#[test]
fn several_messages_keep_their_order() {
    let server = Server::start();
    let mut client = Client::framed(&server, FRAMED);
    client.says(r#"["a","b"]"#);
    client.says(r#"["c"]"#);
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let Message::Text(frame) = client.next() else { panic!("a frame") };
        let messages = frame.strip_prefix('a').unwrap_or_else(|| panic!("messages, not {frame}"));
        heard.extend(serde_json::from_str::<Vec<String>>(messages).expect("an array"));
    }
    assert_eq!(heard, ["a", "b", "c"]);
}

#[test]
fn an_empty_frame_and_an_empty_array_are_no_messages() {
    let server = Server::start();
    let mut client = Client::framed(&server, FRAMED);
    client.says("");
    client.says("[]");
    client.says(r#"["first"]"#);
    client.hears(r#"a["first"]"#);
}

#[test]
fn broken_json_closes_at_once() {
    let server = Server::start();
    for text in ["[\"a", "[\"a\"]x", "{", "x", "[\"a\",]"] {
        let mut client = RawClient::framed(&server, FRAMED);
        client.frame(FINAL | TEXT, text.as_bytes());
        match client.next() {
            None => {}
            Some((opcode, _)) => assert_eq!(opcode, CLOSE, "{text}"),
        }
    }
}

#[test]
fn a_closed_session_says_so_before_the_connection_closes() {
    let server = Server::start();
    let mut client = Client::framed(&server, "/close/000/a/websocket");
    client.hears(r#"c[3000,"Go away!"]"#);
    assert_eq!(client.ends(), (1000, "Normal closure".to_owned()));
}

#[test]
fn a_client_that_closes_gets_its_code_back() {
    let server = Server::start();
    for (target, code) in [(FRAMED, 1000), (FRAMED, 3999), (RAW, 1001), (RAW, 4000)] {
        let mut client = Client::open(&server, target);
        let reason = "done".into();
        client.send(Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason })));
        if target == FRAMED {
            client.hears("o");
        }
        assert_eq!(client.ends().0, code);
    }
}

#[test]
fn a_close_without_a_code_is_answered() {
    let server = Server::start();
    let mut client = RawClient::framed(&server, FRAMED);
    client.frame(FINAL | CLOSE, b"");
    assert_eq!(client.next().expect("a close frame").0, CLOSE);
    assert_eq!(client.next(), None);
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    let server = Server::start();
    for target in [FRAMED, RAW] {
        let mut client = Client::open(&server, target);
        if target == FRAMED {
            client.hears("o");
        }
        client.send(Message::Ping(Bytes::from_static(b"are you there")));
        assert_eq!(client.next(), Message::Pong(Bytes::from_static(b"are you there")));
    }
}

#[test]
fn a_pong_that_nobody_asked_for_is_ignored() {
    let server = Server::start();
    let mut client = RawClient::framed(&server, FRAMED);
    client.frame(FINAL | PONG, b"unasked");
    client.frame(FINAL | TEXT, br#"["a"]"#);
    client.hears(TEXT, br#"a["a"]"#);
}

#[test]
fn a_message_may_come_in_fragments_with_a_ping_between() {
    let server = Server::start();
    let mut client = RawClient::framed(&server, FRAMED);
    let message = "[\"h\u{e9}llo\"]".as_bytes();
    client.frame(TEXT, &message[..4]);
    client.frame(FINAL | PING, b"between");
    client.hears(PONG, b"between");
    client.frame(0, &message[4..6]);
    client.frame(0, b"");
    client.frame(FINAL, &message[6..]);
    client.hears(TEXT, "a[\"h\u{e9}llo\"]".as_bytes());
}

#[test]
fn text_that_is_no_utf8_closes_with_1007() {
    let server = Server::start();
    for target in [FRAMED, RAW] {
        for text in [b"\"\xff\"".as_slice(), b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"] {
            let mut client = RawClient::open(&server, target);
            if target == FRAMED {
                client.hears(TEXT, b"o");
            }
            client.frame(FINAL | TEXT, text);
            assert_eq!(client.ends(), 1007, "{text:?}");
        }
    }
}

#[test]
fn frames_against_the_rules_close_with_1002() {
    let server = Server::start();
    for (first, payload) in [
        (FINAL | 0x40 | TEXT, b"".as_slice()), // reserved bits
        (FINAL | 0x20 | TEXT, b""),
        (FINAL | 0x10 | BINARY, b""),
        (FINAL | 0x3, b""), // reserved opcodes
        (FINAL | 0x7, b""),
        (FINAL | 0xB, b""),
        (FINAL | 0xF, b""),
        (PING, b""),                  // a control frame in fragments
        (FINAL, b"of nothing"),       // a continuation of nothing
        (FINAL | CLOSE, b"\x03"),     // half a code
        (FINAL | CLOSE, b"\x03\xed"), // 1005 is never sent
    ] {
        let mut client = RawClient::framed(&server, FRAMED);
        client.frame(first, payload);
        assert_eq!(client.ends(), 1002, "{first:#x} {payload:?}");
    }
}

#[test]
fn a_message_inside_another_closes_with_1002() {
    let server = Server::start();
    let mut client = RawClient::framed(&server, FRAMED);
    client.frame(TEXT, b"[");
    client.frame(FINAL | TEXT, b"[]");
    assert_eq!(client.ends(), 1002);
}

#[test]
fn an_unmasked_frame_closes_with_1002() {
    let server = Server::start();
    let mut client = RawClient::framed(&server, FRAMED);
    client.bytes(&[FINAL | TEXT, 5, b'[', b'"', b'a', b'"', b']']);
    assert_eq!(client.ends(), 1002);
}

#[test]
fn a_mebibyte_comes_back() {
    let text = "x".repeat(1 << 20);
    let server = Server::start();
    let mut client = Client::framed(&server, FRAMED);
    client.says(&format!("[\"{text}\"]"));
    client.hears(&format!("a[\"{text}\"]"));
}
