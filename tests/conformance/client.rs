//! A client that shows what is on the wire: heads, bodies and single chunks, nothing made nicer.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use pushnote_tests::{Launch, PATIENCE, Process};

/// The test server, as a process of its own that ends with the value.
pub(crate) struct Server {
    _process: Process,
    address: String,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(flags: &[&str]) -> Self {
        let process = Launch::of("examples/test_server")
            .arguments(["--port=0"])
            .arguments(flags.iter().copied())
            .start();
        let address = process.line_after("listening on http://");
        Self { _process: process, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn connect(&self) -> Wire {
        let stream = TcpStream::connect(&self.address).expect("a connection");
        stream.set_nodelay(true).expect("a live socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a live socket");
        Wire(BufReader::new(stream))
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, request: &Request) -> Response {
        self.connect().ask(request)
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.ask(&Request::new("GET", target))
    }

    pub(crate) fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Response {
        self.ask(&Request::new("POST", target).body(body))
    }

    /// Opens a session by polling; `session` is its path.
    #[track_caller]
    pub(crate) fn open(&self, session: &str) {
        assert_eq!(self.poll(session), "o\n", "{session} is new");
    }

    /// What an xhr poll of a session gets.
    #[track_caller]
    pub(crate) fn poll(&self, session: &str) -> String {
        let response = self.post(&format!("{session}/xhr"), "");
        assert_eq!(response.status, 200, "{response:?}");
        response.text()
    }

    /// Sends a session messages, a JSON array.
    #[track_caller]
    pub(crate) fn send(&self, session: &str, messages: impl AsRef<[u8]>) {
        let response = self.post(&format!("{session}/xhr_send"), messages);
        assert_eq!(response.status, 204, "{response:?}");
    }

    /// The answer whose body is still to come, chunk by chunk.
    #[track_caller]
    pub(crate) fn stream(&self, request: &Request) -> (Response, Wire) {
        let mut wire = self.connect();
        let head = wire.begin(request);
        assert_eq!(head.status, 200, "{head:?}");
        assert!(head.is_chunked(), "{head:?}");
        (head, wire)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    version: &'static str,
    fields: String,
    body: Vec<u8>,
}

impl Request {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            fields: String::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn post(target: &str) -> Self {
        Self::new("POST", target).body("")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.fields += &format!("{name}: {value}\r\n");
        self
    }

    /// A body whose length is announced.
    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_owned();
        Self { body: body.clone(), ..self.header("Content-Length", &body.len().to_string()) }
    }

    pub(crate) fn http10(self) -> Self {
        Self { version: "HTTP/1.0", ..self }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { method, target, version, fields, body } = self;
        [format!("{method} {target} {version}\r\nHost: localhost\r\n{fields}\r\n").as_bytes(), body].concat()
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) version: String,
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// The value of a field that may come once.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} comes twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.header("Transfer-Encoding") == Some("chunked")
    }

    /// One that no cache may keep.
    #[track_caller]
    pub(crate) fn must_not_be_cached(&self) {
        let never = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
        assert_eq!(self.header("Cache-Control"), Some(never), "{self:?}");
        assert_eq!(self.header("Expires"), None, "{self:?}");
        assert_eq!(self.header("Last-Modified"), None, "{self:?}");
    }

    /// One that caches may keep for a year.
    #[track_caller]
    pub(crate) fn may_be_cached(&self) {
        assert_eq!(self.header("Cache-Control"), Some("public, max-age=31536000"), "{self:?}");
        let moment = |name| httpdate::parse_http_date(self.header(name).expect(name)).expect("an HTTP date");
        let lifetime = moment("Expires").duration_since(moment("Date")).expect("a date to come");
        let days = lifetime.as_secs() / (24 * 60 * 60);
        assert!((364..=366).contains(&days), "{days} days: {self:?}");
        assert_eq!(self.header("Last-Modified"), None, "{self:?}");
    }
}

/// A connection to the server.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).expect("a server that reads");
    }

    /// Sends a request and reads the whole answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Request) -> Response {
        self.write(request.bytes());
        self.answer(&request.method)
    }

    /// Sends a request and reads the answer's head.
    #[track_caller]
    pub(crate) fn begin(&mut self, request: &Request) -> Response {
        self.write(request.bytes());
        self.head()
    }

    /// Reads an answer to a request of that method.
    #[track_caller]
    pub(crate) fn answer(&mut self, method: &str) -> Response {
        let mut response = self.head();
        let bodiless = method == "HEAD" || matches!(response.status, 100..=199 | 204 | 304);
        if bodiless {
            return response;
        }
        if response.is_chunked() {
            while let Some(chunk) = self.chunk() {
                response.body.extend_from_slice(chunk.as_bytes());
            }
        } else if let Some(length) = response.header("Content-Length") {
            response.body = self.exactly(length.parse().expect("a length"));
        } else {
            let closes = response.version == "HTTP/1.0" || response.header("Connection") == Some("close");
            assert!(closes, "the body has no end: {response:?}");
            response.body = self.rest().into_bytes();
        }
        response
    }

    #[track_caller]
    pub(crate) fn head(&mut self) -> Response {
        let first = self.line();
        let (version, rest) = first.split_once(' ').unwrap_or_else(|| panic!("a status line, not {first:?}"));
        let status = rest[..3].parse().expect("a status");
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line == "\r\n" {
                return Response { version: version.to_owned(), status, fields, body: Vec::new() };
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a field, not {line:?}"));
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    /// A line with its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line in time");
        line
    }

    pub(crate) fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).expect("as many bytes as announced");
        bytes
    }

    /// The next chunk of a chunked body, `None` at its end.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Option<String> {
        let size = self.line();
        let length =
            usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("a size, not {size:?}"));
        let mut bytes = self.exactly(length + 2);
        assert!(bytes.ends_with(b"\r\n"), "a chunk's end");
        bytes.truncate(length);
        (length > 0).then(|| String::from_utf8(bytes).expect("text"))
    }

    /// All that comes until the server closes the connection.
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("an end in time");
        rest
    }

    /// Whether this text is among what has come and has not been read, or comes within a few milliseconds.
    pub(crate) fn shows(&mut self, text: &str) -> bool {
        let stream = self.0.get_ref();
        stream.set_read_timeout(Some(Duration::from_millis(5))).expect("a live socket");
        let mut bytes = [0; 4096];
        let length = stream.peek(&mut bytes).unwrap_or(0);
        stream.set_read_timeout(Some(PATIENCE)).expect("a live socket");
        String::from_utf8_lossy(&bytes[..length]).contains(text)
    }

    /// Reads one byte, `None` when the connection has ended, cleanly or not.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte).ok().map(|()| byte[0])
    }

    /// The socket itself. Nothing may have been read ahead.
    pub(crate) fn into_stream(self) -> TcpStream {
        assert!(self.0.buffer().is_empty(), "bytes would be lost");
        self.0.into_inner()
    }
}
