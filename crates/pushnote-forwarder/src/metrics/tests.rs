use super::*;
use pushnote_net::metrics::{Meter, ProcessCounters};
use pushnote_zmtp::{Options, Publisher, Subscriber};

fn text(received: Vec<(End, Monitor)>, r#pub: Monitor, refused: Arc<AtomicU64>) -> String {
    let process = ProcessCounters { panics: || 2, log_lines_lost: || 3 };
    Meter::new(Gauges { received, r#pub, refused }, process).text()
}

/// The value of a series, given with its labels.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

#[tokio::test]
async fn what_the_sockets_count_is_what_is_read() {
    let any = "tcp://127.0.0.1:*".parse().unwrap();
    let options = Options { history_bytes_max: 1 << 20, ..Options::default() };
    let publisher = Publisher::bind(&any, options).await.unwrap();
    let to = publisher.local_endpoint().unwrap().clone();
    let mut subscriber = Subscriber::connect(to, Options::default());
    publisher.subscribed().await;
    for text in ["one", "two", "three"] {
        publisher.try_send(text).unwrap();
        subscriber.recv().await.unwrap();
    }
    let refused = Arc::new(AtomicU64::new(4));
    let text = text(vec![(End::Sub, subscriber.monitor())], publisher.monitor(), refused);
    for (series, expected) in [
        (r#"pushnote_mq_received_messages_total{end="sub"}"#, 3.0),
        (r#"pushnote_mq_received_bytes_total{end="sub"}"#, 17.0),
        (r#"pushnote_mq_sent_messages_total{end="pub"}"#, 3.0),
        (r#"pushnote_mq_sent_bytes_total{end="pub"}"#, 17.0),
        (r#"pushnote_mq_dropped_messages_total{end="pub"}"#, 4.0),
        (r#"pushnote_mq_missed_messages_total{end="sub"}"#, 0.0),
        (r#"pushnote_mq_connections_total{end="sub"}"#, 1.0),
        (r#"pushnote_mq_reconnects_total{end="sub"}"#, 0.0),
        (r#"pushnote_mq_peers{end="pub"}"#, 1.0),
        (r#"pushnote_mq_closed_connections_total{end="pub",cause="not_zmtp"}"#, 0.0),
        (r#"pushnote_mq_history_first_sequence{end="pub"}"#, 0.0),
        (r#"pushnote_mq_history_next_sequence{end="pub"}"#, 3.0),
        ("pushnote_panics_total", 2.0),
        ("pushnote_log_lines_lost_total", 3.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in:\n{text}");
    }
    let lags = text
        .lines()
        .filter(|line| line.starts_with(r#"pushnote_mq_peer_behind_messages{end="pub",peer="127.0.0.1:"#));
    assert_eq!(lags.count(), 1, "{text}");
}

#[tokio::test]
async fn a_page_is_well_formed() {
    let (subscriber, publisher) = (Subscriber::new(Options::default()), Publisher::new(Options::default()));
    let text = text(vec![(End::Sub, subscriber.monitor())], publisher.monitor(), Arc::default());
    let mut kind = "";
    let mut seen = std::collections::HashSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            kind = rest.rsplit(' ').next().unwrap();
            assert!(seen.insert(rest.to_owned()), "two of {rest}");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(series.to_owned()), "two of {series}");
            let name = series.split('{').next().unwrap();
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            value.parse::<f64>().unwrap();
        }
    }
    assert!(text.contains("\npushnote_mq_build_info{version="), "{text}");
    assert!(!text.contains("pushnote_mq_history"), "there is none");
    let causes = text.matches("pushnote_mq_closed_connections_total{").count();
    assert_eq!(causes, 2 * CloseCause::KINDS.len());
}
