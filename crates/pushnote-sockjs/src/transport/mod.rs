//! One file for each transport: a transport is its URLs, how it frames, and when its responses end.

use std::fmt;

pub(crate) mod eventsource;
pub(crate) mod htmlfile;
pub(crate) mod iframe;
pub(crate) mod info;
pub(crate) mod jsonp;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod websocket;
pub(crate) mod xhr;

/// The ways a client can be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// WebSocket with SockJS's framing.
    WebSocket,
    /// WebSocket as such, at `<prefix>/websocket`, for clients without SockJS.
    RawWebSocket,
    /// A long response to an XMLHttpRequest, in which frames arrive one by one.
    XhrStreaming,
    /// Server-sent events.
    EventSource,
    /// A long page in a hidden frame (Internet Explorer).
    HtmlFile,
    /// An XMLHttpRequest for each frame.
    XhrPolling,
    /// A script element for each frame (the oldest browsers).
    JsonpPolling,
}

impl Transport {
    /// Every transport there is.
    pub const ALL: [Self; 7] = [
        Self::WebSocket,
        Self::RawWebSocket,
        Self::XhrStreaming,
        Self::EventSource,
        Self::HtmlFile,
        Self::XhrPolling,
        Self::JsonpPolling,
    ];

    /// The transport's name, as sockjs-client and sockjs-node have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::RawWebSocket => "websocket-raw",
            Self::XhrStreaming => "xhr-streaming",
            Self::EventSource => "eventsource",
            Self::HtmlFile => "htmlfile",
            Self::XhrPolling => "xhr-polling",
            Self::JsonpPolling => "jsonp-polling",
        }
    }
}

impl Transport {
    pub(crate) fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::RawWebSocket)
    }

    /// Whether a browser that uses it says from which page, when that page is another origin's. A frame and a script
    /// element do not.
    pub(crate) fn tells_origin(self) -> bool {
        !matches!(self, Self::HtmlFile | Self::JsonpPolling)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
