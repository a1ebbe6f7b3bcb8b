//! What differs between the protocols that servers speak to browsers.

use memchr::memmem;
use serde_json::json;

use crate::polling::Form;
use crate::url::Url;

/// The sample key of RFC 6455, 1.3, and its answer: one key for all, so that nothing is computed per connection.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The channel of servers that have channels.
const CHANNEL: &str = "bench";

/// How browsers are spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A plain WebSocket, one message a frame: pushnote's raw route, Nchan
    Raw,
    /// pushnote's client protocol over its raw route: hello, cursors
    Pushnote,
    /// SockJS over WebSocket; the URL is the route, as in `http://127.0.0.1:8080/sockjs`
    SockjsWebsocket,
    /// SockJS over streamed HTTP answers; the URL is the route
    SockjsXhrStreaming,
    /// Server-sent events: pushnote's `/events`, Nchan
    Sse,
    /// Polls that wait for the next message, by `Last-Modified` and `Etag`: pushnote's locations, Nchan
    LongPoll,
    /// The same of Durable Streams: pushnote's `/streams`
    DurableStreams,
    /// Centrifugo's JSON protocol, channel `bench`
    Centrifugo,
    /// Pusher's protocol, channel `bench`; credentials in the publish URL: `http://KEY:SECRET@host/apps/ID/events`
    Pusher,
    /// Socket.IO over WebSocket
    Socketio,
}

