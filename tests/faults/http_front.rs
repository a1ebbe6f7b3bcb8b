//! Requests that are none, clients that never read, and what load balancers ask.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use pushnote_tests::{PATIENCE, Single};

/// What the server answers to these bytes on a connection of its own, until it closes it.
fn answer(address: &str, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(address);
    stream.write_all(bytes.as_ref()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer and an end in time");
    answer
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[track_caller]
fn is_answered(address: &str, head: &str, status: &str) {
    let answer = answer(address, format!("{head}connection: close\r\n\r\n"));
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?} is answered {answer:?}");
}

#[test]
fn a_target_without_a_path_is_refused() {
    let single = Single::start();
    for head in ["CONNECT a:1", "GET a:1", "OPTIONS a:1", "POST a"] {
        is_answered(&single.server.address, &format!("{head} HTTP/1.1\r\nhost: a\r\n"), "400");
    }
}

#[test]
fn a_request_has_one_host() {
    let single = Single::start();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for hosts in ["", "host: a\r\nhost: a\r\n", "host: a b\r\n", "host: a/b\r\n"] {
        is_answered(&single.server.address, &format!("GET /sockjs/info HTTP/1.1\r\n{hosts}"), "400");
        let head = format!("GET /sockjs/websocket HTTP/1.1\r\n{hosts}{upgrade}\r\n");
        let answer = answer(&single.server.address, &head);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?} is answered {answer:?}");
    }
    is_answered(&single.server.address, "GET /sockjs/info HTTP/1.1\r\nhost: [::1]:80\r\n", "200");
}

#[test]
fn load_balancers_are_answered() {
    let single = Single::start();
    for request in ["OPTIONS /", "HEAD /", "GET /health", "HEAD /health"] {
        is_answered(&single.server.address, &format!("{request} HTTP/1.1\r\nhost: a\r\n"), "200");
    }
}

/// A session whose client is between two polls holds the server, so that its next poll hears of the end.
#[test]
fn load_balancers_are_told_of_the_drain() {
    let mut single = Single::start();
    let poll = |session| format!("POST /sockjs/0/{session}/xhr HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n");
    is_answered(&single.server.address, &poll("between"), "200");
    is_answered(&single.server.address, &poll("waiting"), "200");
    let mut waiting = connect(&single.server.address);
    waiting.write_all(format!("{}\r\n", poll("waiting")).as_bytes()).unwrap();
    single.server.process.terminate();
    // The answer is the first sign of the drain.
    assert!(waiting.read(&mut [0; 16]).unwrap() > 0);
    is_answered(&single.server.address, "GET /health HTTP/1.1\r\nhost: a\r\n", "503");
    is_answered(&single.server.address, &poll("between"), "200");
    assert!(single.server.process.ended().success());
}

/// Far more answers are asked for than the kernel's buffers take.
#[test]
fn clients_that_never_read_do_not_hold_up_the_end() {
    let mut single = Single::start();
    let mut deaf = connect(&single.server.address);
    deaf.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let request = "GET /sockjs/info HTTP/1.1\r\nhost: a\r\n\r\n".repeat(1000);
    while deaf.write_all(request.as_bytes()).is_ok() {}
    let told = Instant::now();
    single.server.process.terminate();
    assert!(single.server.process.ended().success());
    assert!(told.elapsed() < Duration::from_secs(15), "it took {:?}", told.elapsed());
}

/// Linux lets in no more than it may queue, and who is not let in tries again a second later at the earliest.
#[test]
fn a_storm_of_connections_waits_in_the_listeners_queue() {
    let single = Single::start();
    single.server.process.signal("-STOP");
    let address = single.server.address.parse().unwrap();
    let storm: Vec<_> =
        (0..1_000).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(900))).collect();
    single.server.process.signal("-CONT");
    let waiting = storm.iter().filter(|connected| connected.is_ok()).count();
    assert_eq!(waiting, 1_000);
    is_answered(&single.server.address, "GET /health HTTP/1.1\r\nhost: a\r\n", "200");
}

