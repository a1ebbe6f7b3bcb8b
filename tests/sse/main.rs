//! Server-sent events from the real server: docs/sse.md.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stream;

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use pushnote::Publisher;
use pushnote_tests::{Launch, Metrics, PATIENCE, Process, SECRET, Single, token};
use serde_json::{Value, json};
use stream::{Event, Stream};

const PUBLIC: &str = r#"--channels={ prefix = "public.", public = true }"#;

fn publisher(single: &Single) -> Publisher {
    Publisher::builder().endpoint(&single.endpoint).unwrap().build().unwrap()
}

fn made(arguments: &[&str]) -> String {
    let made = Process::output("pushnote", arguments, &[("PUSHNOTE_SECRET", SECRET)]);
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

/// An answer that is no stream: its status, and the kind of its problem.
fn refused(address: &str, target: &str, headers: &str) -> (u16, String) {
    let mut answer = Stream::ask(address, "GET", target, headers, "");
    let problem: Value = serde_json::from_str(&answer.rest()).unwrap();
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(problem["status"], json!(answer.status));
    (answer.status, problem["type"].as_str().unwrap().rsplit(':').next().unwrap().to_owned())
}

#[tokio::test]
async fn what_is_for_a_client_comes_as_events() {
    let single = Single::with(&[PUBLIC, "--metrics=127.0.0.1:0"]);
    let publisher = publisher(&single);
    let (mine, private) = (token("42"), made(&["token", "--channel", "private"]));
    let target = format!("/events?channel=public.a&channel=private&token={mine}&token={private}");
    let mut stream = Stream::ask(&single.server.address, "GET", &target, "", "");
    for (name, value) in [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("connection", "close"),
    ] {
        assert_eq!(stream.header(name), Some(value));
    }
    let beginning = stream.next().unwrap();
    assert!((1000..5000).contains(&beginning.retry.unwrap()), "{beginning:?}");
    assert!(stream.next().unwrap().id.is_some(), "where it begins");

    publisher.notify_all(json!({"msg": "Hi all!"})).unwrap();
    publisher.notify(2, ["42"]).unwrap();
    publisher.notify("not this one", ["43"]).unwrap();
    publisher.notify_channel("public.b", "nor this").unwrap();
    publisher.notify_channel("public.a", 3).unwrap();
    publisher.publish(4).event("late").channel("private").send().unwrap();
    assert_eq!(stream.message(), json!({"msg": "Hi all!"}));
    assert_eq!((stream.message(), stream.message()), (json!(2), json!(3)));
    let late = stream.next().unwrap();
    assert_eq!((late.name.as_deref(), late.data), (Some("late"), Some(json!(4))));

    let metrics = Metrics::of(&single.server.process);
    metrics.until("pushnote_server_sse_streams", |streams| streams == 1.0);
    drop(stream);
    metrics.until("pushnote_server_sse_streams", |streams| streams == 0.0);
}

#[tokio::test]
async fn a_client_of_several_channels_is_told_of_which_a_message_is() {
    let single = Single::with(&[PUBLIC]);
    let publisher = publisher(&single);
    let target = "/events?channel=public.a&channel=public.b&with=channel";
    let mut stream = Stream::open(&single.server.address, target, "");
    publisher.publish(1).channel("public.b").send().unwrap();
    publisher.publish(2).channel("public.a").channel("public.b").send().unwrap();
    publisher.publish("late").channel("public.a").event("late").send().unwrap();
    publisher.notify_all(3).unwrap();
    assert_eq!(stream.message(), json!({"channel": "public.b", "data": 1}));
    assert_eq!(stream.message(), json!({"channels": ["public.a", "public.b"], "data": 2}));
    let late = stream.next().unwrap();
    assert_eq!(late.name.as_deref(), Some("late"));
    assert_eq!(late.data, Some(json!({"channel": "public.a", "event": "late", "data": "late"})));
    assert_eq!(stream.message(), json!({"data": 3}));
    let address = &single.server.address;
    assert_eq!(refused(address, "/events?with=name", ""), (400, "bad_parameter".to_owned()));
}

#[tokio::test]
async fn it_goes_on_where_it_was_after_the_server_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut single = Single::with(&[PUBLIC, &format!("--data-dir={}", directory.path().display())]);
    let mut stream = Stream::open(&single.server.address, "/events?channel=public.a", "");
    let first = publisher(&single);
    for number in 0..100 {
        first.notify_channel("public.a", number).unwrap();
    }
    for number in 0..50 {
        assert_eq!(stream.message(), json!(number));
    }
    let id = stream.last_id.clone();
    while stream.message() != json!(99) {}
    single.crash_and_restart();
    first.notify_channel("public.a", 100).unwrap();
    let by_header = ("/events?channel=public.a".to_owned(), format!("last-event-id: {id}\r\n"));
    let by_parameter = (format!("/events?channel=public.a&last_event_id={id}"), String::new());
    for (target, headers) in [by_header, by_parameter] {
        let mut again = Stream::open(&single.server.address, &target, &headers);
        for number in 50..=100 {
            assert_eq!(again.message(), json!(number));
        }
    }
    let headers = "last-event-id: 1~1.1\r\n";
    let mut lost = Stream::ask(&single.server.address, "GET", "/events", headers, "");
    lost.next().unwrap();
    assert_eq!(lost.next().unwrap().name.as_deref(), Some("gap"), "a place of another log");
}

