//! What must not do harm: crashes of every process in turn, garbage on every port, nonsense in every message.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use pushnote::Publisher;
use pushnote_tests::{Browser, Forwarder, PATIENCE, PythonPublisher, Server, Single};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How soon a restart has to be healed.
const HEALED_WITHIN: Duration = Duration::from_secs(2);

fn publisher(endpoint: &str) -> Publisher {
    Publisher::builder().endpoint(endpoint).unwrap().build().unwrap()
}

/// Publishes numbers until one arrives, and says how long that took.
async fn until_arrival(publisher: &Publisher, browser: &mut Browser) -> Duration {
    let started = Instant::now();
    for number in 0.. {
        assert!(started.elapsed() < PATIENCE, "nothing arrives any more");
        // A full queue is a fair answer while nobody takes anything.
        let _ = publisher.notify_all(json!({ "heal": number }));
        if let Some(Ok(_)) = browser.next_within(Duration::from_millis(50)).await {
            break;
        }
    }
    started.elapsed()
}

/// Publishes a mark and reads up to it: everything before it has been delivered, and no more is on its way.
async fn settle(publisher: &Publisher, browser: &mut Browser, mark: &str) {
    publisher.notify_all(mark).unwrap();
    while browser.next().await != json!(mark) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_the_forwarder_heals() {
    let mut forwarder = Forwarder::start();
    let server = Server::start(&forwarder.publ);
    let mut browser = Browser::open(&server.websocket_url()).await;
    let publisher = publisher(&forwarder.sub);
    until_arrival(&publisher, &mut browser).await;
    for round in 0..3 {
        settle(&publisher, &mut browser, &format!("round {round}")).await;
        forwarder.crash_and_restart();
        let took = until_arrival(&publisher, &mut browser).await;
        assert!(took < HEALED_WITHIN, "healed only after {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_a_server_heals_and_leaves_the_other_alone() {
    let forwarder = Forwarder::start();
    let mut crashing = Server::start(&forwarder.publ);
    let staying = Server::start(&forwarder.publ);
    let mut witness = Browser::open(&staying.websocket_url()).await;
    let publisher = publisher(&forwarder.sub);
    until_arrival(&publisher, &mut witness).await;
    settle(&publisher, &mut witness, "before").await;

    for number in 0..100 {
        publisher.notify_all(number).unwrap();
        if number == 50 {
            crashing.crash_and_restart();
        }
    }
    for number in 0..100 {
        assert_eq!(witness.next().await, json!(number));
    }
    let mut browser = Browser::open(&crashing.websocket_url()).await;
    let took = until_arrival(&publisher, &mut browser).await;
    assert!(took < HEALED_WITHIN, "healed only after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_a_single_server_heals_for_every_publisher() {
    let mut single = Single::start();
    let rust = publisher(&single.endpoint);
    let mut python = PythonPublisher::connect(&single.endpoint);
    single.crash_and_restart();

    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let took = until_arrival(&rust, &mut browser).await;
    assert!(took < HEALED_WITHIN, "healed only after {took:?}");
    let started = Instant::now();
    loop {
        assert!(started.elapsed() < PATIENCE, "pyzmq does not get through any more");
        python.publish(&json!({"name": "notify_all", "data": "from python"}));
        if let Some(Ok(value)) = browser.next_within(Duration::from_millis(100)).await
            && value == json!("from python")
        {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_a_publisher_harms_nobody() {
    let forwarder = Forwarder::start();
    let server = Server::start(&forwarder.publ);
    let mut browser = Browser::open(&server.websocket_url()).await;
    for round in 0..3 {
        let mut python = PythonPublisher::connect(&forwarder.sub);
        let data = json!({ "round": round });
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < PATIENCE, "round {round} does not arrive");
            python.publish(&json!({"name": "notify_all", "data": data}));
            if let Some(Ok(value)) = browser.next_within(Duration::from_millis(100)).await
                && value == data
            {
                break;
            }
        }
        python.kill();
    }
}

/// What is not an envelope, in all the ways that the original died of, and more.
fn malformed_envelope(number: usize) -> String {
    match number % 20 {
        0 => "not json".to_owned(),
        1 => "[]".to_owned(),
        2 => "42".to_owned(),
        3 => "null".to_owned(),
        4 => r#"{"name":"notify_all"}"#.to_owned(),
        5 => r#"{"data":{}}"#.to_owned(),
        6 => r#"{"name":"connect","data":{}}"#.to_owned(),
        7 => r#"{"name":5,"data":{}}"#.to_owned(),
        8 => r#"{"name":"notify","data":1,"users":"42"}"#.to_owned(),
        9 => r#"{"name":"notify","data":1,"users":[{}]}"#.to_owned(),
        10 => r#"{"name":"notify","data":1,"recipients":[1]}"#.to_owned(),
        11 => r#"{"name":"notify","data":1,"recipients":["42:forged"]}"#.to_owned(),
        12 => r#"{"name":"notify_all","data":"#.to_owned(),
        13 => format!(r#"{{"name":"notify_all","data":"{}"}}"#, "x".repeat(70_000)),
        14 => format!(r#"{{"name":"notify_all","data":{}"#, "[".repeat(20_000)),
        15 => "hex: fffe00".to_owned(),
        16 => "hex: 00 01 02".to_owned(),
        17 => format!("hex: {} {}", hex("topic"), hex(r#"{"name":"notify_all","data":1}"#)),
        18 => String::new(),
        _ => r#"{"name":"notify_all","name":"notify","data":1}"#.to_owned(),
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_malformed_envelopes_leave_the_server_hearing() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let mut publisher = PythonPublisher::connect(&single.endpoint);
    for number in 0..1000 {
        publisher.line(&malformed_envelope(number));
    }
    publisher.publish(&json!({"name": "notify_all", "data": "still here"}));
    // Nothing of the malformed thousand came before it.
    assert_eq!(browser.next().await, json!("still here"));
}

/// What a browser must not say, and whether the server ends the connection for it.
fn malformed_client_message(number: usize) -> (String, bool) {
    match number % 12 {
        0 => ("not json".to_owned(), true),
        1 => ("5".to_owned(), true),
        2 => (r#"{"name":5,"data":{}}"#.to_owned(), true),
        3 => (r#"{"name":"subscribe","data":{"token":["42"]}}"#.to_owned(), true),
        4 => (r#"{"name":"subscribe","data":{"token":"42:forged"}}"#.to_owned(), true),
        5 => ("[]".to_owned(), false),
        6 => (r#"{"name":"unsubscribe","data":{}}"#.to_owned(), false),
        7 => (r#"{"name":"conn","data":{}}"#.to_owned(), false),
        8 => (r#"{"name":"subscribe"}"#.to_owned(), false),
        9 => (r#"{"name":"_private","data":{}}"#.to_owned(), false),
        10 => (r#"{"name":"subscribe","data":{"token":""}}"#.to_owned(), false),
        _ => ("[".repeat(10_000), true),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_malformed_client_messages_leave_the_server_serving() {
    let single = Single::start();
    let url = single.server.websocket_url();
    let mut witness = Browser::open(&url).await;
    let publisher = publisher(&single.endpoint);
    let mut spared = Browser::open(&url).await;
    for number in 0..1000 {
        let (text, ends) = malformed_client_message(number);
        if ends {
            let mut browser = Browser::open(&url).await;
            browser.say(&text).await;
            let code = browser.close_code().await;
            assert!(matches!(code, Some(3500 | 3501)), "{text:.60} ended with {code:?}");
        } else {
            spared.say(&text).await;
        }
    }
    settle(&publisher, &mut witness, "still here").await;
    settle(&publisher, &mut spared, "still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_either_port_is_harmless() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let publisher = publisher(&single.endpoint);
    let ports = [single.endpoint.trim_start_matches("tcp://").to_owned(), single.server.address.clone()];
    let mut giant_frame = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0];
    giant_frame.extend(b"NULL");
    giant_frame.resize(64, 0);
    giant_frame.extend([2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let garbage: [&[u8]; 6] = [
        b"",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        &[0; 4096],
        &[0xff; 4096],
        &giant_frame,
    ];
    for round in 0..20 {
        for port in &ports {
            for bytes in garbage {
                let mut stream = TcpStream::connect(port).await.unwrap();
                let _ = stream.write_all(bytes).await;
                if round % 2 == 0 {
                    let _ = stream.shutdown().await;
                    let mut rest = Vec::new();
                    let _ =
                        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end");
                }
            }
        }
    }
    settle(&publisher, &mut browser, "still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publishers_messages_survive_a_server_that_starts_late() {
    let endpoint = pushnote_tests::free_endpoint();
    let publisher = publisher(&endpoint);
    for number in 0..100 {
        publisher.notify_all(number).unwrap();
    }
    // Nobody was there when they were published: flushing says so instead of losing them.
    let error = publisher.flush(Duration::from_millis(200)).unwrap_err().to_string();
    assert!(error.contains("100"), "{error}");
    let value: Value = json!(error);
    assert!(value.as_str().unwrap().contains(&endpoint), "{error}");
}
