//! A server whose application the test plays, and a client that shows every byte.

use std::{net::SocketAddr, time::Duration};

use pushnote_sockjs::{Builder, Close, CloseReason, Connection, Handler, Session, SessionInfo, SockJs};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};

/// For whatever a test waits for. Nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

/// What the application was told.
#[derive(Debug)]
pub(crate) enum Event {
    Opened(Session, SessionInfo),
    Message(String),
    Binary(Vec<u8>),
    Room,
    Closed(CloseReason),
}

/// An application that passes everything on to the test. It refuses sessions with the query `refuse`, and panics when
/// it is told to.
pub(crate) struct App(mpsc::UnboundedSender<Event>);

pub(crate) struct AppConnection(mpsc::UnboundedSender<Event>);

impl Handler for App {
    type Connection = AppConnection;

    fn open(&self, session: &Session, info: &SessionInfo) -> Result<AppConnection, Close> {
        if info.query.as_deref() == Some("refuse") {
            return Err(Close::new(4000, "Not you"));
        }
        let _ = self.0.send(Event::Opened(session.clone(), info.clone()));
        Ok(AppConnection(self.0.clone()))
    }
}

impl Connection for AppConnection {
    fn message(&mut self, text: &str) {
        assert_ne!(text, "panic", "the test wants it so");
        let _ = self.0.send(Event::Message(text.to_owned()));
    }

    fn binary(&mut self, payload: &[u8]) -> Result<(), Close> {
        if payload == b"unwanted" {
            return Err(Close::new(1003, "No binary"));
        }
        let _ = self.0.send(Event::Binary(payload.to_owned()));
        Ok(())
    }

    fn room(&mut self) {
        let _ = self.0.send(Event::Room);
    }

    fn closed(&mut self, reason: &CloseReason) {
        let _ = self.0.send(Event::Closed(reason.clone()));
    }
}

/// A service at `/app`.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) sockjs: SockJs<App>,
    events: mpsc::UnboundedReceiver<Event>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(options: impl FnOnce(Builder) -> Builder) -> Self {
        Self::at("/app", options).await
    }

    pub(crate) async fn at(prefix: &str, options: impl FnOnce(Builder) -> Builder) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let sockjs = options(SockJs::builder()).build(App(sender));
        let (addr, accepting) = serve(sockjs.filter(prefix)).await;
        Self { addr, sockjs, events, accepting }
    }

    pub(crate) async fn event(&mut self) -> Event {
        soon("an event", self.events.recv()).await.unwrap()
    }

    /// The next event, which must be a session's opening.
    pub(crate) async fn opened(&mut self) -> Session {
        match self.event().await {
            Event::Opened(session, _) => session,
            other => panic!("expected a session, got {other:?}"),
        }
    }

    pub(crate) async fn message(&mut self) -> String {
        match self.event().await {
            Event::Message(text) => text,
            other => panic!("expected a message, got {other:?}"),
        }
    }

    /// The next event, which must be that there is room again.
    pub(crate) async fn room(&mut self) {
        let event = self.event().await;
        assert!(matches!(event, Event::Room), "expected room, got {event:?}");
    }

    pub(crate) async fn closed(&mut self) -> CloseReason {
        match self.event().await {
            Event::Closed(reason) => reason,
            other => panic!("expected the end, got {other:?}"),
        }
    }

    pub(crate) fn no_event(&mut self) {
        let event = self.events.try_recv();
        assert!(event.is_err(), "{event:?}");
    }

    /// Waits until every session is forgotten.
    pub(crate) async fn empty(&self) {
        soon("the last session's end", async {
            while self.sockjs.session_count() > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.addr).await
    }

    /// One request on a connection of its own, answered whole.
    pub(crate) async fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.connect().await.request(method, path, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, "", body).await
    }

    /// A poll that waits for its frame. That it does so is seen by another one, which is told of it.
    pub(crate) async fn waiting_poll(&self, method: &str, path: &str) -> Client {
        let (mut one, mut other) = (self.connect().await, self.connect().await);
        one.send(method, path, "", "").await;
        other.send(method, path, "", "").await;
        let (refused, waiting) = tokio::select! {
            answer = one.answer(method) => (answer, other),
            answer = other.answer(method) => (answer, one),
        };
        assert_eq!(refused.status, 200);
        assert!(refused.body.contains("2010,"), "{}", refused.body);
        waiting
    }

    /// Opens a session by polling; it has had its open frame.
    pub(crate) async fn open_polling(&mut self, id: &str) -> Session {
        assert_eq!(self.post(&format!("/app/0/{id}/xhr"), "").await.body, "o\n");
        self.opened().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Serves a filter on a port of its own.
pub(crate) async fn serve<F>(filter: F) -> (SocketAddr, JoinHandle<()>)
where
    F: warp::Filter<Error = warp::Rejection> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (addr, tokio::spawn(warp::serve(filter).incoming(listener).run()))
}

/// An answer that has been read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: String,
}

impl std::ops::Deref for Answer {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// A header's value; `-` when it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("-", |(_, value)| value)
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding") == "chunked"
    }
}

/// One HTTP connection, over which the test writes what it likes.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = soon("connecting", TcpStream::connect(addr)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) async fn write(&mut self, bytes: &str) {
        self.write_bytes(bytes.as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &str, body: &str) {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n{headers}\r\n");
        self.write(&(head + body)).await;
    }

    /// A request whose answer's head is read, for its chunks to be read one by one.
    pub(crate) async fn open(&mut self, method: &str, path: &str) -> Head {
        self.send(method, path, "", "").await;
        self.head().await
    }

    pub(crate) async fn request(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.send(method, path, headers, body).await;
        self.answer(method).await
    }

    pub(crate) async fn answer(&mut self, method: &str) -> Answer {
        let head = self.head().await;
        let bodyless = method == "HEAD" || matches!(head.status, 101 | 204 | 304);
        let body = if bodyless {
            String::new()
        } else if head.is_chunked() {
            let mut body = String::new();
            while let Some(chunk) = self.chunk().await {
                body += &chunk;
            }
            body
        } else {
            let length = head.header("content-length").parse().expect("a length");
            self.exactly(length).await
        };
        Answer { head, body }
    }

    pub(crate) async fn head(&mut self) -> Head {
        let status = self.line().await;
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let mut headers = Vec::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(": ") else { return Head { status, headers } };
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The next HTTP chunk; `None` for the last, empty one.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        let length = usize::from_str_radix(&self.line().await, 16).expect("a chunk's length");
        let mut chunk = self.exactly(length + 2).await;
        assert!(chunk.ends_with("\r\n"));
        chunk.truncate(length);
        Some(chunk).filter(|chunk| !chunk.is_empty())
    }

    pub(crate) async fn next(&mut self) -> String {
        self.chunk().await.expect("a further chunk")
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> String {
        String::from_utf8(self.exactly_bytes(length).await).unwrap()
    }

    pub(crate) async fn exactly_bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        soon("the rest", self.stream.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    pub(crate) async fn write_bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).await.unwrap();
    }

    /// Everything until the server closes the connection.
    pub(crate) async fn until_closed(&mut self) -> String {
        let mut rest = String::new();
        soon("the connection's end", self.stream.read_to_string(&mut rest)).await.unwrap();
        rest
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon("a line", self.stream.read_line(&mut line)).await.unwrap();
        line.trim_end().to_owned()
    }
}
