//! Messages that are acknowledged: by how many servers, and in any language.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pushnote::{AckError, Publisher, Receipt};
use pushnote_tests::{
    Browser, Forwarder, Launch, Metrics, PATIENCE, Process, Server, Single, free_endpoint, sum,
};
use serde_json::{Value, json};

const METRICS: &str = "--metrics=127.0.0.1:0";
/// Longer than a server waits for what overtook something.
const LATE: Duration = Duration::from_secs(1);

struct Set {
    forwarder: Forwarder,
    metrics: Metrics,
    ack: String,
    servers: Vec<Server>,
}

impl Set {
    async fn of(servers: usize) -> Self {
        let forwarder = Forwarder::with(&["--ack=tcp://127.0.0.1:0", METRICS]);
        let ack = forwarder.process.line_after("ack listening on ");
        let metrics = Metrics::of(&forwarder.process);
        let servers = (0..servers).map(|_| Server::start(&forwarder.publ).subscribed()).collect();
        Self { forwarder, metrics, ack, servers }
    }

    fn publisher(&self) -> Arc<Publisher> {
        let builder = Publisher::builder().endpoint(&self.forwarder.sub).unwrap();
        Arc::new(builder.ack_endpoint(&self.ack).unwrap().build().unwrap())
    }
}

/// Sends beside the runtime, which the call would block.
async fn acked(publisher: &Arc<Publisher>, data: Value) -> Result<Receipt, AckError> {
    let publisher = Arc::clone(publisher);
    tokio::task::spawn_blocking(move || publisher.notify_all_acked(data, PATIENCE)).await.unwrap()
}

