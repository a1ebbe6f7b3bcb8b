//! A browser's WebSocket, by an independent client library.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::PATIENCE;

/// Bytes for what a narrow one does not read; the kernel may make it a little more.
const NARROW: u32 = 4096;

/// A raw WebSocket to a server's SockJS route.
pub struct Browser {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// What came while it was opened.
    first: VecDeque<Result<Message, Error>>,
}

impl Browser {
    /// Connects.
    ///
    /// # Panics
    ///
    /// If the server does not take it.
    pub async fn open(url: &str) -> Self {
        Self::try_open(url).await.unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    /// Connects, if the server takes it.
    pub async fn try_open(url: &str) -> anyhow::Result<Self> {
        tokio::time::timeout(PATIENCE, async {
            let (stream, _) = tokio_tungstenite::connect_async(url).await?;
            Self::attached(stream).await
        })
        .await?
    }

    /// A server attaches it a moment after the handshake, and answers then: from here on nothing passes by it.
    async fn attached(mut stream: WebSocketStream<MaybeTlsStream<TcpStream>>) -> anyhow::Result<Self> {
        stream.send(Message::Ping("attached?".into())).await?;
        let mut first = VecDeque::new();
        while let Some(message) = stream.next().await {
            match message {
                Ok(Message::Pong(_)) => break,
                other => first.push_back(other),
            }
        }
        Ok(Self { stream, first })
    }

    async fn message(&mut self) -> Option<Result<Message, Error>> {
        match self.first.pop_front() {
            Some(message) => Some(message),
            None => self.stream.next().await,
        }
    }

    /// Connects with as little room for what is not read as the kernel has for a socket.
    ///
    /// # Errors
    ///
    /// The server does not take it.
    pub async fn open_narrow(url: &str) -> anyhow::Result<Self> {
        let address = url.trim_start_matches("ws://").split('/').next().context("an address")?;
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(NARROW)?;
        tokio::time::timeout(PATIENCE, async {
            let stream = MaybeTlsStream::Plain(socket.connect(address.parse()?).await?);
            let (stream, _) = tokio_tungstenite::client_async(url, stream).await?;
            Self::attached(stream).await
        })
        .await?
    }

    /// Says `{"name":"subscribe","data":{"token":…}}`.
    pub async fn subscribe(&mut self, token: &str) {
        self.say(&json!({"name": "subscribe", "data": {"token": token}}).to_string()).await;
    }

    /// Sends one text as it is.
    ///
    /// # Panics
    ///
    /// If the connection is gone.
    pub async fn say(&mut self, text: &str) {
        self.try_say(text).await.expect("an open connection");
    }

    /// The same, where the connection may be gone.
    pub async fn try_say(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(self.stream.send(Message::text(text)).await?)
    }

    /// The next message, parsed.
    ///
    /// # Panics
    ///
    /// If none comes in time, or the connection ends.
    pub async fn next(&mut self) -> Value {
        match self.next_within(PATIENCE).await {
            Some(Ok(value)) => value,
            Some(Err(end)) => panic!("the connection ended: {end:?}"),
            None => panic!("no message came"),
        }
    }

    /// The next message within `patience`; `None` if none comes, an error with the close frame if the
    /// connection ends.
    pub async fn next_within(&mut self, patience: Duration) -> Option<Result<Value, Option<CloseFrame>>> {
        tokio::time::timeout(patience, self.next_or_end()).await.ok()
    }

    /// The next message, whenever it comes; an error with the close frame if the connection ends.
    pub async fn next_or_end(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            match self.message().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Reads to the end and returns the close code, if there was one.
    ///
    /// # Panics
    ///
    /// If the connection does not end in time.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.next_within(PATIENCE).await.expect("the connection does not end") {
                Ok(_) => {}
                Err(frame) => return frame.map(|frame| frame.code.into()),
            }
        }
    }
}
