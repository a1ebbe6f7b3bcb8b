//! `pushnote-mq --metrics`: what Prometheus reads is what happened.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pushnote_tests::{Forwarder, Metrics, PATIENCE, sum};
use pushnote_zmtp::{Options, Publisher, Subscriber};

use crate::fails;

const METRICS: &str = "--metrics=127.0.0.1:0";

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
    let metrics = Metrics::of(&forwarder.process);
    let page = metrics.page();
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("text/plain; version=0.0.4"), "{page}");
    assert!(page.contains("\r\n\r\n# HELP "), "{page}");
    let head = metrics.ask("HEAD", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    let health = metrics.ask("GET", "/health");
    assert!(health.starts_with("HTTP/1.1 200 ") && health.ends_with("\r\n\r\nok\n"), "{health}");
    assert!(metrics.ask("GET", "/").starts_with("HTTP/1.1 404 "));
    assert!(metrics.ask("POST", "/metrics").starts_with("HTTP/1.1 405 "));
}

#[test]
fn who_asks_badly_is_in_nobodys_way() {
    let forwarder = Forwarder::with(&[METRICS]);
    let metrics = Metrics::of(&forwarder.process);
    // More than are served at a time.
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(&metrics.address).unwrap()).collect();
    let publisher = pushnote::Publisher::builder().endpoint(&forwarder.sub).unwrap().build().unwrap();
    publisher.notify_all("still there").unwrap();
    publisher.flush(PATIENCE).unwrap();
    let mut endless = TcpStream::connect(&metrics.address).unwrap();
    let _ = endless.write_all(&vec![b'x'; 100_000]);
    let asked = Instant::now();
    assert!(metrics.ask("GET", "/health").ends_with("ok\n"));
    assert!(asked.elapsed() < Duration::from_secs(2), "it waited for those who say nothing");
    drop(silent);
}

#[test]
fn messages_are_counted_to_the_byte() {
    let forwarder = Forwarder::with(&[METRICS]);
    let metrics = Metrics::of(&forwarder.process);
    let publisher = pushnote::Publisher::builder().endpoint(&forwarder.sub).unwrap().build().unwrap();
    for number in 0..7 {
        publisher.notify_all(number).unwrap();
    }
    publisher.flush(PATIENCE).unwrap();
    let text = metrics.until("pushnote_mq_sent_messages_total", |messages| messages >= 7.0);
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
    metrics.until("pushnote_mq_peers", |peers| peers == 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_does_not_read_lags() {
    let forwarder = Forwarder::with(&[METRICS]);
    let metrics = Metrics::of(&forwarder.process);
    // One that does not ask for what it missed.
    let options = Options { resume: false, ..Options::default() };
    let stalled = Subscriber::connect(forwarder.publ.parse().unwrap(), options);
    let publisher = Publisher::connect(forwarder.sub.parse().unwrap(), Options::default());
    tokio::task::spawn_blocking(move || {
        let text = metrics.until("pushnote_mq_peers{end=\"pub\"}", |peers| peers == 1.0);
        assert_eq!(sum(&text, "pushnote_mq_peer_queued_bytes{end=\"pub\",peer=\"127.0.0.1:"), 0.0);
        // The kernel's buffers take some, then the queue of 8 MiB fills and the rest is dropped.
        let lag = "pushnote_mq_peer_queued_bytes{end=\"pub\",peer=\"127.0.0.1:";
        let (message, deadline) = (vec![b'x'; 60_000], Instant::now() + PATIENCE);
        loop {
            let text = metrics.page();
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
        let text = metrics.until("pushnote_mq_peers{end=\"pub\"}", |peers| peers == 0.0);
        assert!(!text.contains(lag), "who is gone does not lag: {text}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_read_is_behind_and_loses_nothing() {
    let forwarder = Forwarder::with(&[METRICS, "--history-bytes=67108864"]);
    let metrics = Metrics::of(&forwarder.process);
    let server = Subscriber::connect(forwarder.publ.parse().unwrap(), Options::default());
    tokio::time::timeout(PATIENCE, server.monitor().subscribed(0)).await.expect("it has not subscribed");
    let publisher = Publisher::connect(forwarder.sub.parse().unwrap(), Options::default());
    let (sent, server) = tokio::task::spawn_blocking(move || {
        let behind = "pushnote_mq_peer_behind_messages{end=\"pub\",peer=\"127.0.0.1:";
        let (deadline, mut sent) = (Instant::now() + PATIENCE, 0_u32);
        while sum(&metrics.page(), behind) == 0.0 {
            assert!(Instant::now() < deadline, "it is never behind");
            for _ in 0..50 {
                let message = [&sent.to_be_bytes()[..], &[b'x'; 60_000]].concat();
                sent += u32::from(publisher.try_send(&message).is_ok());
            }
        }
        // All of it is with the forwarder before the publisher goes.
        metrics.until("pushnote_mq_received_messages_total", |messages| messages == f64::from(sent));
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
    let Forwarder { process: mut forwarder, sub, publ, .. } = Forwarder::with(&[METRICS]);
    let [sub, publ] = [&sub, &publ].map(|endpoint| endpoint.strip_prefix("tcp://").unwrap());
    let metrics = Metrics::of(&forwarder);
    for (end, times) in [(sub, 3), (publ, 2)] {
        for _ in 0..times {
            let mut stranger = TcpStream::connect(end).unwrap();
            stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let _ = stranger.read_to_end(&mut Vec::new());
        }
    }
    let series =
        |end: &str| format!("pushnote_mq_closed_connections_total{{end=\"{end}\",cause=\"not_zmtp\"}}");
    metrics.until(&series("sub"), |closed| closed == 3.0);
    let text = metrics.until(&series("pub"), |closed| closed == 2.0);
    assert_eq!(sum(&text, "pushnote_mq_closed_connections_total"), 5.0, "{text}");
    // With its end, all of its log is written.
    forwarder.terminate();
    assert!(forwarder.ended().success());
    let log = forwarder.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("not_zmtp")).collect();
    assert_eq!(lines.len(), 2, "one for each end: {log}");
    assert!(lines.iter().all(|line| line.contains("WARN") && line.contains("GET / HTTP/1.1")), "{log}");
}