/// What a client does about what it has read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    Nothing,
    /// From now on messages come.
    Ready,
    Send(String),
    /// The server ended the connection, or will not serve it.
    End(String),
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Raw,
        Self::Pushnote,
        Self::SockjsWebsocket,
        Self::SockjsXhrStreaming,
        Self::Sse,
        Self::LongPoll,
        Self::DurableStreams,
        Self::Centrifugo,
        Self::Pusher,
        Self::Socketio,
    ];

    /// What it is called in figures and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Pushnote => "pushnote",
            Self::SockjsWebsocket => "sockjs-websocket",
            Self::SockjsXhrStreaming => "sockjs-xhr-streaming",
            Self::Sse => "sse",
            Self::LongPoll => "long-poll",
            Self::DurableStreams => "durable-streams",
            Self::Centrifugo => "centrifugo",
            Self::Pusher => "pusher",
            Self::Socketio => "socketio",
        }
    }

    /// What it is, in a line.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Raw => "A plain WebSocket, one message a frame: pushnote's raw route, Nchan",
            Self::Pushnote => "pushnote's client protocol over its raw route: hello, cursors",
            Self::SockjsWebsocket => {
                "SockJS over WebSocket; the URL is the route, as in http://127.0.0.1:8080/sockjs"
            }
            Self::SockjsXhrStreaming => "SockJS over streamed HTTP answers; the URL is the route",
            Self::Sse => "Server-sent events: pushnote's /events, Nchan",
            Self::LongPoll => {
                "Polls that wait for the next message, by Last-Modified and Etag: pushnote's locations, Nchan"
            }
            Self::DurableStreams => "The same of Durable Streams: pushnote's /streams",
            Self::Centrifugo => "Centrifugo's JSON protocol, channel `bench`",
            Self::Pusher => {
                "Pusher's protocol, channel `bench`; credentials in the publish URL: http://KEY:SECRET@host/apps/ID/events"
            }
            Self::Socketio => "Socket.IO over WebSocket",
        }
    }

    /// Whether messages come in the body of an HTTP answer instead of WebSocket frames.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::SockjsXhrStreaming | Self::Sse) || self.polling().is_some()
    }

    /// How each message is asked for, if it is.
    pub(crate) fn polling(self) -> Option<Form> {
        match self {
            Self::LongPoll => Some(Form::Conditional),
            Self::DurableStreams => Some(Form::Stream),
            _ => None,
        }
    }

    /// Whether a client can say which user it is.
    #[must_use]
    pub fn takes_users(self) -> bool {
        matches!(self, Self::Raw | Self::SockjsWebsocket)
    }

    /// Whether what comes before the server is ready comes again behind its welcome.
    pub(crate) fn welcomes(self) -> bool {
        self == Self::Pushnote
    }

    /// The HTTP request that opens a connection, or asks again from a `place`. `session` is unlike that of all other
    /// connections.
    pub(crate) fn request(self, url: &Url, session: &str, place: Option<&str>) -> String {
        let (host, authorization) = (&url.host, url.authorization());
        let base = url.path.trim_end_matches('/');
        let path = match self {
            Self::SockjsXhrStreaming => {
                return format!(
                    "POST {base}/000/{session}/xhr_streaming HTTP/1.1\r\nHost: {host}\r\n{authorization}Content-Length: 0\r\n\r\n"
                );
            }
            Self::Sse => {
                let path = &url.path;
                return format!(
                    "GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Accept: text/event-stream\r\n\r\n"
                );
            }
            Self::LongPoll => return Form::Conditional.request(url, place),
            Self::DurableStreams => return Form::Stream.request(url, place),
            Self::SockjsWebsocket => format!("{base}/000/{session}/websocket"),
            Self::Centrifugo if base.is_empty() => "/connection/websocket".to_owned(),
            Self::Socketio if base.is_empty() => "/socket.io/?EIO=4&transport=websocket".to_owned(),
            Self::Raw | Self::Pushnote | Self::Centrifugo | Self::Pusher | Self::Socketio => url.path.clone(),
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{authorization}Upgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
    }

    /// What follows the HTTP answer. `cursor`: where one was who comes back.
    pub(crate) fn opened(self, cursor: Option<&str>) -> Reaction {
        match self {
            Self::Raw => Reaction::Ready,
            Self::Pushnote => {
                let mut data = json!({"id": 1, "version": 1});
                if let Some(cursor) = cursor {
                    data["cursor"] = cursor.into();
                }
                Reaction::Send(json!({"name": "hello", "data": data}).to_string())
            }
            Self::Centrifugo => Reaction::Send(format!(
                "{}\n{}",
                json!({"id": 1, "connect": {}}),
                json!({"id": 2, "subscribe": {"channel": CHANNEL}})
            )),
            _ => Reaction::Nothing,
        }
    }

    /// What to do about a frame (or line) without a message in it.
    pub(crate) fn read(self, text: &[u8]) -> Reaction {
        match self {
            Self::Raw | Self::LongPoll | Self::DurableStreams => Reaction::Nothing,
            Self::Pushnote => read_pushnote(text),
            Self::SockjsWebsocket | Self::SockjsXhrStreaming => read_sockjs(text),
            Self::Sse => read_sse(text),
            Self::Centrifugo => read_centrifugo(text),
            Self::Pusher => read_pusher(text),
            Self::Socketio => read_socketio(text),
        }
    }

    /// Where a connection is that was welcomed with `text`.
    pub(crate) fn cursor(self, text: &[u8]) -> Option<String> {
        const KEY: &[u8] = br#""cursor":""#;
        if !self.welcomes() {
            return None;
        }
        let rest = &text[memmem::find(text, KEY)? + KEY.len()..];
        let cursor = &rest[..memchr::memchr(b'"', rest)?];
        String::from_utf8(cursor.to_vec()).ok()
    }

    /// What makes a connection one of a user's.
    pub(crate) fn subscribe(self, token: &str) -> String {
        let subscribe = json!({"name": "subscribe", "data": {"token": token}}).to_string();
        if self == Self::Raw { subscribe } else { json!([subscribe]).to_string() }
    }

    /// The body of an HTTP request that publishes the JSON text `message`.
    pub(crate) fn http_body(self, message: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(message);
        match self {
            Self::Centrifugo => format!(r#"{{"channel":"{CHANNEL}","data":{text}}}"#).into_bytes(),
            Self::Pusher => {
                json!({"name": "bench", "channel": CHANNEL, "data": text}).to_string().into_bytes()
            }
            _ => message.to_vec(),
        }
    }
}

/// A welcome that is not complete, and a gap, are messages lost: the connection has failed.
fn read_pushnote(text: &[u8]) -> Reaction {
    if contains(text, br#""type":"welcome""#) && contains(text, br#""complete":true"#) {
        Reaction::Ready
    } else if [&br#""type":"welcome""#[..], br#""type":"gap""#, br#""type":"error""#]
        .iter()
        .any(|part| contains(text, part))
    {
        end(text)
    } else {
        Reaction::Nothing
    }
}

fn read_sockjs(text: &[u8]) -> Reaction {
    match text.first() {
        Some(b'o') => Reaction::Ready,
        Some(b'c') => end(text),
        _ => Reaction::Nothing,
    }
}

/// A server begins with a comment, or with how soon to come back.
fn read_sse(text: &[u8]) -> Reaction {
    if text.starts_with(b"event: gap") {
        end(text)
    } else if text.starts_with(b":") || text.starts_with(b"retry:") {
        Reaction::Ready
    } else {
        Reaction::Nothing
    }
}

fn read_centrifugo(text: &[u8]) -> Reaction {
    if text.trim_ascii() == b"{}" {
        // A ping, answered by the same.
        return Reaction::Send("{}".to_owned());
    }
    if contains(text, br#""error":"#) || contains(text, br#""disconnect":"#) {
        return end(text);
    }
    let subscribed = text.split(|&byte| byte == b'\n').any(|line| contains(line, br#""id":2"#));
    if subscribed { Reaction::Ready } else { Reaction::Nothing }
}

fn read_pusher(text: &[u8]) -> Reaction {
    if contains(text, b"pusher:ping") {
        Reaction::Send(json!({"event": "pusher:pong", "data": {}}).to_string())
    } else if contains(text, b"pusher:connection_established") {
        Reaction::Send(json!({"event": "pusher:subscribe", "data": {"channel": CHANNEL}}).to_string())
    } else if contains(text, b"subscription_succeeded") {
        Reaction::Ready
    } else if contains(text, b"pusher:error") {
        end(text)
    } else {
        Reaction::Nothing
    }
}

fn read_socketio(text: &[u8]) -> Reaction {
    match text {
        [b'0', ..] => Reaction::Send("40".to_owned()),
        [b'2', ..] => Reaction::Send("3".to_owned()),
        [b'4', b'0', ..] => Reaction::Ready,
        [b'1', ..] | [b'4', b'1' | b'4', ..] => end(text),
        _ => Reaction::Nothing,
    }
}

fn end(text: &[u8]) -> Reaction {
    let text = String::from_utf8_lossy(&text[..text.len().min(200)]);
    Reaction::End(format!("the server said {}", text.trim_end()))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memmem::find(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(preset: Preset, text: &str) -> Reaction {
        preset.read(text.as_bytes())
    }

    #[test]
    fn each_protocol_is_greeted_as_it_wants() {
        let send = |text: &str| Reaction::Send(text.to_owned());
        assert_eq!(Preset::Raw.opened(None), Reaction::Ready);
        let hello = r#"{"data":{"cursor":"1~5","id":1,"version":1},"name":"hello"}"#;
        assert_eq!(Preset::Pushnote.opened(Some("1~5")), send(hello));
        let welcome = r#"{"type":"welcome","id":1,"version":1,"cursor":"1~6","complete":true}"#;
        assert_eq!(reads(Preset::Pushnote, welcome), Reaction::Ready);
        assert_eq!(Preset::Pushnote.cursor(welcome.as_bytes()).as_deref(), Some("1~6"));
        assert_eq!(
            Preset::Centrifugo.opened(None),
            send("{\"connect\":{},\"id\":1}\n{\"id\":2,\"subscribe\":{\"channel\":\"bench\"}}")
        );
        assert_eq!(reads(Preset::Centrifugo, "{\"id\":1,\"connect\":{}}"), Reaction::Nothing);
        assert_eq!(
            reads(Preset::Centrifugo, "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{}}"),
            Reaction::Ready
        );
        assert_eq!(reads(Preset::Centrifugo, "{}"), send("{}"));
        assert_eq!(reads(Preset::SockjsWebsocket, "o"), Reaction::Ready);
        assert_eq!(reads(Preset::SockjsXhrStreaming, "hhhh"), Reaction::Nothing);
        assert_eq!(reads(Preset::Sse, ": hi\n"), Reaction::Ready);
        assert_eq!(reads(Preset::Sse, "id: 7\n"), Reaction::Nothing);
        assert_eq!(reads(Preset::Socketio, r#"0{"sid":"x"}"#), send("40"));
        assert_eq!(reads(Preset::Socketio, r#"40{"sid":"x"}"#), Reaction::Ready);
        assert_eq!(reads(Preset::Socketio, "2"), send("3"));
        let established = r#"{"event":"pusher:connection_established","data":"{}"}"#;
        assert!(matches!(reads(Preset::Pusher, established), Reaction::Send(_)));
        let subscribed = r#"{"event":"pusher_internal:subscription_succeeded","channel":"bench"}"#;
        assert_eq!(reads(Preset::Pusher, subscribed), Reaction::Ready);
    }

    #[test]
    fn refusals_carry_the_servers_words() {
        for (preset, text) in [
            (Preset::SockjsWebsocket, r#"c[3000,"Go away!"]"#),
            (Preset::Pushnote, r#"{"type":"welcome","id":1,"version":1,"cursor":"1~6","complete":false}"#),
            (Preset::Pushnote, r#"{"type":"gap","cursor":"1~6"}"#),
            (Preset::Centrifugo, r#"{"id":1,"error":{"code":103}}"#),
            (Preset::Pusher, r#"{"event":"pusher:error","data":{"code":4001}}"#),
            (Preset::Socketio, r#"44{"message":"no"}"#),
        ] {
            assert_eq!(reads(preset, text), Reaction::End(format!("the server said {text}")));
        }
    }

    #[test]
    fn requests_name_the_route_and_the_session() {
        let url = Url::parse("http://127.0.0.1:1/sockjs/", false).unwrap();
        assert!(
            Preset::SockjsWebsocket
                .request(&url, "s1", None)
                .starts_with("GET /sockjs/000/s1/websocket HTTP/1.1\r\n")
        );
        assert!(
            Preset::SockjsXhrStreaming
                .request(&url, "s1", None)
                .starts_with("POST /sockjs/000/s1/xhr_streaming HTTP")
        );
        assert!(
            Preset::Raw
                .request(&url, "s1", None)
                .starts_with("GET /sockjs/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\n")
        );
        let root = Url::parse("ws://127.0.0.1:1", false).unwrap();
        assert!(
            Preset::Socketio
                .request(&root, "s1", None)
                .starts_with("GET /socket.io/?EIO=4&transport=websocket HTTP")
        );
    }

    #[test]
    fn bodies_are_json_where_the_server_wants_json() {
        for preset in [Preset::Centrifugo, Preset::Pusher] {
            let body: serde_json::Value = serde_json::from_slice(&preset.http_body(br#""pn1""#)).unwrap();
            assert_eq!(body["channel"], CHANNEL);
        }
        assert_eq!(Preset::Raw.http_body(br#""pn1""#), br#""pn1""#);
    }
}
