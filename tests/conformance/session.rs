//! One session over many requests: frames, one receiver at a time, closing, forgetting.

use std::{
    thread,
    time::{Duration, Instant},
};

use pushnote_tests::PATIENCE;

use crate::client::{Request, Response, Server, Wire};
use crate::transports::{
    ALL, EVENTSOURCE, HTMLFILE, JSONP, POLLING, STREAMING, Transport, XHR, XHR_STREAMING,
};
use crate::websockets::Client;

/// Of the disconnect delay, which is five seconds: after one such time it is not over, after two it is.
const MOST_OF_THE_DELAY: Duration = Duration::from_secs(3);

const TAKEN: &str = r#"c[2010,"Another connection still open"]"#;
const GO_AWAY: &str = r#"c[3000,"Go away!"]"#;

/// Two polls of an open session at once: the one that is attached, and the answer to the other. Which is which is
/// the server's choice.
fn rivals(server: &Server, transport: Transport, session: &str) -> (Wire, Response) {
    let mut wires = [server.connect(), server.connect()];
    for wire in &mut wires {
        wire.write(transport.request(session).bytes());
    }
    let [mut one, mut other] = wires;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if one.shows("2010") {
            return (other, one.answer("GET"));
        }
        if other.shows("2010") {
            return (one, other.answer("GET"));
        }
    }
    panic!("neither was refused");
}

/// A session whose receiver went away has been closed: there is a new one, or it says that it was interrupted.
#[track_caller]
fn was_interrupted(server: &Server, session: &str) {
    let deadline = Instant::now() + PATIENCE;
    let mut frame = server.poll(session);
    // The end of a connection may be seen later than the next one's request.
    while frame == XHR.wrapped(TAKEN) && Instant::now() < deadline {
        frame = server.poll(session);
    }
    assert!(["o\n", "c[1002,\"Connection interrupted\"]\n"].contains(&frame.as_str()), "{frame:?}");
}

#[test]
fn every_transport_opens_a_new_session_at_once() {
    let server = Server::start();
    for transport in POLLING {
        transport.gets_only(&server, &format!("/echo/000/{}", transport.name.len()), "o");
    }
    for transport in STREAMING {
        transport.open(&server, &format!("/echo/001/{}", transport.name.len()));
    }
}

