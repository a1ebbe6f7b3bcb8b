//! A server behind a proxy of the same machine, without a port.

use std::time::Duration;

use futures_util::StreamExt;
use pushnote_tests::{Launch, PATIENCE};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;

async fn body(socket: &str, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_served_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.sock");
    let socket = path.to_str().unwrap();
    // What a killed server has left.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let launch = Launch::server().arguments(["--single", "--mq_socket=tcp://127.0.0.1:*"]);
    let launch = launch.arguments(["--sessions-per-second-max=1", &format!("--unix-socket={socket}")]);
    let mut server = launch.start();
    let line = server.line_after("listening on ");
    assert!(line.starts_with(&format!("http://unix:{socket}:/sockjs, ")), "{line}");
    let endpoint = line.rsplit(' ').next().unwrap().to_owned();

    let stream = UnixStream::connect(socket).await.unwrap();
    let (mut websocket, _) = client_async("ws://localhost/sockjs/websocket", stream).await.unwrap();
    let publisher = pushnote::Publisher::builder().endpoint(&endpoint).unwrap().build().unwrap();
    // It is attached a moment after its handshake.
    let heard = async {
        loop {
            publisher.notify_all(json!({"n": 1})).unwrap();
            if let Ok(message) = timeout(Duration::from_millis(50), websocket.next()).await {
                return message;
            }
        }
    };
    let message = timeout(PATIENCE, heard).await.expect("the message").unwrap().unwrap();
    assert_eq!(message.to_text().unwrap(), r#"{"n":1}"#);

    // The proxy tells whose session it is, and each browser has a limit of its own.
    let poll = |id: &str, forwarded: &str| {
        format!(
            "POST /sockjs/0/{id}/xhr HTTP/1.1\r\nhost: a\r\nx-forwarded-for: {forwarded}\r\n\
             content-length: 0\r\nconnection: close\r\n\r\n"
        )
    };
    let mut statuses = Vec::new();
    for (id, forwarded) in [("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "192.0.2.3")] {
        statuses.push(body(socket, &poll(id, forwarded)).await[9..12].to_owned());
    }
    assert_eq!(statuses, ["200"; 3]);
    drop(websocket);
    server.terminate();
    assert!(server.ended().success());
    assert!(!path.exists(), "its file is gone");
}
