//! `pushnote-server --metrics`: every counter can be read, and is right.

use std::io::{Read, Write};
use std::net::TcpStream;

use pushnote::Publisher;
use pushnote_tests::{Browser, Forwarder, Metrics, PATIENCE, Server, Single, block_of, sum, token};
use serde_json::json;

const METRICS: &str = "--metrics=127.0.0.1:0";

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_counts_can_be_read() {
    let single = Single::with(&[METRICS, "--ack=tcp://127.0.0.1:0", "--connections-per-user-max=1"]);
    let metrics = Metrics::of(&single.server.process);
    let until = |series: &str, value: f64| {
        tokio::task::block_in_place(|| {
            metrics.until(&format!("pushnote_server_{series}_total"), |now| now == value)
        })
    };
    let url = single.server.websocket_url();
    let mut wrong = Browser::open(&url).await;
    let mut pages = [Browser::open(&url).await, Browser::open(&url).await];
    until("opened_sessions", 3.0);
    wrong.subscribe("no token").await;
    assert_eq!(wrong.close_code().await, Some(3500));
    drop(wrong);
    until("closed_sessions", 1.0);

    let publisher = Publisher::builder().endpoint(&single.endpoint).unwrap().build().unwrap();
    publisher.notify_all(1).unwrap();
    let token = token("42");
    for page in &mut pages {
        assert_eq!(page.next().await, json!(1));
        page.subscribe(&token).await;
    }
    // A delivery is counted when it is made.
    until("deliveries", 2.0);
    // One of them has the only place of this user.
    let text = until("refused_subscriptions", 1.0);
    for (series, value) in [
        ("pushnote_server_publications_total", 1.0),
        ("pushnote_server_deliveries_total", 2.0),
        ("pushnote_server_opened_sessions_total", 3.0),
        ("pushnote_server_refused_tokens_total", 1.0),
        ("pushnote_server_refused_envelopes_total", 0.0),
        ("pushnote_server_refused_recipients_total", 0.0),
        ("pushnote_server_slow_consumers_total", 0.0),
        ("pushnote_server_duplicate_messages_total", 0.0),
        ("pushnote_server_missed_messages_total", 0.0),
        ("pushnote_server_new_runs_total", 0.0),
        ("pushnote_server_http_refused_connections_total", 0.0),
        ("pushnote_server_zmq_received_messages_total{end=\"mq_socket\"}", 1.0),
        ("pushnote_server_zmq_received_messages_total{end=\"ack\"}", 0.0),
        ("pushnote_server_zmq_peers{end=\"mq_socket\"}", 1.0),
        ("pushnote_server_zmq_closed_connections_total", 0.0),
        ("pushnote_panics_total", 0.0),
        ("pushnote_log_lines_lost_total", 0.0),
    ] {
        assert!(text.lines().any(|line| line.starts_with(series)), "no {series} in:\n{text}");
        assert_eq!(sum(&text, series), value, "{series} in:\n{text}");
    }
    for series in ["pushnote_server_sessions ", "pushnote_server_http_connections "] {
        assert!(sum(&text, series) >= 1.0, "{series} in:\n{text}");
    }
    assert!(text.contains("\npushnote_server_build_info{version="), "{text}");
    drop(publisher);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_understood_is_counted() {
    let forwarder = Forwarder::start();
    let server = Server::with(&[METRICS, &format!("--mq_socket={}", forwarder.publ)]);
    let metrics = Metrics::of(&server.process);
    let publisher = pushnote_zmtp::Publisher::connect(forwarder.sub.parse().unwrap(), Default::default());
    tokio::task::spawn_blocking(move || {
        metrics.until("pushnote_server_zmq_peers{end=\"mq_socket\"}", |peers| peers == 1.0);
        // The forwarder may not know yet what the server wants.
        let page = loop {
            let _ = publisher.try_send("no envelope");
            let page = metrics.page();
            if sum(&page, "pushnote_server_refused_envelopes_total") > 0.0 {
                break page;
            }
        };
        assert_eq!(sum(&page, "pushnote_server_publications_total"), 0.0, "{page}");
        assert_eq!(sum(&page, "pushnote_server_zmq_connections_total"), 1.0, "{page}");
    })
    .await
    .unwrap();
}

#[test]
fn who_drains_is_not_well() {
    let mut single = Single::with(&[METRICS]);
    let metrics = Metrics::of(&single.server.process);
    assert!(metrics.ask("GET", "/health").ends_with("\r\n\r\nok\n"));
    // A request whose body never comes holds the drain up.
    let mut stuck = TcpStream::connect(&single.server.address).unwrap();
    stuck.set_read_timeout(Some(PATIENCE)).unwrap();
    let head =
        "POST /sockjs/0/id/xhr_send HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    stuck.write_all(head.as_bytes()).unwrap();
    stuck.read_exact(&mut [0; 12]).unwrap();
    single.server.process.terminate();
    let health = loop {
        let health = metrics.ask("GET", "/health");
        if !health.starts_with("HTTP/1.1 200 ") {
            break health;
        }
    };
    assert!(health.starts_with("HTTP/1.1 503 ") && health.ends_with("\r\n\r\ndraining\n"), "{health}");
    drop(stuck);
    single.server.process.ended();
}

/// What an alert asks for that nobody counts never fires.
#[test]
fn what_operators_are_to_watch_is_counted() {
    let data = tempfile::tempdir().unwrap();
    let forwarder = Forwarder::with(&[METRICS]);
    let (mq_socket, data) =
        (format!("--mq_socket={}", forwarder.publ), format!("--data-dir={}", data.path().display()));
    let server = Server::with(&[METRICS, &mq_socket, &data, "--vapid-subject=mailto:ops@example.org"]);
    let metrics = [Metrics::of(&forwarder.process), Metrics::of(&server.process)];
    // A subscriber's own series are there when it is.
    metrics[0].until("pushnote_mq_peers{end=\"pub\"}", |peers| peers == 1.0);
    let counted = metrics.map(|metrics| metrics.page()).concat();

    let page = include_str!("../../docs/operate.md");
    let rules = block_of(page, "## What to watch", "alert:");
    let expressions: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert_eq!(expressions.len(), rules.matches("- alert: Pushnote").count(), "{rules}");
    let is_of_a_name = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let names = |text: &str| -> Vec<String> {
        let words = text.split(|char| !is_of_a_name(char));
        words.filter(|word| word.starts_with("pushnote_")).map(str::to_owned).collect()
    };
    for expression in expressions {
        assert!(
            expression.starts_with("up{job=\"pushnote\"}") || !names(expression).is_empty(),
            "{expression}"
        );
    }
    for name in names(page) {
        let is_counted = counted
            .lines()
            .any(|line| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        assert!(is_counted, "{name} is not in:\n{counted}");
    }
    // Labels are asked for as they are.
    assert!(counted.contains("pushnote_server_zmq_peers{end=\"mq_socket\"}"), "{counted}");
}