#[test]
fn a_session_is_opened_once_whatever_transport_goes_on() {
    let server = Server::start();
    server.open("/echo/000/a");
    for transport in ALL {
        server.send("/echo/000/a", r#"["x"]"#);
        if !transport.has_prelude() {
            transport.gets_only(&server, "/echo/000/a", r#"a["x"]"#);
        }
    }
    let mut wire = XHR_STREAMING.attach(&server, "/echo/000/a");
    XHR_STREAMING.next_is(&mut wire, r#"a["x","x","x"]"#);
}

#[test]
fn messages_wait_for_a_receiver_and_come_in_one_frame() {
    let server = Server::start();
    for (number, transport) in POLLING.into_iter().enumerate() {
        let session = format!("/echo/000/{number}");
        server.open(&session);
        for messages in [r#"["a"]"#, r#"["b","c"]"#, r#"["d"]"#] {
            server.send(&session, messages);
        }
        transport.gets_only(&server, &session, r#"a["a","b","c","d"]"#);
    }
}

#[test]
fn messages_that_waited_come_in_one_frame_of_a_stream() {
    let server = Server::start();
    for (number, transport) in STREAMING.into_iter().enumerate() {
        let session = format!("/echo/000/{number}");
        server.open(&session);
        server.send(&session, r#"["a","b"]"#);
        server.send(&session, r#"["c"]"#);
        let mut wire = transport.attach(&server, &session);
        transport.next_is(&mut wire, r#"a["a","b","c"]"#);
    }
}

#[test]
fn a_waiting_poll_gets_a_message_when_it_is_sent() {
    let server = Server::start();
    for (number, transport) in POLLING.into_iter().enumerate() {
        let session = format!("/echo/000/{number}");
        server.open(&session);
        let mut poll = server.connect();
        poll.write(transport.request(&session).bytes());
        server.send(&session, r#"["now"]"#);
        assert_eq!(poll.answer("GET").text(), transport.wrapped(r#"a["now"]"#));
    }
}

#[test]
fn a_second_receiver_is_refused_and_leaves_the_first_alone() {
    for (number, first) in STREAMING.into_iter().enumerate() {
        let server = Server::start();
        let session = format!("/echo/000/{number}");
        let mut wire = first.open(&server, &session);
        for second in ALL {
            second.gets_only(&server, &session, TAKEN);
        }
        server.send(&session, r#"["undisturbed"]"#);
        first.next_is(&mut wire, r#"a["undisturbed"]"#);
    }
}

#[test]
fn a_second_poll_is_refused_and_leaves_the_first_alone() {
    let server = Server::start();
    for (number, transport) in POLLING.into_iter().enumerate() {
        let session = format!("/echo/000/{number}");
        server.open(&session);
        let (mut first, second) = rivals(&server, transport, &session);
        assert_eq!(second.text(), transport.wrapped(TAKEN));
        server.send(&session, r#"["undisturbed"]"#);
        assert_eq!(first.answer("GET").text(), transport.wrapped(r#"a["undisturbed"]"#));
    }
}

#[test]
fn a_closed_session_says_so_to_every_later_receiver() {
    let server = Server::start();
    for (number, transport) in POLLING.into_iter().enumerate() {
        let session = format!("/close/000/{number}");
        transport.gets_only(&server, &session, "o");
        for _ in 0..2 {
            for transport in ALL {
                transport.gets_only(&server, &session, GO_AWAY);
            }
        }
    }
}

#[test]
fn a_close_ends_the_stream_that_was_attached() {
    let server = Server::start();
    for (number, transport) in STREAMING.into_iter().enumerate() {
        let session = format!("/close/000/{number}");
        let mut wire = transport.open(&server, &session);
        transport.next_is(&mut wire, GO_AWAY);
        assert_eq!(wire.chunk(), None, "the end");
        XHR.gets_only(&server, &session, GO_AWAY);
    }
}

#[test]
fn a_lost_poll_closes_its_session() {
    let server = Server::start();
    for (number, transport) in POLLING.into_iter().enumerate() {
        let session = format!("/echo/000/{number}");
        server.open(&session);
        let (attached, _) = rivals(&server, transport, &session);
        drop(attached);
        was_interrupted(&server, &session);
    }
}

#[test]
fn a_lost_stream_closes_its_session() {
    let server = Server::start();
    for (number, transport) in STREAMING.into_iter().enumerate() {
        let session = format!("/echo/000/{number}");
        drop(transport.open(&server, &session));
        was_interrupted(&server, &session);
    }
}

#[test]
fn sends_to_an_unknown_session_are_not_found() {
    let server = Server::start();
    for name in ["xhr_send", "jsonp_send"] {
        assert_eq!(server.post(&format!("/echo/000/unknown/{name}"), r#"["a"]"#).status, 404);
    }
}

/// The one test that lives through the delay. All its cases are the session machine's own tests, whose time is virtual.
#[test]
fn after_five_seconds_sessions_without_a_receiver_are_forgotten_and_no_others() {
    let server = Server::start();
    server.open("/echo/000/a");
    XHR.gets_only(&server, "/close/000/a", "o");
    let streams = [XHR_STREAMING, EVENTSOURCE, HTMLFILE];
    let mut wires =
        streams.map(|transport| transport.open(&server, &format!("/echo/000/{}", transport.name.len())));
    server.open("/echo/000/poll");
    let mut poll = server.connect();
    poll.write(JSONP.request("/echo/000/poll").bytes());

    thread::sleep(MOST_OF_THE_DELAY);
    // A send does not prolong the time, a receiver does.
    server.send("/echo/000/a", r#"["a"]"#);
    XHR.gets_only(&server, "/close/000/a", GO_AWAY);
    thread::sleep(MOST_OF_THE_DELAY);
    assert_eq!(server.post("/echo/000/a/xhr_send", r#"["a"]"#).status, 404);
    server.open("/echo/000/a");
    XHR.gets_only(&server, "/close/000/a", GO_AWAY);
    for (transport, wire) in streams.into_iter().zip(&mut wires) {
        server.send(&format!("/echo/000/{}", transport.name.len()), r#"["here"]"#);
        transport.next_is(wire, r#"a["here"]"#);
    }
    server.send("/echo/000/poll", r#"["here"]"#);
    assert_eq!(poll.answer("GET").text(), JSONP.wrapped(r#"a["here"]"#));
}

#[test]
fn websocket_sessions_are_not_named() {
    let server = Server::start();
    let mut clients = [(); 2].map(|()| Client::framed(&server, "/echo/000/same/websocket"));
    assert_eq!(server.post("/echo/000/same/xhr_send", r#"["a"]"#).status, 404);
    server.open("/echo/000/same");
    for (number, client) in clients.iter_mut().enumerate() {
        client.says(&format!(r#"["{number}"]"#));
        client.hears(&format!(r#"a["{number}"]"#));
    }
}

#[test]
fn what_one_says_reaches_every_session_of_a_broadcast() {
    let server = Server::start();
    let mut streams = STREAMING.map(|transport| {
        (transport, transport.open(&server, &format!("/broadcast/000/{}", transport.name.len())))
    });
    let mut client = Client::framed(&server, "/broadcast/000/ws/websocket");
    let mut raw = Client::open(&server, "/broadcast/websocket");
    server.open("/broadcast/000/poll");
    // The raw client speaks: its own echo tells that all of them are there.
    raw.says("100 % \u{ffff}");
    raw.hears("100 % \u{ffff}");
    client.hears(r#"a["100 % \uffff"]"#);
    assert_eq!(server.poll("/broadcast/000/poll"), "a[\"100 % \\uffff\"]\n");
    for (transport, wire) in &mut streams {
        let percent = if transport.name == "eventsource" { "%25" } else { "%" };
        transport.next_is(wire, &format!(r#"a["100 {percent} \uffff"]"#));
    }
}

#[test]
fn a_refused_receiver_does_not_make_a_session_of_an_unknown_url() {
    let server = Server::start();
    assert_eq!(server.ask(&Request::get("/echo/000/a/xhr")).status, 405);
    assert_eq!(server.post("/echo/000/a/xhr_send", r#"["a"]"#).status, 404);
}