#[tokio::test]
async fn who_hears_nothing_for_long_is_told_where_it_is() {
    let single = Single::with(&["--log-messages-max=100"]);
    let publisher = publisher(&single);
    let mut stream = Stream::open(&single.server.address, "/events", "");
    let before = stream.last_id.clone();
    for number in 0..1000 {
        publisher.notify_channel("another", number).unwrap();
    }
    let event = stream.next().unwrap();
    let only_an_id = Event { id: event.id.clone(), ..Event::default() };
    assert!(event == only_an_id && stream.last_id != before, "{event:?}");
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_what_is_missing() {
    let single = Single::with(&[PUBLIC, "--log-messages-max=100", "--metrics=127.0.0.1:0"]);
    let wire = TcpStream::connect(&single.server.address).unwrap();
    wire.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = Stream::ask_over(wire, "GET", "/events", "", "");
    while stream.next().unwrap().id.is_none() {}
    let publisher = publisher(&single);
    let filling = "x".repeat(50_000);
    let metrics = Metrics::of(&single.server.process);
    let mut sent = 0;
    let behind = || pushnote_tests::sum(&metrics.page(), "pushnote_server_fell_behind") > 0.0;
    let mut further = 0;
    while further < 300 {
        sent += 1;
        while publisher.notify_all(json!({"number": sent, "filling": filling})).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Beyond what the kernel holds for it, so many more as make it miss some.
        if further > 0 || sent % 50 == 0 && behind() {
            further += 1;
        }
    }
    metrics.until("pushnote_server_publications", |publications| publications == f64::from(sent));
    let (mut last, mut gaps) = (0, 0);
    while last < i64::from(sent) {
        let event = stream.next().unwrap();
        if event.name.as_deref() == Some("gap") {
            gaps += 1;
            continue;
        }
        let number = event.data.unwrap()["number"].as_i64().unwrap();
        assert!(number == last + 1 || gaps > 0, "{last}, then {number} without a word");
        last = number;
    }
    assert!(gaps > 0);
}

#[test]
fn what_is_not_allowed_is_refused_in_words() {
    let single = Single::with(&[PUBLIC, "--channels-per-connection-max=2"]);
    let address = &single.server.address;
    let (mine, private) = (token("42"), made(&["token", "--channel", "private"]));
    let expect = |target: &str, status: u16, kind: &str| {
        assert_eq!(refused(address, target, ""), (status, kind.to_owned()), "{target}");
    };
    expect("/events?channel=private", 401, "token_missing");
    expect("/events?token=none", 401, "token_invalid");
    expect(&format!("/events?channel=other&token={private}"), 403, "not_allowed");
    expect(&format!("/events?channel=private&token={mine}"), 403, "not_allowed");
    expect("/events?ticket=none", 401, "ticket_unknown");
    expect("/events?channel=a*", 400, "bad_channel");
    expect("/events?channel=public.a&channel=public.b&channel=public.c", 429, "limit");
    expect(&format!("/events?x={}", "y".repeat(9000)), 414, "too_long");
    let answer = Stream::ask(address, "POST", "/events", "", "");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, OPTIONS")));
}

#[test]
fn tokens_need_not_stand_in_a_url() {
    let single = Single::start();
    let address = &single.server.address;
    let mine = token("42");
    let bearer = format!("authorization: Bearer {mine}\r\n");
    let hears = |target: &str, headers: &str| {
        let mut stream = Stream::open(address, target, headers);
        publisher(&single).notify(1, ["42"]).unwrap();
        assert_eq!(stream.message(), json!(1));
    };
    hears("/events", &bearer);
    hears("/events", &format!("cookie: a=b; pushnote_token={mine}\r\n"));

    for (headers, body) in [(&*bearer, String::new()), ("", format!("token={mine}"))] {
        let mut answer = Stream::ask(address, "POST", "/events/ticket", headers, &body);
        let ticket: Value = serde_json::from_str(&answer.rest()).unwrap();
        assert_eq!((answer.status, &ticket["expires_in"]), (200, &json!(30)));
        let target = format!("/events?ticket={}", ticket["ticket"].as_str().unwrap());
        hears(&target, "");
        assert_eq!(refused(address, &target, "").0, 401, "it was used");
    }
    assert_eq!(Stream::ask(address, "POST", "/events/ticket", "", "").status, 401);
    assert_eq!(Stream::ask(address, "POST", "/events/ticket", "", "token=none").status, 401);
}

#[test]
fn pages_of_other_origins_are_told_what_they_may() {
    let mine = token("42");
    let cookie = format!("cookie: mine={mine}\r\n");
    let any = Single::with(&["--token-cookie=mine"]);
    let origin = "origin: http://other.example\r\n";
    let mut stream = Stream::open(&any.server.address, "/events", &format!("{origin}{cookie}"));
    assert_eq!(stream.header("access-control-allow-origin"), Some("http://other.example"));
    let publisher = publisher(&any);
    publisher.notify("its reader's", ["42"]).unwrap();
    publisher.notify_all("everyone's").unwrap();
    assert_eq!(stream.message(), json!("everyone's"), "a page of another origin has no use of the cookie");

    let one = Single::with(&["--token-cookie=mine", "--allowed-origin=http://other.example"]);
    let mut stream = Stream::open(&one.server.address, "/events", &format!("{origin}{cookie}"));
    self::publisher(&one).notify("its reader's", ["42"]).unwrap();
    assert_eq!(stream.message(), json!("its reader's"), "unless that is named");
    let strange = refused(&one.server.address, "/events", "origin: http://evil.example\r\n");
    assert_eq!(strange, (403, "origin_refused".to_owned()));
    let asked = format!("{origin}access-control-request-headers: authorization\r\n");
    let preflight = Stream::ask(&one.server.address, "OPTIONS", "/events/ticket", &asked, "");
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization"));
}

#[test]
fn a_stream_ends_with_its_token() {
    let single = Single::start();
    let short = made(&["token", "42", "--ttl=5s"]);
    let mut stream = Stream::open(&single.server.address, &format!("/events?token={short}"), "");
    let expired = stream.next().unwrap();
    assert_eq!(expired.name.as_deref(), Some("expired"));
    assert_eq!(expired.data, Some(json!({"user": "42"})));
    assert_eq!(stream.next(), None);
    let again = refused(&single.server.address, &format!("/events?token={short}"), "");
    assert_eq!(again, (401, "token_expired".to_owned()));
}

#[test]
fn a_server_that_ends_tells_when_to_come_back() {
    let mut single = Single::start();
    let mut streams: Vec<_> = (0..10).map(|_| Stream::open(&single.server.address, "/events", "")).collect();
    single.server.process.terminate();
    for stream in &mut streams {
        assert!(stream.next().unwrap().retry.is_some());
        assert_eq!(stream.next(), None);
    }
    drop(streams);
    assert!(single.server.process.ended().success());
}

#[test]
fn proxies_may_ask_over_http_2() {
    let single = Single::of(Launch::server());
    let url = format!("http://{}/events", single.server.address);
    let mut curl = Command::new("curl");
    let client = Process::spawn(curl.args(["-siN", "--http2-prior-knowledge", &url]));
    client.line_after("HTTP/2 200");
    client.line_after("id: ");
    publisher(&single).notify_all("by HTTP/2").unwrap();
    client.line_after(r#"data: "by HTTP/2""#);
    single.server.process.terminate();
    client.line_after("retry: ");
}
