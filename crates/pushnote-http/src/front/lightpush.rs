//! lightpush (docs/lightpush.md): `POST` brings a message, a WebSocket on any path gets it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW,
    AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY,
    WWW_AUTHENTICATE,
};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use percent_encoding::percent_decode_str;
use pushnote_core::{Audience, ChannelName, Cursor, Subject};
use pushnote_net::LogOnce;
use pushnote_sockjs::ConnectionGuard;
use pushnote_websocket::{Event, HyperIo, Socket, SocketOptions, handshake, take_over};
use subtle::ConstantTimeEq;

use super::{Answering, Body, BodyError, Front, read, whole};
use crate::context::Context;
use crate::cors::Cors;
use crate::notice::Notice;
use crate::publisher::{Message, PublishError};
use crate::receiver::{AnyReceiver, LightpushReceiver};

/// The channel that all its pages are in; those of its paths are below it.
const CHANNEL: &str = "lightpush";

const MESSAGE: HeaderName = HeaderName::from_static("lightpush-message");

const NO_MESSAGE: &str = "no message: give Lightpush-Message, or a body";
const TOO_LONG: &str = "the message is too long";

/// What the original says that it takes.
const METHODS: &str = "OPTIONS, GET, POST";

/// The key that every copy of the original has, unless it is told another one.
const PUBLISHED_KEY: &str = "29e03fe7-9e8f-42b2-a9ac-2c9519bdf0b1";

/// Fewer characters can be guessed.
const KEY_LEN_MIN: usize = 16;

/// Who knows it may publish.
#[derive(Clone)]
pub struct LightpushKey(Box<[u8]>);

/// A key that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LightpushKeyError {
    /// Everybody knows it.
    #[error(
        "this is the key that lightpush was published with, which everybody knows; make one: openssl rand -hex 20"
    )]
    Published,
    /// It can be guessed.
    #[error("the key is shorter than {KEY_LEN_MIN} characters; make one: openssl rand -hex 20")]
    Short,
    /// It could not be sent.
    #[error("the key has other characters than visible ASCII; make one: openssl rand -hex 20")]
    Invisible,
}

impl LightpushKey {
    /// Takes `text` as the key.
    ///
    /// # Errors
    ///
    /// [`LightpushKeyError`]: it would protect nothing, or no header could hold it.
    pub fn new(text: &str) -> Result<Self, LightpushKeyError> {
        if text.eq_ignore_ascii_case(PUBLISHED_KEY) {
            Err(LightpushKeyError::Published)
        } else if text.len() < KEY_LEN_MIN {
            Err(LightpushKeyError::Short)
        } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Err(LightpushKeyError::Invisible)
        } else {
            Ok(Self(text.as_bytes().into()))
        }
    }

    /// Whether a header `Authorization` has it: alone, or, as in the original's rewrite, behind another word.
    fn is_in(&self, authorization: &[u8]) -> bool {
        let last = authorization.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
        last.ct_eq(&self.0).into()
    }
}

impl std::fmt::Debug for LightpushKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LightpushKey")
    }
}

/// The front, which takes every path.
pub(crate) struct Lightpush {
    context: Arc<Context>,
    key: LightpushKey,
    cors: Cors,
    socket: Arc<SocketOptions>,
    log: LogOnce,
}

