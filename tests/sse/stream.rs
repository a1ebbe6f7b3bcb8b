//! A client of event streams that shows every field.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use pushnote_tests::PATIENCE;
use serde_json::Value;

/// An answer, whose body may go on.
pub(crate) struct Stream {
    wire: BufReader<TcpStream>,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    text: String,
    /// What the last event with an id had.
    pub(crate) last_id: String,
}

/// One block of a stream.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    pub(crate) data: Option<Value>,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
}

impl Stream {
    /// Sends a request with these headers, each with its end of line, and reads the head of the answer.
    pub(crate) fn ask(address: &str, method: &str, target: &str, headers: &str, body: &str) -> Self {
        let wire = TcpStream::connect(address).unwrap();
        wire.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::ask_over(wire, method, target, headers, body)
    }

    pub(crate) fn ask_over(
        mut wire: TcpStream,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> Self {
        let host = wire.peer_addr().unwrap();
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        );
        wire.write_all(head.as_bytes()).unwrap();
        let mut wire = BufReader::new(wire);
        let status = line(&mut wire).split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = Vec::new();
        while let Some((name, value)) = line(&mut wire).split_once(": ") {
            headers.push((name.to_owned(), value.to_owned()));
        }
        Self { wire, status, headers, text: String::new(), last_id: String::new() }
    }

    /// A stream that has begun: it is told where.
    pub(crate) fn open(address: &str, target: &str, headers: &str) -> Self {
        let mut stream = Self::ask(address, "GET", target, headers, "");
        let status = stream.status;
        assert!(status == 200, "{status}: {}", stream.rest());
        while stream.next().unwrap().id.is_none() {}
        stream
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The next block, be it a comment; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let block = loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                break block;
            }
            let chunk = self.chunk()?;
            self.text.push_str(&chunk);
        };
        let mut event = Event::default();
        for line in block.lines() {
            let (name, value) = line.split_once(": ").unwrap_or((line, ""));
            match name {
                "event" => event.name = Some(value.to_owned()),
                "data" => event.data = Some(serde_json::from_str(value).unwrap()),
                "id" => event.id = Some(value.to_owned()),
                "retry" => event.retry = Some(value.parse().unwrap()),
                other => assert!(other.is_empty() || other == ":", "{block}"),
            }
        }
        self.last_id = event.id.clone().unwrap_or_else(|| std::mem::take(&mut self.last_id));
        Some(event)
    }

    /// The data of the next event, which has no name.
    pub(crate) fn message(&mut self) -> Value {
        let event = self.next().expect("an event");
        assert!(event.name.is_none() && event.id.is_some(), "{event:?}");
        event.data.expect("data")
    }

    /// The whole body.
    pub(crate) fn rest(&mut self) -> String {
        if let Some(length) = self.header("content-length") {
            let mut body = vec![0; length.parse().unwrap()];
            self.wire.read_exact(&mut body).unwrap();
            return String::from_utf8(body).unwrap();
        }
        let mut all = std::mem::take(&mut self.text);
        while let Some(chunk) = self.chunk() {
            all.push_str(&chunk);
        }
        all
    }

    fn chunk(&mut self) -> Option<String> {
        let length = usize::from_str_radix(&line(&mut self.wire), 16).expect("a chunk's length");
        let mut chunk = vec![0; length + 2];
        self.wire.read_exact(&mut chunk).unwrap();
        chunk.truncate(length);
        Some(String::from_utf8(chunk).unwrap()).filter(|chunk| !chunk.is_empty())
    }
}

fn line(wire: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    wire.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}
