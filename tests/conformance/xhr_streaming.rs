//! Streaming to XMLHttpRequest, and the response limit that all streams share.

use crate::client::Server;
use crate::transports::{EVENTSOURCE, HTMLFILE, STREAMING, XHR_STREAMING};

#[test]
fn the_prelude_and_each_frame_are_chunks_of_their_own() {
    let server = Server::start();
    let (head, mut wire) = server.stream(&XHR_STREAMING.request("/echo/000/a"));
    assert_eq!(head.header("Content-Type"), Some("application/javascript; charset=UTF-8"));
    assert_eq!(head.header("Content-Length"), None);
    assert_eq!(wire.chunk(), Some(format!("{}\n", "h".repeat(2048))));
    assert_eq!(wire.chunk().as_deref(), Some("o\n"));
    for text in ["a", "b", "c"] {
        server.send("/echo/000/a", format!("[\"{text}\"]"));
        assert_eq!(wire.chunk(), Some(format!("a[\"{text}\"]\n")));
    }
}

#[test]
fn a_stream_ends_when_its_frames_have_reached_the_limit() {
    let server = Server::start();
    let mut wire = XHR_STREAMING.open(&server, "/echo/000/a");
    let text = "x".repeat(128);
    // 2 + 30 · 134 < 4096 ≤ 2 + 31 · 134; the prelude does not count.
    for _ in 0..31 {
        server.send("/echo/000/a", format!("[\"{text}\"]"));
        XHR_STREAMING.next_is(&mut wire, &format!("a[\"{text}\"]"));
    }
    assert_eq!(wire.chunk(), None, "the end");
}

#[test]
fn the_limit_counts_the_wrapping_of_frames() {
    let server = Server::start();
    for transport in [EVENTSOURCE, HTMLFILE] {
        let session = format!("/echo/000/{}", transport.name.len());
        let mut wire = transport.open(&server, &session);
        let text = "x".repeat(128);
        let frame = format!("a[\"{text}\"]");
        let left = 4096 - transport.wrapped("o").len();
        for _ in 0..left.div_ceil(transport.wrapped(&frame).len()) {
            server.send(&session, format!("[\"{text}\"]"));
            transport.next_is(&mut wire, &frame);
        }
        assert_eq!(wire.chunk(), None, "the end of {transport:?}");
    }
}

#[test]
fn a_session_goes_on_with_the_next_stream() {
    let server = Server::start();
    for transport in STREAMING {
        let session = format!("/echo/000/{}", transport.name.len());
        let mut wire = transport.open(&server, &session);
        let long = "x".repeat(5000);
        server.send(&session, format!("[\"{long}\"]"));
        transport.next_is(&mut wire, &format!("a[\"{long}\"]"));
        assert_eq!(wire.chunk(), None, "the end of {transport:?}");
        server.send(&session, r#"["between"]"#);
        let mut wire = transport.attach(&server, &session);
        transport.next_is(&mut wire, r#"a["between"]"#);
        server.send(&session, r#"["after"]"#);
        transport.next_is(&mut wire, r#"a["after"]"#);
    }
}

#[test]
fn the_next_stream_has_the_prelude_again() {
    let server = Server::start();
    server.open("/echo/000/a");
    for _ in 0..2 {
        let (_, mut wire) = server.stream(&XHR_STREAMING.request("/echo/000/a"));
        assert_eq!(wire.chunk(), Some(format!("{}\n", "h".repeat(2048))));
        let long = "y".repeat(4096);
        server.send("/echo/000/a", format!("[\"{long}\"]"));
        XHR_STREAMING.next_is(&mut wire, &format!("a[\"{long}\"]"));
        assert_eq!(wire.chunk(), None);
    }
}

#[test]
fn a_frame_is_never_split() {
    let server = Server::start();
    for transport in STREAMING {
        let session = format!("/amplify/000/{}", transport.name.len());
        let mut wire = transport.open(&server, &session);
        server.send(&session, r#"["18"]"#);
        transport.next_is(&mut wire, &format!("a[\"{}\"]", "x".repeat(1 << 18)));
        assert_eq!(wire.chunk(), None, "the end of {transport:?}");
    }
}