/// An answer other than that the message is accepted.
#[derive(Debug)]
struct Refusal(StatusCode, &'static str);

impl Lightpush {
    /// Publishes for those who know the key.
    pub(crate) fn new(context: Arc<Context>, key: LightpushKey) -> Self {
        let socket = Arc::new(SocketOptions {
            message_bytes_max: context.limits.body_bytes_max,
            ping_interval: Duration::from_secs(context.limits.heartbeat_delay_s),
            ..SocketOptions::default()
        });
        let cors = Cors::new(Arc::clone(&context.allowed_origins));
        Self { context, key, cors, socket, log: LogOnce::new() }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let answered = match *request.method() {
            Method::OPTIONS => Ok((StatusCode::OK, "this is lightpush")),
            Method::GET if request.headers().contains_key(SEC_WEBSOCKET_KEY) => match self.open(request) {
                Ok(switching) => return switching,
                Err(refusal) => Err(refusal),
            },
            Method::GET => Err(Refusal(StatusCode::BAD_REQUEST, "this is for WebSockets, and for POST")),
            Method::POST => self.publish(request).await.map(|()| (StatusCode::ACCEPTED, "accepted")),
            _ => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "GET, POST or OPTIONS")),
        };
        let (status, text) = answered.unwrap_or_else(|Refusal(status, text)| (status, text));
        answer(status, text)
    }

    /// In the order in which the original looks: no key, no message, the wrong key.
    async fn publish(&self, request: Request<Incoming>) -> Result<(), Refusal> {
        let (head, body) = request.into_parts();
        let authorization = head.headers.get(AUTHORIZATION);
        let authorization =
            authorization.ok_or(Refusal(StatusCode::UNAUTHORIZED, "Authorization is missing"))?;
        let in_header = head.headers.get(MESSAGE);
        if in_header.is_none() && body.is_end_stream() {
            return Err(Refusal(StatusCode::BAD_REQUEST, NO_MESSAGE));
        }
        if !self.key.is_in(authorization.as_bytes().trim_ascii()) {
            if let Some(unlogged) = self.log.due("key") {
                tracing::warn!(
                    unlogged,
                    "lightpush: a message with a wrong key; more in the next minute are not logged"
                );
            }
            return Err(Refusal(StatusCode::FORBIDDEN, "the key in Authorization is wrong"));
        }
        let (text, channel) = match in_header {
            Some(message) => (header_text(message), channel("")?),
            None => (self.read(body).await?, channel(head.uri.path())?),
        };
        let body = pushnote_core::Body::of("text/plain; charset=utf-8", &text);
        let audience = Audience::from_iter([Subject::from(channel)]);
        let message = Message { body, event: None, audience, push: None };
        match self.context.publisher.publish(message).await {
            Ok(_) => Ok(()),
            Err(PublishError::TooLong { .. }) => Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, TOO_LONG)),
            Err(error) => {
                if let Some(unlogged) = self.log.due("publish") {
                    tracing::warn!(%error, unlogged, "lightpush: a message is not published; more in the next minute are not logged");
                }
                Err(Refusal(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "it cannot be published now: the server's log says why",
                ))
            }
        }
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Refusal> {
        let limits = &self.context.limits;
        let whole =
            read(body, limits.message_bytes_max, limits.handshake_timeout_s).await.map_err(|error| {
                let text = match error {
                    BodyError::TooLong(_) => TOO_LONG,
                    BodyError::TooSlow(_) | BodyError::Cut => "the body did not come",
                };
                Refusal(error.status(), text)
            })?;
        match std::str::from_utf8(&whole) {
            Ok("") => Err(Refusal(StatusCode::BAD_REQUEST, NO_MESSAGE)),
            Ok(_) => Ok(whole),
            Err(_) => Err(Refusal(StatusCode::BAD_REQUEST, "the message is no UTF-8")),
        }
    }

    /// Makes a page of the request's connection.
    fn open(&self, mut request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let mut channels = vec![channel("")?, channel(request.uri().path())?];
        channels.dedup();
        if !self.cors.allows(request.headers()) {
            return Err(Refusal(StatusCode::FORBIDDEN, "pages of this origin may not use the server"));
        }
        let accept = handshake::check(request.method(), request.version(), request.headers());
        let accept = match accept {
            Ok(accept) => accept,
            Err(error) => {
                let (head, text) = error.response().into_parts();
                return Ok(Response::from_parts(head, whole(text)));
            }
        };
        let hub = &self.context.hub;
        let page = Page {
            channels,
            from: hub.cursor(hub.end()),
            options: Arc::clone(&self.socket),
            context: Arc::clone(&self.context),
            guard: request.extensions_mut().remove(),
        };
        tokio::spawn(page.serve(hyper::upgrade::on(&mut request)));
        Ok(accept.response().map(|()| whole("")))
    }
}

impl Front for Lightpush {
    fn takes(&self, _path: &str) -> bool {
        true
    }

    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        Box::pin(async move { self.answer(request).await })
    }
}