/// Sends until the server has it: it comes back in its own time.
async fn settle(publisher: &Arc<Publisher>) {
    loop {
        match acked(publisher, json!("settle")).await {
            Ok(receipt) if receipt.servers == 1 => return,
            Ok(_) | Err(AckError::NotTaken(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_how_many_servers_have_the_message() {
    let set = Set::of(2).await;
    let publisher = set.publisher();
    let mut browser = Browser::open(&set.servers[0].websocket_url()).await;
    let receipt = acked(&publisher, json!("both")).await.unwrap();
    assert_eq!((receipt.servers, receipt.of), (2, 2));
    while browser.next().await != json!("both") {}

    set.servers[1].process.signal("-STOP");
    let receipt = acked(&publisher, json!("one stands still")).await.unwrap();
    set.servers[1].process.signal("-CONT");
    assert_eq!((receipt.servers, receipt.of), (1, 2));
    assert_eq!(browser.next().await, json!("one stands still"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_who_has_it() {
    let set = Set::of(1).await;
    let published =
        Process::output("pushnote", &["publish", "-s", &set.forwarder.sub, "--ack", &set.ack, "1"], &[]);
    assert!(published.status.success());
    let text = String::from_utf8(published.stdout).unwrap();
    assert!(text.trim_end().ends_with(": taken by 1 of 1 servers"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_servers_there_is_an_error_and_no_receipt() {
    let set = Set::of(0).await;
    let error = acked(&set.publisher(), json!("nobody")).await.unwrap_err();
    assert!(matches!(&error, AckError::NotTaken(_)), "{error}");
    let answer = Asking::start("REQ", &set.ack).ask(r#"{"name":"notify_all","data":1}"#);
    assert!(answer["error"].as_str().unwrap().starts_with("no server is connected"), "{answer}");
    assert_eq!(answer["retry"], true);
    let publish = ["publish", "-s", &set.forwarder.sub, "--ack", &set.ack, "1"];
    let published = Process::output("pushnote", &publish, &[]);
    let text = String::from_utf8(published.stderr).unwrap();
    assert_eq!(published.status.code(), Some(69), "{text}");
    assert!(text.contains("no server is connected"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_would_not_take_has_no_receipt_and_is_not_passed_on() {
    let set = Set::of(1).await;
    let mut browser = Browser::open(&set.servers[0].websocket_url()).await;
    let mut asking = Asking::start("REQ", &set.ack);
    let long = format!(r#"{{"name":"notify_all","data":"{}"}}"#, "x".repeat(65_535));
    for (envelope, words) in [
        ("{not json", "envelope is not JSON"),
        (r#"{"name":"notify_some\"body","data":1}"#, "name"),
        (r#"{"name":"notify_all"}"#, "data"),
        (&long, "65536"),
    ] {
        let answer = asking.ask(envelope);
        assert!(answer["error"].as_str().unwrap().contains(words), "{answer}");
        assert_eq!(answer.get("retry"), None, "{answer}");
    }
    // A connection is attached a moment after it is open.
    while asking.ask(r#"{"name":"notify_all","data":"good"}"#)["servers"] == 1
        && browser.next_within(Duration::from_millis(300)).await.is_none()
    {}
    let page = set.metrics.page();
    assert_eq!(sum(&page, "pushnote_mq_dropped_messages_total"), 0.0, "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_message_has_a_receipt_where_servers_take_it() {
    let long = format!(r#"{{"name":"notify_all","data":"{}"}}"#, "x".repeat(100_000));
    let forwarder = Forwarder::with(&["--ack=tcp://127.0.0.1:0", "--message-bytes-max=200000"]);
    let mut asking = Asking::start("REQ", &forwarder.process.line_after("ack listening on "));
    let answer = asking.ask(&long);
    assert!(answer["error"].as_str().unwrap().starts_with("no server is connected"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_survives_the_forwarder_and_is_delivered_once() {
    let sub = free_endpoint();
    let publ = free_endpoint();
    let ack = free_endpoint();
    let arguments =
        [format!("--sub={sub}"), format!("--pub={publ}"), format!("--ack={ack}"), METRICS.to_owned()];
    let launch = Launch::forwarder().arguments(arguments);
    let start = || {
        let process = launch.start();
        let metrics = Metrics::of(&process);
        (process, metrics)
    };
    let (mut forwarder, metrics) = start();
    let server = Server::start(&publ).subscribed();
    let mut browser = Browser::open(&server.websocket_url()).await;
    let builder = Publisher::builder().endpoint(&sub).unwrap();
    let publisher = Arc::new(builder.ack_endpoint(&ack).unwrap().build().unwrap());

    // The server has the message and cannot say so; the forwarder dies before it could pass that on.
    server.process.signal("-STOP");
    let asked = "pushnote_mq_asked_confirmations_total";
    let before = sum(&metrics.page(), asked);
    let question = tokio::spawn({
        let publisher = Arc::clone(&publisher);
        async move { acked(&publisher, json!("once")).await }
    });
    tokio::task::block_in_place(|| metrics.until(asked, |now| now > before));
    forwarder.kill();
    server.process.signal("-CONT");
    // It has read what the first forwarder had sent, and waits no more for what may have overtaken something.
    server.process.logged("no connection");
    tokio::time::sleep(LATE).await;
    let (_forwarder, _) = start();
    // The new one is asked again, perhaps before the server is back.
    let answer = question.await.unwrap();
    assert!(matches!(&answer, Ok(_) | Err(AckError::NotTaken(_))), "{answer:?}");
    settle(&publisher).await;
    let mut seen = 0;
    acked(&publisher, json!("end")).await.unwrap();
    loop {
        match browser.next().await {
            message if message == json!("once") => seen += 1,
            message if message == json!("end") => break,
            message => assert_eq!(message, json!("settle")),
        }
    }
    assert_eq!(seen, 1);
}

/// What a REQ or DEALER socket of libzmq is answered.
struct Asking(Process);

impl Asking {
    fn start(kind: &str, endpoint: &str) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = tests.join(".venv/bin/python");
        assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
        let mut command = Command::new(python);
        Self(Process::spawn(command.arg(tests.join("python/ask.py")).args([kind, endpoint])))
    }

    fn ask(&mut self, text: &str) -> Value {
        writeln!(self.0.stdin(), "{text}").unwrap();
        serde_json::from_str(&self.0.line_after("answer ")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn libzmqs_sockets_ask_a_forwarder() {
    let set = Set::of(1).await;
    let mut browser = Browser::open(&set.servers[0].websocket_url()).await;
    for kind in ["REQ", "DEALER", "BARE"] {
        let mut asking = Asking::start(kind, &set.ack);
        // A connection is attached a moment after it is open.
        loop {
            let answer = asking.ask(r#"{"name":"notify_all","data":"from python"}"#);
            assert_eq!((&answer["servers"], &answer["of"]), (&json!(1), &json!(1)), "{answer}");
            if browser.next_within(Duration::from_millis(300)).await.is_some() {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_server_answers_for_itself_and_says_what_is_wrong() {
    let ack = free_endpoint();
    let single = Single::with(&[&format!("--ack={ack}")]);
    let mut asking = Asking::start("REQ", &ack);
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let answer = asking.ask("not json");
    assert_eq!(answer, json!({"error": "envelope is not JSON, at line 1 column 2"}));
    let answer = asking.ask(r#"{"name":"notify_all"}"#);
    assert!(answer["error"].as_str().unwrap().contains("data"), "{answer}");
    loop {
        let answer = asking.ask(r#"{"name":"notify_all","data":1}"#);
        assert_eq!((&answer["servers"], &answer["of"]), (&json!(1), &json!(1)), "{answer}");
        if browser.next_within(Duration::from_millis(300)).await.is_some() {
            return;
        }
    }
}
