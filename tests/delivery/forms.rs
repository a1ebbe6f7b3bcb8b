//! What stands in SockJS's `a[…]`: a message's value, or a string that holds its JSON text.

use futures_util::{SinkExt, StreamExt};
use pushnote_tests::{PATIENCE, Process, Single};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const PUBLISHED: &str = r#"{"msg":"Hi \"all\"!"}"#;
const VALUE: &str = r#"a[{"msg":"Hi \"all\"!"}]"#;
const STRING: &str = r#"a["{\"msg\":\"Hi \\\"all\\\"!\"}"]"#;

/// The frames that a client of SockJS gets.
enum Client {
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    XhrStreaming(TcpStream, String),
}

impl Client {
    async fn websocket(single: &Single, query: &str, first: Option<&str>) -> Self {
        let url = format!("ws://{}/sockjs/0/a/websocket{query}", single.server.address);
        let mut stream = connect_async(url).await.unwrap().0;
        assert_eq!(stream.next().await.unwrap().unwrap(), Message::text("o"));
        if let Some(first) = first {
            stream.send(Message::text(first)).await.unwrap();
            // When this is answered, that was read.
            stream.send(Message::Ping(Bytes::new())).await.unwrap();
            assert_eq!(stream.next().await.unwrap().unwrap(), Message::Pong(Bytes::new()));
        }
        Self::WebSocket(Box::new(stream))
    }

    async fn xhr_streaming(single: &Single, query: &str) -> Self {
        let mut stream = TcpStream::connect(&single.server.address).await.unwrap();
        let head = format!("POST /sockjs/0/b{}/xhr_streaming{query} HTTP/1.1\r\nhost: a\r\n", query.len());
        stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).await.unwrap();
        let mut client = Self::XhrStreaming(stream, String::new());
        client.reads("\r\no\n").await;
        client
    }

    /// Waits for a frame.
    async fn reads(&mut self, frame: &str) {
        let read = async {
            match self {
                Self::WebSocket(stream) => {
                    assert_eq!(stream.next().await.unwrap().unwrap(), Message::text(frame));
                }
                Self::XhrStreaming(stream, read) => {
                    while !read.contains(frame) {
                        let mut part = [0; 4096];
                        let count = stream.read(&mut part).await.unwrap();
                        assert!(count > 0, "the end, after {read}");
                        read.push_str(std::str::from_utf8(&part[..count]).unwrap());
                    }
                }
            }
        };
        timeout(PATIENCE, read).await.unwrap_or_else(|_| panic!("{frame} does not come"));
    }
}

fn publish(single: &Single) {
    let published = Process::output("pushnote", &["publish", "-s", &single.endpoint, PUBLISHED], &[]);
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
}

/// The original's pages want values; Spring's `SockJsClient` ends a connection on which one comes.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_strings_gets_strings_beside_who_wants_values() {
    let single = Single::start();
    let mut values = [Client::websocket(&single, "", None).await, Client::xhr_streaming(&single, "").await];
    let asking = r#"{"name":"form","data":"string"}"#;
    let mut strings = [
        Client::websocket(&single, "?form=string", None).await,
        Client::websocket(&single, "", Some(asking)).await,
        Client::xhr_streaming(&single, "?form=string").await,
    ];
    publish(&single);
    for client in &mut values {
        client.reads(VALUE).await;
    }
    for client in &mut strings {
        client.reads(STRING).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_may_have_strings_alone() {
    let single = Single::with(&["--message-form=string"]);
    let mut clients = [Client::websocket(&single, "", None).await, Client::xhr_streaming(&single, "").await];
    publish(&single);
    for client in &mut clients {
        client.reads(STRING).await;
    }
}
