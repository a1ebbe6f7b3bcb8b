//! An application on HTTP, which says what it was asked.

use std::io::ErrorKind;

use pushnote_tests::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Request {
    /// In small letters, but for the first line.
    pub(crate) head: String,
    pub(crate) body: String,
    /// To answer it.
    pub(crate) stream: TcpStream,
}

/// Where requests come to.
pub(crate) struct Application {
    pub(crate) address: String,
    requests: mpsc::UnboundedReceiver<Request>,
}

impl Application {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(request) = read(stream).await {
                        let _ = sender.send(request);
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// The next request, unanswered.
    pub(crate) async fn next(&mut self) -> Request {
        timeout(PATIENCE, self.requests.recv()).await.expect("a request").unwrap()
    }
}

impl Request {
    pub(crate) async fn answer(mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        self.head.lines().any(|given| given == line)
    }
}

async fn read(mut stream: TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("{error}"),
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let (line, rest) = head.split_once("\r\n").unwrap();
    let head = format!("{line}\n{}", rest.to_lowercase());
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    while bytes.len() < end + 4 + length {
        stream.read_buf(&mut bytes).await.unwrap();
    }
    let body = String::from_utf8(bytes.split_off(end + 4)).unwrap();
    Some(Request { head, body, stream })
}