/// A WebSocket from its handshake to its end.
struct Page {
    channels: Vec<ChannelName>,
    /// Where the log was when it asked: from there on it gets everything.
    from: Cursor,
    options: Arc<SocketOptions>,
    context: Arc<Context>,
    guard: Option<ConnectionGuard>,
}

impl Page {
    async fn serve(self, upgrade: OnUpgrade) {
        let Self { channels, from, options, context, guard } = self;
        // A client that is gone already.
        let Ok((stream, read_ahead)) = take_over(upgrade, &HyperIo::default()).await else { return };
        let (socket, driver) = Socket::new(stream, read_ahead, options);
        let mut attachment = context.hub.attach(AnyReceiver::Lightpush(LightpushReceiver(socket)));
        for channel in channels {
            let subject = Subject::from(channel);
            let notice = Notice::Subscribed { id: 0, subject: subject.clone() };
            // To two channels there is no limit.
            let _ = attachment.subscribe_since(subject, Some(from.clone()), Some(notice));
        }
        let _held = guard;
        // What pages say, nobody hears.
        driver
            .run(move |event| {
                if event == Event::Room {
                    attachment.has_room();
                }
                ControlFlow::Continue(())
            })
            .await;
    }
}

/// The channel of a path: the root's is everybody's.
fn channel(path: &str) -> Result<ChannelName, Refusal> {
    let path = percent_decode_str(path.trim_start_matches('/')).decode_utf8().ok();
    let name =
        path.map(|path| if path.is_empty() { CHANNEL.to_owned() } else { format!("{CHANNEL}/{path}") });
    name.and_then(|name| ChannelName::new(&name).ok()).ok_or(Refusal(
        StatusCode::BAD_REQUEST,
        "the path is no channel: UTF-8 of up to 245 bytes, without control characters, no * at its end",
    ))
}

/// A header's text: UTF-8, or else Latin-1, in which HTTP's first clients write.
fn header_text(value: &HeaderValue) -> Bytes {
    let bytes = value.as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(_) => Bytes::copy_from_slice(bytes),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into(),
    }
}

/// The original's answers, as HTTP has them.
fn answer(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(whole(serde_json::json!({"message": text}).to_string()));
    *response.status_mut() = status;
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "application/json"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Lightpush-Message"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    match status {
        StatusCode::OK | StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Secret-Key"));
        }
        // The rest of a body that was not read would be taken for the next request.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT | StatusCode::FORBIDDEN => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_one_that_nobody_knows() {
        for (text, error) in [
            (PUBLISHED_KEY, LightpushKeyError::Published),
            ("29E03FE7-9e8f-42b2-a9ac-2c9519bdf0b1", LightpushKeyError::Published),
            ("", LightpushKeyError::Short),
            ("123456789012345", LightpushKeyError::Short),
            ("a key with spaces in it", LightpushKeyError::Invisible),
        ] {
            assert_eq!(LightpushKey::new(text).unwrap_err(), error, "{text}");
        }
        let key = LightpushKey::new("0123456789abcdef").unwrap();
        for (authorization, right) in [
            ("0123456789abcdef", true),
            ("Secret-Key 0123456789abcdef", true),
            ("0123456789abcde", false),
            ("0123456789abcdefg", false),
            ("0123456789abcdef x", false),
            ("", false),
        ] {
            assert_eq!(key.is_in(authorization.as_bytes()), right, "{authorization}");
        }
    }

    #[test]
    fn a_path_is_a_channel() {
        for (path, name) in [
            ("", "lightpush"),
            ("/", "lightpush"),
            ("/news", "lightpush/news"),
            ("/a/b%20%C3%A4", "lightpush/a/b ä"),
        ] {
            assert_eq!(channel(path).unwrap().as_str(), name);
        }
        for path in ["/%FF", "/a%0Ab", "/a*", &format!("/{}", "x".repeat(246))] {
            assert!(channel(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_header_is_text_in_any_case() {
        assert_eq!(header_text(&HeaderValue::from_bytes("ä".as_bytes()).unwrap()), "ä");
        assert_eq!(header_text(&HeaderValue::from_bytes(b"\xe4").unwrap()), "ä");
    }
}
