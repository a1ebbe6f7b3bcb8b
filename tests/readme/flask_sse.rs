//! docs/flask-sse.md, as it is printed.

use std::process::Command;

use pushnote_tests::{PATIENCE, Process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PORTS;
use crate::blocks::block_of;
use crate::shell::Shell;

const PAGE: &str = include_str!("../../docs/flask-sse.md");

/// Reads on until there is such a text.
async fn hears(stream: &mut TcpStream, heard: &mut String, text: &str) {
    let mut bytes = [0; 4096];
    while !heard.contains(text) {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await.expect("more in time");
        let read = read.expect("an open stream");
        assert!(read > 0, "the stream has ended: {heard}");
        heard.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
}

#[tokio::test]
async fn flask_sse_reaches_a_stream() {
    let _ports = PORTS.lock().await;
    let redis = ["--port", "6379", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    let redis = Process::spawn(Command::new("redis-server").args(redis));
    redis.line_after("Ready to accept connections");
    let shell = Shell::new();
    shell.run(&block_of(PAGE, "## Starting it", "openssl"));
    let server = shell.start(&block_of(PAGE, "## Starting it", "pushnote-server"));
    server.line_after("listening on http://");
    let mut stream = TcpStream::connect("127.0.0.1:8080").await.expect("a server");
    let request = b"GET /stream?channel=test HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.expect("an open connection");
    while shell.run("redis-cli -p 6379 publish test '[\"warm\",\"warm\"]'").trim() != "1" {}
    let mut heard = String::new();
    hears(&mut stream, &mut heard, "event: warm\n").await;
    shell.python(&block_of(PAGE, "## Publishing", "sse.publish"));
    shell.run(&block_of(PAGE, "## Publishing", "redis-cli"));
    hears(&mut stream, &mut heard, "}\n\n").await;
    while heard.matches("event: greeting\n").count() < 3 {
        let seen = std::mem::take(&mut heard);
        hears(&mut stream, &mut heard, "\n\n").await;
        heard.insert_str(0, &seen);
    }
    assert_eq!(heard.matches("data: {\"message\": \"Hello!\"}\n").count(), 3, "{heard}");
}
