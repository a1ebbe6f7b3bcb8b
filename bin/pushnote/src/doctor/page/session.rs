//! A session of SockJS, over one of its transports.

use futures_util::{SinkExt, StreamExt};
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::frames::{Frame, Frames, Garbage, Wrapping};
use super::http::{Jar, Unexpected};
use super::site::Site;
use super::transport::{Endpoint, Receive};
use super::trouble::{Step, Trouble};

/// Of a WebSocket's message.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// Why a session is not as it should be.
#[derive(Debug)]
pub(super) enum Flaw {
    Trouble(Trouble),
    /// Another answer than the transport's.
    Unexpected(Unexpected),
    /// 101, and then no WebSocket.
    NotWebSocket,
    /// Nothing came in time.
    Silent,
    Ended,
    Garbage,
    /// It closed.
    Closed(u16, String),
    /// What was sent was not taken.
    NotSent(StatusCode),
    /// A session that was open is opened again: by another server.
    Reopened,
}

impl From<Trouble> for Flaw {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Late(Step::Answer) => Self::Silent,
            trouble => Self::Trouble(trouble),
        }
    }
}

impl From<Garbage> for Flaw {
    fn from(_: Garbage) -> Self {
        Self::Garbage
    }
}

pub(crate) struct Session<'a> {
    site: &'a Site,
    receive: Receive,
    jar: Jar,
    /// Its path.
    path: String,
    wire: Wire,
    frames: Frames,
    /// The stream is compressed.
    pub(super) compressed: bool,
}

enum Wire {
    None,
    Socket(Box<WebSocketStream<TokioIo<Upgraded>>>),
    Stream(Incoming),
}

impl<'a> Session<'a> {
    /// One that is not open yet.
    pub(super) fn new(site: &'a Site, receive: Receive, jar: &Jar) -> Self {
        // Only to be told from others.
        let [server, name] = [getrandom::u32(), getrandom::u32()].map(Result::unwrap_or_default);
        let path = format!("{}/{:03}/doctor{name:08x}", site.path(), server % 1000);
        let wrapping = match receive {
            Receive::WebSocket { .. } => Wrapping::Plain,
            Receive::Stream(endpoint) | Receive::Poll(endpoint) => endpoint.wrapping,
        };
        let (jar, frames) = (jar.clone(), Frames::new(wrapping));
        Self { site, receive, jar, path, wire: Wire::None, frames, compressed: false }
    }

    /// Up to its first frame.
    pub(super) async fn open(&mut self) -> Result<(), Flaw> {
        match self.receive {
            Receive::WebSocket { raw } => self.open_websocket(raw).await?,
            Receive::Stream(endpoint) => self.open_stream(&endpoint).await?,
            Receive::Poll(_) => {}
        }
        if self.receive == (Receive::WebSocket { raw: true }) {
            return Ok(());
        }
        match self.next(Instant::now() + self.site.timeout).await? {
            Frame::Open => Ok(()),
            Frame::Close(code, reason) => Err(Flaw::Closed(code, reason)),
            Frame::Heartbeat | Frame::Messages(_) => Err(Flaw::Garbage),
        }
    }

