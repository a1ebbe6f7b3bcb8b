//! Other servers, and such as mean no good.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::spawn;
use std::time::{Duration, Instant};

use pushnote_tests::{SECRET, Single};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::page::url;
use super::{Said, says, says_with};

/// What a connection is answered with, again and again.
#[derive(Clone, Copy)]
enum Answer {
    /// This, and the connection ends.
    Once(&'static str),
    /// This, and then this piece for ever.
    Endless(&'static str, &'static str),
    /// Nothing.
    Silence,
    /// A SockJS whose WebSockets bring nothing but pings, without an end.
    Pings,
}

/// A server that is none.
fn other(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for stream in listener.incoming().flatten() {
            spawn(move || serve(stream, answer));
        }
    });
    format!("http://{address}/sockjs")
}

/// The client may go at any time.
fn serve(mut stream: TcpStream, answer: Answer) -> Option<()> {
    let mut request = [0; 4096];
    stream.read(&mut request).ok().filter(|bytes| *bytes > 0)?;
    match answer {
        Answer::Once(text) => stream.write_all(text.as_bytes()).ok()?,
        Answer::Endless(head, piece) => {
            stream.write_all(head.as_bytes()).ok()?;
            let many = piece.repeat(1000);
            while stream.write_all(many.as_bytes()).is_ok() {}
        }
        Answer::Pings => pings(&mut stream, &String::from_utf8_lossy(&request))?,
        Answer::Silence => {}
    }
    if let Answer::Silence = answer {
        while stream.read(&mut request).ok()? > 0 {}
    }
    Some(())
}

fn pings(stream: &mut TcpStream, request: &str) -> Option<()> {
    let Some(key) = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")) else {
        return stream.write_all(INFO.as_bytes()).ok();
    };
    let accept = derive_accept_key(key.as_bytes());
    let head = "HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ";
    stream.write_all(format!("{head}{accept}\r\n\r\n").as_bytes()).ok()?;
    stream.write_all(b"\x81\x01o").ok()?;
    let many = b"\x89\x00".repeat(5000);
    // Nobody reads what they are answered with.
    while stream.write_all(&many).is_ok() {}
    Some(())
}

/// Whatever it is, it is said soon, and no byte of it reaches the terminal that one would obey.
#[track_caller]
fn soon(answer: Answer, arguments: &[&str], code: i32) -> Said {
    let url = other(answer);
    let started = Instant::now();
    let said = says(&[&[&url, "--timeout=500ms", "--keep-alive=1s"], arguments].concat(), code);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}: {said}", started.elapsed());
    assert!(!said.to_string().contains(|c: char| c.is_control() && c != '\n'), "{said}");
    said
}

const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<html><title>My \u{1b}[31mshop</title>";
const MOVED: &str = "HTTP/1.1 301 Moved\r\nlocation: https://www.example.org/\r\nconnection: close\r\n\r\n";
const INFO: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"websocket\":true,\"origins\":[\"*:*\"],\"entropy\":1}";
const LATE: &str = "HTTP/1.1 200 OK\r\ndate: Fri, 01 Jan 2021 00:00:00 GMT\r\ncache-control: no-store\r\nconnection: close\r\n\r\n{\"websocket\":true,\"origins\":[\"*:*\"]}";
const ENDLESS: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";

#[test]
fn another_server() {
    let said = soon(Answer::Once(PAGE), &[], 78);
    said.has("FAIL", "info", &["200 with a web page", "My \\u{1b}[31mshop", "no SockJS", "--route"]);
    let said = soon(Answer::Once(MOVED), &[], 78);
    said.has("FAIL", "info", &["301", "a redirection to https://www.example.org/"]);
    let said = soon(Answer::Once("SSH-2.0-OpenSSH_9.2\r\n"), &[], 78);
    said.has("FAIL", "info", &["speaks no HTTP"]);
    let said = soon(Answer::Once(""), &[], 69);
    said.has("FAIL", "info", &["ended without an answer"]);
    let said = soon(Answer::Silence, &[], 69);
    said.has("FAIL", "info", &["no answer in time"]);
}

#[test]
fn the_whole_way_ends_where_a_server_sends_its_pages() {
    let there = Single::start();
    let base_url = url(&there.server);
    let info = format!(
        "HTTP/1.1 200 OK\r\ncache-control: no-store\r\nconnection: close\r\n\r\n\
         {{\"websocket\":true,\"origins\":[\"*:*\"],\"base_url\":\"{base_url}\"}}"
    );
    let here = other(Answer::Once(info.leak()));
    let mq = format!("--mq-sub={}", there.endpoint);
    let said = says_with(&[&here, &mq, "--keep-alive=0s"], &[("PUSHNOTE_SECRET", SECRET)], 0);
    said.has("ok", "base_url", &[&base_url]).has("ok", "to a page", &["and in the page after"]);
}

#[test]
fn what_is_only_half_of_it() {
    // The same answer for everything, twice the same: a cache before it, and no transport.
    let said = soon(Answer::Once(INFO), &[], 78);
    said.has("FAIL", "cache", &["is kept on the way and given again", "proxy_cache"])
        .has("warn", "clock", &["no Date"])
        .has("FAIL", "websocket", &["200", "does not pass the upgrade on", "Connection"])
        .has("FAIL", "xhr-streaming", &["ends at once"])
        .has("FAIL", "xhr-polling", &["not SockJS's"]);
}

#[test]
fn a_clock_that_is_years_behind() {
    let said = soon(Answer::Once(LATE), &["--transport=websocket"], 78);
    said.has("FAIL", "clock", &["s behind this machine's", "from the future", "NTP"]);
}

#[test]
fn pings_without_end() {
    let said = soon(Answer::Pings, &["--transport=websocket"], 78);
    said.has("FAIL", "websocket", &["opens", "within 500ms"]);
}

#[test]
fn a_server_that_says_that_its_heartbeats_are_years_apart() {
    let info = INFO.replacen('{', "{\"heartbeat_delay\":18446744073709551615,", 1);
    let said = soon(Answer::Once(info.leak()), &["--transport=websocket"], 78);
    said.has("ok", "info", &["a heartbeat each 18446744073709551.615s"]);
    let too_long = super::doctor(&["http://127.0.0.1:9/sockjs", "--keep-alive=9999999999999999999s"]);
    assert_eq!(too_long.status.code(), Some(64), "{too_long:?}");
}

#[test]
fn gigabytes_and_garbage() {
    for piece in ["x", "\u{1b}[2J\u{7}\n", "{", "o\n", "a[", "data: o\r\n", "\0"] {
        soon(Answer::Endless(ENDLESS, piece), &[], 78).has("FAIL", "info", &["200"]);
    }
    // A head that never ends.
    soon(Answer::Endless("HTTP/1.1 200 OK\r\n", "x-a: b\r\n"), &[], 78).has("FAIL", "info", &["no HTTP"]);
}
