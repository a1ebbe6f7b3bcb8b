//! The transports: one file for each knows all of it, and the table below is all of them.

pub(crate) mod endpoint;
mod eventsource;
mod htmlfile;
mod jsonp_polling;
mod raw_websocket;
mod websocket;
mod xhr_polling;
mod xhr_send;
mod xhr_streaming;

use std::fmt;

use pushnote_sockjs_proto::route::Route;

use endpoint::{Descriptor, Endpoint, Role, WebSocket};

macro_rules! table {
    ($($(#[$documentation:meta])* $transport:ident = $descriptor:path,)*) => {
        /// The ways a client can be connected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Transport {
            $($(#[$documentation])* $transport,)*
        }

        impl Transport {
            /// Every transport there is.
            pub const ALL: [Self; [$(stringify!($transport)),*].len()] = [$(Self::$transport),*];

            fn descriptor(self) -> &'static Descriptor {
                match self {
                    $(Self::$transport => &$descriptor,)*
                }
            }
        }
    };
}

table! {
    /// WebSocket with SockJS's framing.
    WebSocket = websocket::WEBSOCKET,
    /// WebSocket as such, at `<prefix>/websocket`, for clients without SockJS.
    RawWebSocket = raw_websocket::RAW_WEBSOCKET,
    /// A long response to an XMLHttpRequest, in which frames arrive one by one.
    XhrStreaming = xhr_streaming::XHR_STREAMING,
    /// Server-sent events.
    EventSource = eventsource::EVENTSOURCE,
    /// A long page in a hidden frame (Internet Explorer).
    HtmlFile = htmlfile::HTMLFILE,
    /// An XMLHttpRequest for each frame.
    XhrPolling = xhr_polling::XHR_POLLING,
    /// A script element for each frame (the oldest browsers).
    JsonpPolling = jsonp_polling::JSONP_POLLING,
}

impl Transport {
    /// The transport's name, as sockjs-client and sockjs-node have it.
    pub fn name(self) -> &'static str {
        self.descriptor().name
    }

    pub(crate) fn tells_origin(self) -> bool {
        self.descriptor().tells_origin
    }

    /// How it uses a WebSocket, if it does.
    pub(crate) fn websocket(self) -> Option<&'static WebSocket> {
        self.descriptor().endpoints.iter().find_map(|endpoint| match &endpoint.role {
            Role::WebSocket(websocket) => Some(websocket),
            Role::Receive(_) | Role::Send(_) => None,
        })
    }

    /// What is at a route, as far as one of `transports` uses it.
    pub(crate) fn endpoint(transports: &[Self], route: &Route<'_>) -> Option<(Self, &'static Endpoint)> {
        transports.iter().find_map(|&transport| {
            let endpoints = &transport.descriptor().endpoints;
            endpoints.iter().find(|endpoint| endpoint.is_at(route)).map(|endpoint| (transport, endpoint))
        })
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