    async fn open_websocket(&mut self, raw: bool) -> Result<(), Flaw> {
        let path =
            if raw { format!("{}/websocket", self.site.path()) } else { format!("{}/websocket", self.path) };
        let key = generate_key();
        let request = self.site.request(Method::GET, &path, &self.jar);
        let request = request
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", &key);
        let answer = self.site.send(request.body(Full::default())).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Flaw::Unexpected(self.site.unexpected(answer).await));
        }
        let accept = answer.headers().get("sec-websocket-accept");
        if accept.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(Flaw::NotWebSocket);
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(|_| Flaw::NotWebSocket)?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config)).await;
        self.wire = Wire::Socket(Box::new(socket));
        Ok(())
    }

    async fn open_stream(&mut self, endpoint: &Endpoint) -> Result<(), Flaw> {
        let path = format!("{}/{}", self.path, endpoint.path);
        // As browsers do; what they know besides, proxies that compress know this, too.
        let request = self.site.request(endpoint.method(), &path, &self.jar).header(ACCEPT_ENCODING, "gzip");
        let answer = self.site.send(request.body(Full::default())).await?;
        if answer.status() != StatusCode::OK {
            return Err(Flaw::Unexpected(self.site.unexpected(answer).await));
        }
        self.jar.keep(answer.headers());
        if is_compressed(answer.headers()) {
            self.compressed = true;
            self.frames.unzip();
        }
        self.wire = Wire::Stream(answer.into_body());
        Ok(())
    }

    /// Sends messages.
    pub(super) async fn send(&mut self, messages: &[String]) -> Result<(), Flaw> {
        let raw = self.receive == Receive::WebSocket { raw: true };
        match &mut self.wire {
            Wire::Socket(socket) => {
                let texts = if raw { messages.to_vec() } else { vec![json!(messages).to_string()] };
                for text in texts {
                    let sent = timeout_at(Instant::now() + self.site.timeout, socket.send(text.into())).await;
                    sent.map_err(|_| Flaw::Silent)?.map_err(|_| Flaw::Ended)?;
                }
                Ok(())
            }
            Wire::None | Wire::Stream(_) => match self.post(messages).await? {
                StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
                status => Err(Flaw::NotSent(status)),
            },
        }
    }

    /// Brings messages by a request of its own, and says what was answered.
    pub(super) async fn post(&self, messages: &[String]) -> Result<StatusCode, Trouble> {
        let array = json!(messages).to_string();
        let is_form = matches!(self.receive, Receive::Poll(Endpoint { is_post: false, .. }));
        let (name, kind, body) = if is_form {
            let field = utf8_percent_encode(&array, NON_ALPHANUMERIC);
            ("jsonp_send", "application/x-www-form-urlencoded", format!("d={field}"))
        } else {
            ("xhr_send", "text/plain", array)
        };
        let path = format!("{}/{name}", self.path);
        let request = self.site.request(Method::POST, &path, &self.jar).header(CONTENT_TYPE, kind);
        Ok(self.site.send(request.body(Full::from(body))).await?.status())
    }

    /// The next frame of those that come by then.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Frame, Flaw> {
        let mut late = false;
        loop {
            if let Some(frame) = self.frames.next() {
                return Ok(frame?);
            }
            // Where something comes all the time, nothing is waited for.
            if late {
                return Err(Flaw::Silent);
            }
            match (&mut self.wire, self.receive) {
                (Wire::Socket(socket), receive) => {
                    let message = timeout_at(deadline, socket.next()).await.map_err(|_| Flaw::Silent)?;
                    if let Some(frame) = of_message(message, receive)? {
                        return Ok(frame);
                    }
                }
                (Wire::Stream(body), _) => {
                    let frame = timeout_at(deadline, body.frame()).await.map_err(|_| Flaw::Silent)?;
                    let data = frame.ok_or(Flaw::Ended)?.map_err(|_| Flaw::Ended)?.into_data();
                    self.frames.take(&data.unwrap_or_default())?;
                }
                (Wire::None, Receive::Poll(endpoint)) => {
                    let polled = timeout_at(deadline, self.poll(&endpoint)).await;
                    polled.map_err(|_| Flaw::Silent)??;
                }
                (Wire::None, _) => return Err(Flaw::Ended),
            }
            late = Instant::now() >= deadline;
        }
    }

    /// Whether a message with this as its data comes by then.
    pub(crate) async fn hears(&mut self, data: &str, deadline: Instant) -> bool {
        while let Ok(frame) = self.next(deadline).await {
            if let Frame::Messages(values) = frame
                && values.iter().any(|value| has_data(value, data))
            {
                return true;
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        false
    }

    async fn poll(&mut self, endpoint: &Endpoint) -> Result<(), Flaw> {
        let path = format!("{}/{}", self.path, endpoint.path);
        let request = self.site.request(endpoint.method(), &path, &self.jar);
        let answer = self.site.send(request.body(Full::default())).await?;
        if answer.status() != StatusCode::OK {
            return Err(Flaw::Unexpected(self.site.unexpected(answer).await));
        }
        self.jar.keep(answer.headers());
        let body = self.site.whole(answer.into_body()).await?;
        self.frames.take(&body)?;
        // An answer without a frame would have it ask for ever.
        self.frames.has_any().then_some(()).ok_or(Flaw::Garbage)
    }

    /// The cookies that it has by now.
    pub(super) fn jar(&self) -> &Jar {
        &self.jar
    }

    /// Without cookies from now on.
    pub(super) fn forget_cookies(&mut self) {
        self.jar = Jar::default();
    }

    /// A WebSocket says goodbye; other sessions end when their connection does, or nothing asks for them.
    pub(super) async fn close(mut self) {
        if let Wire::Socket(socket) = &mut self.wire {
            let _ = timeout_at(Instant::now() + self.site.timeout, socket.close()).await;
        }
    }
}

/// Whether one of the client protocol's messages has this as its data, be it as a value or as its text.
fn has_data(value: &Value, data: &str) -> bool {
    let parsed = value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let messages = &parsed.as_ref().unwrap_or(value)["messages"];
    messages.as_array().is_some_and(|messages| messages.iter().any(|message| message["data"] == data))
}

fn is_compressed(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"gzip"))
}

/// The frame of a WebSocket's message, if it has one.
fn of_message(message: Option<Result<Message, Error>>, receive: Receive) -> Result<Option<Frame>, Flaw> {
    let raw = receive == Receive::WebSocket { raw: true };
    match message {
        Some(Ok(Message::Text(text))) if raw => {
            let value = serde_json::from_str::<Value>(&text).map_err(|_| Flaw::Garbage)?;
            Ok(Some(Frame::Messages(vec![value])))
        }
        Some(Ok(Message::Text(text))) => Ok(Some(Frame::parse(text.as_bytes())?)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(Flaw::Garbage),
        Some(Ok(Message::Close(Some(close)))) => {
            Err(Flaw::Closed(close.code.into(), close.reason.to_string()))
        }
        // A connection that ends without a word is a fault of the protocol, too.
        Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Err(Flaw::Ended),
        Some(Err(Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_))) => Err(Flaw::Garbage),
        Some(Ok(Message::Close(None)) | Err(_)) | None => Err(Flaw::Ended),
    }
}
