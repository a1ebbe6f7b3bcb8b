//! The ways for messages to come.

use std::fmt;

use clap::ValueEnum;
use http::Method;

use super::frames::Wrapping;

/// As sockjs-client names them, and what a browser can use besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Websocket,
    WebsocketRaw,
    XhrStreaming,
    Eventsource,
    Htmlfile,
    XhrPolling,
    JsonpPolling,
    /// The page in which transports of old run
    Iframe,
    /// Server-sent events at /events, without SockJS
    Events,
}

/// How frames come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receive {
    /// `raw`: messages as they are, without frames.
    WebSocket {
        raw: bool,
    },
    Stream(Endpoint),
    Poll(Endpoint),
}

/// Where frames come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Behind the session, with its query.
    pub(super) path: &'static str,
    pub(super) is_post: bool,
    pub(super) wrapping: Wrapping,
}

impl Endpoint {
    pub(super) fn method(&self) -> Method {
        if self.is_post { Method::POST } else { Method::GET }
    }
}

impl Transport {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::WebsocketRaw => "websocket-raw",
            Self::XhrStreaming => "xhr-streaming",
            Self::Eventsource => "eventsource",
            Self::Htmlfile => "htmlfile",
            Self::XhrPolling => "xhr-polling",
            Self::JsonpPolling => "jsonp-polling",
            Self::Iframe => "iframe",
            Self::Events => "events",
        }
    }

    /// `None`: it is no session of SockJS.
    pub(super) fn receive(self) -> Option<Receive> {
        let post = |path| Endpoint { path, is_post: true, wrapping: Wrapping::Plain };
        let get = |path, wrapping| Endpoint { path, is_post: false, wrapping };
        Some(match self {
            Self::Websocket => Receive::WebSocket { raw: false },
            Self::WebsocketRaw => Receive::WebSocket { raw: true },
            Self::XhrStreaming => Receive::Stream(post("xhr_streaming")),
            Self::Eventsource => Receive::Stream(get("eventsource", Wrapping::Event)),
            Self::Htmlfile => Receive::Stream(get("htmlfile?c=doctor", Wrapping::Call("p"))),
            Self::XhrPolling => Receive::Poll(post("xhr")),
            Self::JsonpPolling => Receive::Poll(get("jsonp?c=doctor", Wrapping::Call("doctor"))),
            Self::Iframe | Self::Events => return None,
        })
    }

    pub(super) fn is_websocket(self) -> bool {
        matches!(self, Self::Websocket | Self::WebsocketRaw)
    }

    /// Whether its requests tell the page's origin: frames and script elements do not, and are off where only some may come.
    pub(super) fn tells_origin(self) -> bool {
        !matches!(self, Self::Htmlfile | Self::JsonpPolling | Self::Iframe)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