/// What fills the places of sessions over HTTP, or finds out others' sessions, goes by requests of a few bytes.
#[test]
fn new_sessions_and_guesses_are_bounded_for_each_address_and_second() {
    let single = Single::with(&["--sessions-per-second-max=10"]);
    for (target, taken) in [("xhr", "200"), ("xhr_send", "404")] {
        let started = Instant::now();
        let statuses: Vec<String> = (0..200)
            .map(|number| {
                let head = format!("POST /sockjs/0/{target}{number}/{target} HTTP/1.1\r\nhost: a\r\n");
                answer(
                    &single.server.address,
                    format!("{head}content-length: 2\r\nconnection: close\r\n\r\n[]"),
                )
            })
            .map(|answer| answer["HTTP/1.1 ".len()..][..3].to_owned())
            .collect();
        // The count begins anew with each second.
        let seconds = started.elapsed().as_secs() as usize + 2;
        let count = statuses.iter().filter(|status| *status == taken).count();
        assert!((10..=10 * seconds).contains(&count), "{target}: {count} are taken in {seconds} s");
        assert!(statuses.iter().all(|status| status == taken || status == "429"), "{statuses:?}");
    }
}

#[test]
fn a_trusted_proxys_browsers_are_counted_each_for_itself() {
    let single = Single::with(&["--sessions-per-second-max=1", "--trusted-proxy=127.0.0.0/8,::1"]);
    for (number, browser) in ["192.0.2.1", "192.0.2.2", "6.6.6.6, 192.0.2.3"].iter().enumerate() {
        let head = format!("POST /sockjs/0/s{number}/xhr HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n");
        let answer = answer(
            &single.server.address,
            format!("{head}x-forwarded-for: {browser}\r\nconnection: close\r\n\r\n"),
        );
        assert!(answer.starts_with("HTTP/1.1 200 "), "{browser}: {answer:?}");
    }
}

/// As `nc -N` does, and many a probe.
#[test]
fn a_client_that_ends_its_side_is_answered() {
    let single = Single::start();
    for request in [
        "GET /sockjs/info HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /health HTTP/1.0\r\n\r\n",
        "POST /sockjs/0/a/xhr HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        "POST /sockjs/0/a/xhr_send HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n[\n]",
    ] {
        for _ in 0..20 {
            let mut stream = connect(&single.server.address);
            stream.write_all(request.as_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(
                answer.starts_with("HTTP/1.") && answer[8..].starts_with(" 20"),
                "{request:?}: {answer:?}"
            );
            if request.contains("xhr ") {
                break;
            }
        }
    }
}

/// It ends its side, too; and it may have sent something behind its request.
#[test]
fn a_poll_that_is_broken_off_is_noticed() {
    // A poll that nobody disturbs ends with a heartbeat.
    let single = Single::with(&["--heartbeat-delay=5"]);
    for (session, behind) in [("a", ""), ("b", "G"), ("c", "GET / HTTP/1.1\r\nhost: a\r\n\r\n")] {
        let poll = format!("POST /sockjs/0/{session}/xhr HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n");
        let last = format!("{poll}connection: close\r\n\r\n");
        assert!(answer(&single.server.address, &last).ends_with("o\n"));
        let waiting = loop {
            let mut waiting = connect(&single.server.address);
            waiting.write_all(format!("{poll}\r\n{behind}").as_bytes()).unwrap();
            // The first of the two is attached, and the other one refused.
            if answer(&single.server.address, &last).contains("c[2010,") {
                break waiting;
            }
        };
        drop(waiting);
        let noticed = loop {
            let answer = answer(&single.server.address, &last);
            if !answer.contains("c[2010,") {
                break answer;
            }
        };
        assert!(noticed.contains("c[1002,"), "{behind:?}: {noticed:?}");
    }
}

/// RFC 9112, section 2.2: others on a request's way may see no end of a line there.
#[test]
fn lines_of_a_head_end_in_cr_and_lf() {
    let single = Single::start();
    let upgrade = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for head in [
        "GET /sockjs/info HTTP/1.1\nhost: a\r\nconnection: close\r\n\r\n".to_owned(),
        "GET /sockjs/info HTTP/1.1\r\nhost: a\nconnection: close\r\n\r\n".to_owned(),
        "GET /sockjs/info HTTP/1.1\r\nhost: a\r\nconnection: close\n\n".to_owned(),
        format!("GET /sockjs/websocket HTTP/1.1\r\nhost: a\n{upgrade}\r\n"),
        format!("GET /sockjs/websocket HTTP/1.1\r\nhost: a\r\n{upgrade}\n"),
    ] {
        let answer = answer(&single.server.address, &head);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{head:?} is answered {answer:?}");
    }
}
