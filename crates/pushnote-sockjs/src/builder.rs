//! How a service is set up.

use std::{sync::Arc, time::Duration};

use http::HeaderName;
use pushnote_net::Network;
use pushnote_sockjs_proto::{Close, session::Settings};
use pushnote_websocket::{HyperIo, SocketOptions};

use crate::{
    client_script::ClientScript,
    handler::{Handler, SessionInfo},
    options::{Limits, Options},
    origin::{AllowedOrigin, AllowedOrigins},
    service::Service,
    session::Session,
    sockjs::SockJs,
    transport::Transport,
    websocket_session::WebSocketOptions,
};

/// Durations are added to the current time, which has an end.
const YEAR: Duration = Duration::from_secs(31_536_000);

/// Sets up a [`SockJs`] service. Made by [`SockJs::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    heartbeat_delay: Duration,
    disconnect_delay: Duration,
    receiver_age_max: Duration,
    options: Options,
}

impl SockJs<fn(&Session, &SessionInfo) -> Result<fn(&str), Close>> {
    /// A builder with every option at its default. (The handler's type comes with [`Builder::build`].)
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            heartbeat_delay: Duration::from_secs(25),
            disconnect_delay: Duration::from_secs(5),
            receiver_age_max: Duration::from_secs(120),
            options: Options::default(),
        }
    }
}

impl Builder {
    /// How long a client waits at most for some sign of life: a heartbeat frame, on a raw WebSocket a ping. 25 s;
    /// sockjs-client's jsonp gives up after 35 s. `/info` tells it, in ms, as `heartbeat_delay`.
    pub fn heartbeat_delay(mut self, delay: Duration) -> Self {
        self.heartbeat_delay = delay;
        self
    }

    /// How long a session over HTTP lives between two requests of its client. 5 s.
    pub fn disconnect_delay(mut self, delay: Duration) -> Self {
        self.disconnect_delay = delay;
        self
    }

    /// How long one streaming response goes on. 2 min. Clients ask again at once, unnoticed by the page; one that has
    /// vanished without a trace does not, and its session ends.
    pub fn response_age_max(mut self, age: Duration) -> Self {
        self.receiver_age_max = age;
        self
    }

    /// How many bytes of frames one streaming response carries, so that browsers can free what they have read. 128 KiB.
    pub fn response_limit(mut self, bytes: usize) -> Self {
        self.options.response_limit_bytes = bytes;
        self
    }

    /// Whether WebSocket is offered, framed and raw. Off where a proxy in front cannot pass it on.
    pub fn websocket(mut self, on: bool) -> Self {
        self.options.transports.retain(|transport| transport.websocket().is_none());
        if on {
            self.options
                .transports
                .extend(Transport::ALL.into_iter().filter(|one| one.websocket().is_some()));
        }
        self
    }

    /// The transports to offer; the others' URLs are not found. All of them unless set.
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.options.transports = transports.into_iter().collect();
        self
    }

    /// Whether to set the cookie `JSESSIONID=dummy`, which some load balancers need to send all requests of a client to
    /// one server. Off. A value that the load balancer made is kept.
    pub fn jsessionid(mut self, on: bool) -> Self {
        self.options.jsessionid = on;
        self
    }

    /// Whether all requests of a session over HTTP must come from the address that opened it. Off: addresses of mobile
    /// clients change, and a session's id is a secret already.
    pub fn same_address(mut self, on: bool) -> Self {
        self.options.same_address = on;
        self
    }

    /// Where the iframe page finds sockjs-client: a URL, or a [`ClientScript`] to be served from here. Unset, there is no
    /// iframe page, which only browsers without cross-origin XMLHttpRequest need.
    pub fn sockjs_url(mut self, script: impl Into<ClientScript>) -> Self {
        self.options.client_script = Some(script.into());
        self
    }

    /// Another URL for clients to connect to, told them by `/info`.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.options.base_url = Some(url.into());
        self
    }

    /// The origins whose pages may use the service; the service's own is not among them unless listed. All may, unless
    /// set.
    ///
    /// Other pages then get no CORS headers and 403 on WebSocket and session URLs. The transports that any page can use
    /// without telling its origin (htmlfile, jsonp) and the iframe page are off.
    pub fn allowed_origins(mut self, origins: impl IntoIterator<Item = AllowedOrigin>) -> Self {
        self.options.allowed_origins = AllowedOrigins::new(origins.into_iter().collect());
        self
    }

    /// Proxies whose `X-Forwarded-For` is believed. None, unless set.
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = Network>) -> Self {
        self.options.trusted_proxies = proxies.into_iter().collect();
        self
    }

    /// Further request headers that the application sees in [`SessionInfo::headers`](crate::SessionInfo::headers).
    pub fn expose_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.options.exposed_headers.extend(names);
        self
    }

    /// What the server runs hyper on, where that is not `TokioIo` of a TCP or a Unix stream: WebSockets take the stream
    /// over.
    pub fn hyper_io(mut self, io: HyperIo) -> Self {
        self.options.hyper_io = io;
        self
    }

    /// The limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// The service. Cheap to clone; mount it with [`SockJs::mount`].
    pub fn build<H: Handler>(mut self, handler: H) -> SockJs<H> {
        if !self.options.allowed_origins.is_any() {
            self.options.transports.retain(|transport| transport.tells_origin());
            self.options.client_script = None;
        }
        let heartbeat_delay = self.heartbeat_delay.min(YEAR);
        let settings = Settings {
            heartbeat_delay,
            disconnect_delay: self.disconnect_delay.min(YEAR),
            receiver_age_max: self.receiver_age_max.min(YEAR),
            queue_bytes_max: self.options.limits.queue_bytes_max,
            outbox_bytes_max: self.options.limits.outbox_bytes_max,
        };
        let socket_options = SocketOptions {
            outbox_bytes_max: self.options.limits.outbox_bytes_max,
            message_bytes_max: self.options.limits.websocket_message_bytes_max,
            ping_interval: heartbeat_delay,
            ..SocketOptions::default()
        };
        let socket_options = WebSocketOptions::new(&socket_options);
        SockJs::new(Service::new(handler, self.options, Arc::new(settings), socket_options))
    }
}
