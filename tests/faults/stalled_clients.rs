//! Clients that do not read: they have a place in the log, and nothing is kept for them beside it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use pushnote_tests::{Launch, PATIENCE};
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::gauge::{Gauge, MIB, raise_own_open_files_limit};
use crate::witness::publisher;

const CLIENTS: usize = 1000;

/// Many times what the kernel holds for a Unix socket that nobody reads: 208 KiB.
const MESSAGES: u64 = 1000;
const MESSAGE_BYTES: usize = 1000;

struct Client {
    websocket: WebSocketStream<UnixStream>,
}

impl Client {
    /// Attached, with the first message or the welcome read.
    async fn open(socket: &str, says_hello: bool) -> Self {
        let stream = UnixStream::connect(socket).await.unwrap();
        let (websocket, _) = client_async("ws://localhost/sockjs/websocket", stream).await.unwrap();
        let mut client = Self { websocket };
        if says_hello {
            let hello = r#"{"name":"hello","data":{"id":1,"version":1}}"#;
            client.websocket.send(Message::text(hello)).await.unwrap();
            while !client.next().await.contains("welcome") {}
        } else {
            client.next().await;
        }
        client
    }

    async fn next(&mut self) -> String {
        loop {
            let message = timeout(PATIENCE, self.websocket.next()).await.expect("a message in time");
            if let Message::Text(text) = message.expect("an open connection").unwrap() {
                return text.to_string();
            }
        }
    }

    /// Reads until it has all numbers, once and in order.
    async fn reads_on(mut self) {
        let mut expected = 1;
        while expected <= MESSAGES {
            let text = self.next().await;
            // In either form a message is an array that begins with its number.
            let numbers = text.split('[').filter_map(|part| part.split(',').next()?.parse::<u64>().ok());
            for number in numbers.filter(|number| *number > 0) {
                assert_eq!(number, expected);
                expected += 1;
            }
        }
    }
}

/// A burst, to which half of the clients say that they want to know their place and half know of no such thing.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_of_them_cost_no_memory_and_miss_nothing() {
    raise_own_open_files_limit();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("http.sock").display().to_string();
    let launch = Launch::server().arguments(["--single", "--mq_socket=tcp://127.0.0.1:*"]);
    let server = launch.arguments([format!("--unix-socket={socket}")]).start();
    let endpoint = server.line_after("listening on ").rsplit(' ').next().unwrap().to_owned();
    let (settling, publisher) = (publisher(&endpoint), publisher(&endpoint));
    let settle = tokio::spawn(async move {
        loop {
            settling.notify_all((0, "")).unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push(Client::open(&socket, number % 2 == 0).await);
    }
    let reader = tokio::spawn(Client::open(&socket, true).await.reads_on());
    settle.abort();

    let before = Gauge::of(server.id());
    let fill = "x".repeat(MESSAGE_BYTES);
    for number in 1..=MESSAGES {
        while publisher.notify_all((number, &fill)).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    // Who reads has it all.
    reader.await.unwrap();
    eprintln!("grew by {} KiB", before.growth() >> 10);
    before.grew_less_than(16 * MIB);

    let mut reading = JoinSet::new();
    clients.into_iter().for_each(|client| drop(reading.spawn(client.reads_on())));
    while let Some(read) = reading.join_next().await {
        read.unwrap();
    }
    eprintln!("grew by {} KiB in all", before.growth() >> 10);
    before.grew_less_than(64 * MIB);
}
