//! Characters that browsers and proxies of all times have damaged.

use serde_json::Value;

use crate::client::Server;
use crate::transports::{EVENTSOURCE, HTMLFILE, JSONP, XHR_STREAMING};
use crate::websockets::Client;

/// Characters that must go out escaped, besides all outside the first plane.
fn to_escape() -> impl Iterator<Item = char> {
    [
        '\0'..='\u{1f}',
        '\u{200c}'..='\u{200f}',
        '\u{2028}'..='\u{202f}',
        '\u{2060}'..='\u{206f}',
        '\u{fff0}'..='\u{ffff}',
    ]
    .into_iter()
    .flatten()
}

fn escape(character: char) -> String {
    character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// What a poll gets for one message, given as it stands in the request.
fn echoed(server: &Server, session: &str, literal: &str) -> String {
    server.send(session, format!("[\"{literal}\"]"));
    server.poll(session)
}

fn messages(frame: &str) -> Value {
    serde_json::from_str(frame.strip_prefix('a').expect("messages")).expect("an array")
}

#[test]
fn dangerous_characters_go_out_as_lower_case_escapes() {
    let server = Server::start();
    server.open("/echo/000/a");
    for character in to_escape().filter(|character| *character >= '\u{ff}') {
        let escaped = escape(character);
        let frame = format!("a[\"{escaped}\"]\n");
        assert_eq!(echoed(&server, "/echo/000/a", &escaped), frame);
        assert_eq!(echoed(&server, "/echo/000/a", &character.to_string()), frame);
    }
}

#[test]
fn control_characters_go_out_escaped() {
    let server = Server::start();
    server.open("/echo/000/a");
    for character in '\0'..='\u{1f}' {
        let frame = echoed(&server, "/echo/000/a", &escape(character));
        assert!(frame.starts_with("a[\"\\") && frame.is_ascii(), "{frame:?}");
        assert_eq!(messages(&frame)[0], character.to_string());
        // The line end is the poll's own.
        assert!(!frame.trim_end_matches('\n').contains(char::is_control), "{frame:?}");
    }
}

#[test]
fn characters_outside_the_first_plane_go_out_as_pairs() {
    let server = Server::start();
    server.open("/echo/000/a");
    for character in ['\u{10000}', '\u{1f600}', '\u{e0001}', '\u{10ffff}'] {
        let frame = format!("a[\"{}\"]\n", escape(character));
        assert_eq!(echoed(&server, "/echo/000/a", &character.to_string()), frame);
        assert_eq!(echoed(&server, "/echo/000/a", &escape(character)), frame);
    }
}

#[test]
fn quotes_and_backslashes_come_back() {
    let server = Server::start();
    server.open("/echo/000/a");
    for literal in [r#"\""#, r"\\", r"\/", r"\b\f\n\r\t", r#"\\\"\\"#, r"\\u0041"] {
        let sent: Value = serde_json::from_str(&format!("\"{literal}\"")).expect("a literal");
        assert_eq!(messages(&echoed(&server, "/echo/000/a", literal))[0], sent);
    }
}

#[test]
fn every_escape_is_understood() {
    let server = Server::start();
    server.open("/echo/000/a");
    let units = (0..=0xffff_u32).filter(|unit| char::from_u32(*unit).is_some());
    let literal: String = units.clone().map(|unit| format!("\\u{unit:04X}")).collect();
    let text: String = units.filter_map(char::from_u32).collect();
    assert_eq!(messages(&echoed(&server, "/echo/000/a", &literal))[0], text);
}

#[test]
fn every_character_arrives() {
    let server = Server::start();
    server.open("/echo/000/a");
    let text: String =
        (' '..=char::MAX).step_by(7).filter(|character| !r#""\"#.contains(*character)).collect();
    assert_eq!(messages(&echoed(&server, "/echo/000/a", &text))[0], text);
}

#[test]
fn halves_of_pairs_fail_nothing() {
    let server = Server::start();
    server.open("/echo/000/a");
    for lone in
        [r"\ud800", r"\udfff", r"\udc00\ud800", r"\ud83dx", r"\ud83d\u0041", r"x\ude00", r"\ud800\ud800"]
    {
        server.send("/echo/000/a", format!(r#"["before","{lone}","after"]"#));
        let frame = server.poll("/echo/000/a");
        let (before, after) = (frame.starts_with(r#"a["before","#), frame.ends_with("\",\"after\"]\n"));
        assert!(before && after, "{lone}: {frame:?}");
    }
}

#[test]
fn text_around_half_a_pair_is_kept() {
    let server = Server::start();
    server.open("/echo/000/a");
    for half in [r"\ud83d", r"\ude00"] {
        let frame = echoed(&server, "/echo/000/a", &format!("left{half}right"));
        let kept = [half.to_owned(), r"\ufffd".to_owned(), "\u{fffd}".to_owned()]
            .map(|half| format!("a[\"left{half}right\"]\n"));
        assert!(kept.contains(&frame), "{frame:?}");
    }
}

#[test]
fn websocket_frames_have_the_same_escapes() {
    let server = Server::start();
    let mut client = Client::framed(&server, "/echo/000/a/websocket");
    for character in to_escape().filter(|character| *character >= '\u{ff}').chain(['\u{1f600}']) {
        client.says(&format!("[\"{character}\"]"));
        client.hears(&format!("a[\"{}\"]", escape(character)));
    }
}

#[test]
fn streams_have_the_same_escapes() {
    let server = Server::start();
    for (number, transport) in [XHR_STREAMING, EVENTSOURCE, HTMLFILE].into_iter().enumerate() {
        let session = format!("/echo/000/{number}");
        let mut wire = transport.open(&server, &session);
        server.send(&session, "[\"\u{2028}\u{1f600}\u{ffff}\"]");
        transport.next_is(&mut wire, r#"a["\u2028\ud83d\ude00\uffff"]"#);
    }
}

#[test]
fn scripts_have_the_same_escapes() {
    let server = Server::start();
    server.open("/echo/000/a");
    server.send("/echo/000/a", "[\"\u{2028}\u{1f600}\u{ffff}\"]");
    JSONP.gets_only(&server, "/echo/000/a", r#"a["\u2028\ud83d\ude00\uffff"]"#);
}

#[test]
fn halves_of_pairs_do_not_break_a_websocket() {
    let server = Server::start();
    let mut client = Client::framed(&server, "/echo/000/a/websocket");
    client.says(r#"["\ud800"]"#);
    assert!(client.next().into_text().expect("text").starts_with("a["));
    client.says(r#"["alive"]"#);
    client.hears(r#"a["alive"]"#);
}

#[test]
fn a_raw_websocket_escapes_nothing() {
    let server = Server::start();
    let mut client = Client::open(&server, "/echo/websocket");
    for text in ["\u{ffff}", "\u{10ffff}", "\0\u{1f}", "\u{2028}\\\"", "%"] {
        client.says(text);
        client.hears(text);
    }
}
