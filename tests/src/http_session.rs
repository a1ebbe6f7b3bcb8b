//! A SockJS session over HTTP, as plain as it can be: each request has a connection of its own.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Sessions so far: each has a name of its own.
static SESSIONS: AtomicU64 = AtomicU64::new(0);

/// See the module's documentation.
pub struct HttpSession {
    address: String,
    path: String,
    transport: &'static str,
    /// Frames so far.
    frames: u64,
    answer: Option<Answer>,
    /// What has come and is no whole frame yet.
    text: String,
    messages: VecDeque<Value>,
    is_open: bool,
}

impl HttpSession {
    /// Opens one over `xhr_streaming`, or over `xhr`, which polls.
    ///
    /// # Errors
    ///
    /// The server is not there, or has refused it.
    pub async fn open(address: &str, transport: &'static str) -> Result<Self, Error> {
        let number = SESSIONS.fetch_add(1, Relaxed);
        let mut session = Self {
            address: address.to_owned(),
            path: format!("/sockjs/000/test-{}-{number}", std::process::id()),
            transport,
            frames: 0,
            answer: None,
            text: String::new(),
            messages: VecDeque::new(),
            is_open: false,
        };
        while !session.is_open {
            session.read_frame().await?;
        }
        Ok(session)
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// The session is gone.
    pub async fn say(&mut self, text: &str) -> Result<(), Error> {
        let answer = self.post("xhr_send", &json!([text]).to_string()).await?;
        if answer.status == "204" { Ok(()) } else { Err(ErrorKind::NotConnected.into()) }
    }

    /// The next message.
    ///
    /// # Errors
    ///
    /// The session has ended, or its link was cut.
    ///
    /// # Panics
    ///
    /// If what comes is not SockJS.
    pub async fn next(&mut self) -> Result<Value, Error> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(message);
            }
            self.read_frame().await?;
        }
    }

    /// One frame, from this answer or the next one.
    async fn read_frame(&mut self) -> Result<(), Error> {
        let Some(end) = self.text.find('\n') else { return self.read_more().await };
        let frame: String = self.text.drain(..=end).collect();
        if frame.starts_with("hh") {
            return Ok(()); // a stream's prelude
        }
        self.frames += 1;
        match frame.as_bytes()[0] {
            // A second one is another session: the server has forgotten the first.
            b'o' if self.is_open => Err(ErrorKind::NotConnected.into()),
            b'o' => {
                self.is_open = true;
                Ok(())
            }
            b'a' => {
                let values: Vec<Value> = serde_json::from_str(frame[1..].trim_end()).expect("an array");
                self.messages.extend(values);
                Ok(())
            }
            b'h' => Ok(()),
            b'c' => Err(ErrorKind::NotConnected.into()),
            _ => panic!("no frame: {frame}"),
        }
    }

    async fn read_more(&mut self) -> Result<(), Error> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => self.post(&format!("{}?frames={}", self.transport, self.frames), "").await?,
        };
        if answer.status != "200" {
            return Err(ErrorKind::NotConnected.into());
        }
        if let Some(piece) = answer.piece().await? {
            self.text += &piece;
            self.answer = Some(answer);
        }
        Ok(())
    }

    async fn post(&self, what: &str, body: &str) -> Result<Answer, Error> {
        let mut stream = TcpStream::connect(&self.address).await?;
        let request = format!(
            "POST {}/{what} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.path,
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        Answer::read(BufReader::new(stream)).await
    }
}

/// An answer whose head has been read.
struct Answer {
    stream: BufReader<TcpStream>,
    status: String,
    /// Bytes of the body that are still to come; `None` for chunks.
    left: Option<usize>,
}

impl Answer {
    async fn read(mut stream: BufReader<TcpStream>) -> Result<Self, Error> {
        let head = line(&mut stream).await?;
        let status = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut left = None;
        loop {
            let field = line(&mut stream).await?.to_ascii_lowercase();
            if field.is_empty() {
                return Ok(Self { stream, status, left });
            }
            if let Some(length) = field.strip_prefix("content-length:") {
                left = Some(length.trim().parse().expect("a length"));
            }
        }
    }

    /// What comes next of the body; `None` at its end. A cut link is an error.
    async fn piece(&mut self) -> Result<Option<String>, Error> {
        let length = match self.left.replace(0) {
            Some(left) => left,
            None => {
                self.left = None;
                let size = line(&mut self.stream).await?;
                usize::from_str_radix(&size, 16).expect("a chunk's size")
            }
        };
        if length == 0 {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await?;
        if self.left.is_none() {
            line(&mut self.stream).await?;
        }
        Ok(Some(String::from_utf8(bytes).expect("text")))
    }
}

/// A line without its end.
async fn line(stream: &mut BufReader<TcpStream>) -> Result<String, Error> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}
