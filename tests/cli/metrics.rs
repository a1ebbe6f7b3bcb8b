//! `pushnote-mq --metrics`: what Prometheus reads is what happened.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use pushnote_tests::{Forwarder, PATIENCE, Process};
use pushnote_zmtp::{Options, Publisher, Subscriber};

use crate::fails;

const METRICS: &str = "--metrics=127.0.0.1:0";

/// One request, and all of the answer.
fn ask(address: &str, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Where a forwarder tells its metrics.
fn address(process: &Process) -> String {
    process.line_after("metrics on http://").trim_end_matches("/metrics").to_owned()
}

/// The sum of all series that begin so.
fn sum(text: &str, series: &str) -> f64 {
    let values = text.lines().filter(|line| line.starts_with(series));
    values.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// Asks until `series` is as it has to be, and returns the whole page.
#[track_caller]
fn until(address: &str, series: &str, sound: impl Fn(f64) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = ask(address, "GET", "/metrics");
        if sound(sum(&text, series)) {
            return text;
        }
        assert!(Instant::now() < deadline, "{series} in:\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_address_is_checked() {
    let listen = ["--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0"];
    let with = |flag: &str, code: i32, words: &[&str]| {
        fails("pushnote-mq", &[&listen[..], &[flag]].concat(), &[], code, words);
    };
    for wrong in ["9000", "localhost", "tcp://127.0.0.1:9000", "127.0.0.1:70000"] {
        with(&format!("--metrics={wrong}"), 64, &["--metrics", wrong, "127.0.0.1:9000"]);
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    with(&format!("--metrics={taken}"), 69, &["--metrics", &taken, "in use"]);
}

#[test]
fn two_paths_and_two_methods_are_answered() {
    let forwarder = Forwarder::with(&[METRICS]);
    let address = address(&forwarder.process);
    let metrics = ask(&address, "GET", "/metrics");
    assert!(
        metrics.starts_with("HTTP/1.1 200 ") && metrics.contains("text/plain; version=0.0.4"),
        "{metrics}"
    );
    assert!(metrics.contains("\r\n\r\n# HELP "), "{metrics}");
    let head = ask(&address, "HEAD", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    let health = ask(&address, "GET", "/health");
    assert!(health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok\n"), "{health}");
    assert!(ask(&address, "GET", "/").starts_with("HTTP/1.1 404 "));
    assert!(ask(&address, "POST", "/metrics").starts_with("HTTP/1.1 405 "));
}

#[test]
fn who_asks_badly_is_in_nobodys_way() {
    let forwarder = Forwarder::with(&[METRICS]);
    let address = address(&forwarder.process);
    // More than are served at a time: the silent ones are given up after some seconds, and the relay goes on.
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let publisher = pushnote::Publisher::builder().endpoint(&forwarder.sub).unwrap().build().unwrap();
    publisher.notify_all("still there").unwrap();
    publisher.flush(Duration::from_secs(2)).unwrap();
    let mut endless = TcpStream::connect(&address).unwrap();
    let _ = endless.write_all(&vec![b'x'; 100_000]);
    assert!(ask(&address, "GET", "/health").ends_with("ok\n"));
    drop(silent);
}

#[test]
fn messages_are_counted_to_the_byte() {
    let forwarder = Forwarder::with(&[METRICS]);
    let address = address(&forwarder.process);
    let publisher = pushnote::Publisher::builder().endpoint(&forwarder.sub).unwrap().build().unwrap();
    for number in 0..7 {
        publisher.notify_all(number).unwrap();
    }
    publisher.flush(PATIENCE).unwrap();
    let text = until(&address, "pushnote_mq_sent_messages_total", |messages| messages >= 7.0);
    let envelope = r#"{"name":"notify_all","data":0,"publication":"0123456789abcdef/1"}"#;
    let bytes = 7 * (envelope.len() + 2);
    for (series, value) in [
        ("pushnote_mq_received_messages_total{end=\"sub\"}", 7.0),
        ("pushnote_mq_received_bytes_total{end=\"sub\"}", bytes as f64),
        ("pushnote_mq_sent_messages_total{end=\"pub\"}", 7.0),
        ("pushnote_mq_sent_bytes_total{end=\"pub\"}", bytes as f64),
        ("pushnote_mq_dropped_messages_total", 0.0),
        ("pushnote_mq_connections_total{end=\"sub\"}", 1.0),
        ("pushnote_mq_peers{end=\"sub\"}", 1.0),
        ("pushnote_mq_peers{end=\"pub\"}", 0.0),
        ("pushnote_mq_closed_connections_total", 0.0),
    ] {
        assert_eq!(sum(&text, series), value, "{series} in:\n{text}");
    }
    drop(publisher);
    until(&address, "pushnote_mq_peers", |peers| peers == 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_does_not_read_lags() {
    let forwarder = Forwarder::with(&[METRICS]);
    let address = address(&forwarder.process);
    // One that does not ask for what it missed.
    let options = Options { resume: false, ..Options::default() };
    let stalled = Subscriber::connect(forwarder.publ.parse().unwrap(), options);
    let publisher = Publisher::connect(forwarder.sub.parse().unwrap(), Options::default());
    tokio::task::spawn_blocking(move || {
        let text = until(&address, "pushnote_mq_peers{end=\"pub\"}", |peers| peers == 1.0);
        assert_eq!(sum(&text, "pushnote_mq_peer_queued_bytes{end=\"pub\",peer=\"127.0.0.1:"), 0.0);
        // The kernel's buffers take some, then the queue of 8 MiB fills and the rest is dropped.
        let lag = "pushnote_mq_peer_queued_bytes{end=\"pub\",peer=\"127.0.0.1:";
        let (message, deadline) = (vec![b'x'; 60_000], Instant::now() + PATIENCE);
        loop {
            let text = ask(&address, "GET", "/metrics");
            let dropped = sum(&text, "pushnote_mq_dropped_messages_total{end=\"pub\"}");
            if dropped > 0.0 && sum(&text, lag) >= f64::from(8 << 20) {
                break;
            }
            assert!(Instant::now() < deadline, "the queue does not fill: {text}");
            for _ in 0..50 {
                let _ = publisher.try_send(&message);
            }
        }
        drop(stalled);
        let text = until(&address, "pushnote_mq_peers{end=\"pub\"}", |peers| peers == 0.0);
        assert!(!text.contains(lag), "who is gone does not lag: {text}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_read_is_behind_and_loses_nothing() {
    let forwarder = Forwarder::with(&[METRICS, "--history-bytes=67108864"]);
    let address = address(&forwarder.process);
    let server = Subscriber::connect(forwarder.publ.parse().unwrap(), Options::default());
    let publisher = Publisher::connect(forwarder.sub.parse().unwrap(), Options::default());
    let (sent, server) = tokio::task::spawn_blocking(move || {
        until(&address, "pushnote_mq_peers{end=\"pub\"}", |peers| peers == 1.0);
        let behind = "pushnote_mq_peer_behind_messages{end=\"pub\",peer=\"127.0.0.1:";
        let (deadline, mut sent) = (Instant::now() + PATIENCE, 0_u32);
        while sum(&ask(&address, "GET", "/metrics"), behind) == 0.0 {
            assert!(Instant::now() < deadline, "it is never behind");
            for _ in 0..50 {
                let message = [&sent.to_be_bytes()[..], &[b'x'; 60_000]].concat();
                sent += u32::from(publisher.try_send(&message).is_ok());
            }
        }
        // All of it is with the forwarder before the publisher goes.
        until(&address, "pushnote_mq_received_messages_total", |messages| messages == f64::from(sent));
        (sent, server)
    })
    .await
    .unwrap();
    server_reads(server, sent).await;
}

async fn server_reads(mut server: Subscriber, messages: u32) {
    for number in 0..messages {
        let message = tokio::time::timeout(PATIENCE, server.recv()).await.expect("lost").unwrap();
        assert_eq!(message.topic()[..4], number.to_be_bytes());
    }
}

#[test]
fn garbage_is_counted_by_its_cause_and_logged_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let arguments = ["--sub=tcp://127.0.0.1:0", "--pub=tcp://127.0.0.1:0", METRICS];
    let mut command = Command::new(Process::path("pushnote-mq"));
    let forwarder = Process::spawn(command.args(arguments).stderr(std::fs::File::create(&log).unwrap()));
    let sub = forwarder.line_after("sub listening on tcp://");
    let publ = forwarder.line_after("pub listening on tcp://");
    let address = address(&forwarder);
    for (end, times) in [(&sub, 3), (&publ, 2)] {
        for _ in 0..times {
            let mut stranger = TcpStream::connect(end).unwrap();
            stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let _ = stranger.read_to_end(&mut Vec::new());
        }
    }
    let series =
        |end: &str| format!("pushnote_mq_closed_connections_total{{end=\"{end}\",cause=\"not_zmtp\"}}");
    until(&address, &series("sub"), |closed| closed == 3.0);
    let text = until(&address, &series("pub"), |closed| closed == 2.0);
    assert_eq!(sum(&text, "pushnote_mq_closed_connections_total"), 5.0, "{text}");
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("not_zmtp")).collect();
    assert_eq!(lines.len(), 2, "one for each end: {log}");
    assert!(lines.iter().all(|line| line.contains("WARN") && line.contains("GET / HTTP/1.1")), "{log}");
}
