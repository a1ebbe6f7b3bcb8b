//! Logs that cannot be written: the reader of stderr is gone or stands still, or there is no room on the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::process::Stdio;
use std::time::Duration;

use pushnote_tests::{Browser, Launch, Process};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::raw::{Door, frame};
use crate::target::ANY_V4;
use crate::witness::{Ear, Witness, newcomers_meet};

/// What a pipe takes before whoever writes to it waits.
const PIPE_BYTES: usize = 64 * 1024;

/// A pipe whose reader has ended, as after a logout or when `tee` dies.
fn broken_pipe() -> PipeWriter {
    pipe().unwrap().1
}

/// A pipe that is full, and whose reader is there but stands still.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&[b'\n'; PIPE_BYTES]).unwrap();
    (reader, writer)
}

/// `pushnote-server --single` that logs to `stderr`, and where it is met.
struct Server {
    process: Process,
    address: String,
    endpoint: String,
}

impl Server {
    fn start(stderr: impl Into<Stdio>, log: &str) -> Self {
        let mq_socket = format!("--mq_socket={ANY_V4}");
        let launch = Launch::server().variable("PUSHNOTE_LOG", log);
        let launch = launch.arguments(["--single", "--port=0", "--address=127.0.0.1", &mq_socket]);
        let process = launch.start_logging_to(stderr);
        let line = process.line_after("listening on http://");
        let (address, _) = line.split_once('/').unwrap();
        let (_, endpoint) = line.rsplit_once(' ').unwrap();
        Self { address: address.to_owned(), endpoint: endpoint.to_owned(), process }
    }

    fn url(&self) -> String {
        format!("ws://{}/sockjs/websocket", self.address)
    }

    async fn witness(&self) -> Witness {
        Witness::start(&self.endpoint, Ear::browser(&self.url()).await).await
    }

    /// Asserts that it is told to end, and ends as it should: browsers hear of it first.
    async fn ends_well(mut self) {
        let mut browser = Browser::open(&self.url()).await;
        self.process.terminate();
        assert_eq!(browser.close_code().await, Some(3001));
        drop(browser);
        assert!(self.process.ended().success());
    }
}

/// Says what is worth a warning.
async fn bad_envelope(endpoint: &str) {
    let mut application = Door::new(endpoint, "PUB").enter().await;
    application.say(&frame(0, b"no envelope")).await;
    application.is_served("an application").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_outlives_the_reader_of_its_log() {
    let server = Server::start(broken_pipe(), "info");
    let witness = server.witness().await;
    bad_envelope(&server.endpoint).await;
    witness.noticed_nothing().await;
    server.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_and_serves_where_the_disk_is_full() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let server = Server::start(full, "debug");
    let witness = server.witness().await;
    bad_envelope(&server.endpoint).await;
    witness.noticed_nothing().await;
    server.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_wait_for_the_reader_of_its_log() {
    let (_reader, writer) = full_pipe();
    let server = Server::start(writer, "debug");
    let witness = server.witness().await;
    for _ in 0..600 {
        // Each is a line at this level.
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(b"no request\r\n\r\n").await.unwrap();
        let answered = timeout(pushnote_tests::PATIENCE, stream.read_to_end(&mut Vec::new())).await;
        // A reset is an end, too.
        let _ = answered.expect("an answer, or an end");
    }
    bad_envelope(&server.endpoint).await;
    witness.noticed_nothing().await;
    server.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarder_outlives_the_reader_of_its_log() {
    let launch = Launch::forwarder().arguments([format!("--sub={ANY_V4}"), format!("--pub={ANY_V4}")]);
    let launch = launch.arguments(["--allow-network=127.0.0.1/32"]);
    let mut forwarder = launch.start_logging_to(broken_pipe());
    let sub = forwarder.line_after("sub listening on ");
    let publ = forwarder.line_after("pub listening on ");
    let witness = Witness::start(&sub, Ear::subscriber(&publ)).await;
    for endpoint in [&sub, &publ] {
        let stranger = TcpSocket::new_v4().unwrap();
        stranger.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let address = endpoint.strip_prefix("tcp://").unwrap().parse().unwrap();
        // It is let in by the kernel and closed at once.
        let mut stream = stranger.connect(address).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    newcomers_meet(&sub, Ear::subscriber(&publ)).await;
    witness.noticed_nothing().await;
    forwarder.terminate();
    assert!(forwarder.ended().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_cause_has_one_line_a_minute() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let server = Server::start(File::create(&log).unwrap(), "info");
    let mut browser = Browser::open(&server.url()).await;
    let mut application = Door::new(&server.endpoint, "PUB").enter().await;
    let knock = json!({"name": "notify_all", "data": "knock"}).to_string();
    while browser.next_within(Duration::from_millis(20)).await.is_none() {
        application.say(&frame(0, knock.as_bytes())).await;
    }
    for publisher in ["a", "b", "c"] {
        for number in [1, 3] {
            let id = format!("{publisher}/{number}");
            let envelope = json!({"name": "notify_all", "data": id, "publication": id}).to_string();
            application.say(&frame(0, envelope.as_bytes())).await;
            // The second is missing; the third comes when that is given up.
            while browser.next().await != *id {}
        }
        bad_envelope(&server.endpoint).await;
    }
    drop(browser);
    server.ends_well().await;
    let log = fs::read_to_string(log).unwrap();
    for line in ["messages missed", "message from an application refused"] {
        assert_eq!(log.matches(line).count(), 1, "{log}");
    }
}
