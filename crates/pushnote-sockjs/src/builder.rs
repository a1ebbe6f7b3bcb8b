//! How a service is set up.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, header};
use pushnote_net::Network;
use pushnote_sockjs_proto::session::Settings;
use pushnote_websocket::SocketOptions;

use crate::{
    client_script::ClientScript,
    handler::Handler,
    headers::YEAR,
    origin::{AllowedOrigin, AllowedOrigins},
    service::SockJs,
    session::WebSocketOptions,
    transport::Transport,
};

/// What one client may take of memory, and all of them together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The body of one request with messages (xhr_send, jsonp_send), in bytes. 128 KiB.
    pub request_body_bytes_max: usize,
    /// From the end of a request's head to the end of its body. 10 s.
    pub request_body_timeout: Duration,
    /// One WebSocket message from a client, in bytes. 128 KiB.
    pub websocket_message_bytes_max: usize,
    /// What may wait for the next request of an HTTP session, in bytes. 256 KiB. One bigger message passes when nothing waits.
    pub queue_bytes_max: usize,
    /// What may wait for a client that is connected and reads too slowly, in bytes. 1 MiB.
    pub outbox_bytes_max: usize,
    /// Sessions of this service over HTTP at one time, and as many WebSockets: neither kind can take the other's room.
    /// 100,000. Further ones are answered 503.
    pub sessions_max: usize,
    /// Sessions that clients of one address may open over HTTP within a second. 1,000, as all clients behind a proxy may
    /// have its address. Further ones are answered 429, and their connection is closed.
    pub address_sessions_per_second_max: u32,
    /// Messages from one address for sessions that are not there, within a second. 1,000. Further ones are answered 429,
    /// and their connection is closed.
    pub address_misses_per_second_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_body_bytes_max: 128 * 1024,
            request_body_timeout: Duration::from_secs(10),
            websocket_message_bytes_max: 128 * 1024,
            queue_bytes_max: 256 * 1024,
            outbox_bytes_max: 1024 * 1024,
            sessions_max: 100_000,
            address_sessions_per_second_max: 1_000,
            address_misses_per_second_max: 1_000,
        }
    }
}

/// Sets up a [`SockJs`] service. Made by [`SockJs::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    heartbeat_delay: Duration,
    disconnect_delay: Duration,
    receiver_age_max: Duration,
    options: Options,
}

/// What requests are answered by.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) response_limit_bytes: usize,
    pub(crate) transports: Vec<Transport>,
    pub(crate) jsessionid: bool,
    pub(crate) same_address: bool,
    pub(crate) client_script: Option<ClientScript>,
    pub(crate) base_url: Option<String>,
    pub(crate) allowed_origins: AllowedOrigins,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) exposed_headers: Vec<HeaderName>,
    pub(crate) limits: Limits,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            heartbeat_delay: Duration::from_secs(25),
            disconnect_delay: Duration::from_secs(5),
            receiver_age_max: Duration::from_secs(120),
            options: Options {
                response_limit_bytes: 128 * 1024,
                transports: Transport::ALL.to_vec(),
                jsessionid: false,
                same_address: false,
                client_script: None,
                base_url: None,
                allowed_origins: AllowedOrigins::Any,
                trusted_proxies: Vec::new(),
                exposed_headers: default_exposed_headers(),
                limits: Limits::default(),
            },
        }
    }
}

/// sockjs-node's list. Neither `Cookie` nor `Origin` is on it: an application that decides by them should say so.
fn default_exposed_headers() -> Vec<HeaderName> {
    let mut names = vec![
        header::REFERER,
        header::VIA,
        header::DNT,
        header::HOST,
        header::USER_AGENT,
        header::ACCEPT_LANGUAGE,
    ];
    names.extend(
        [
            "x-client-ip",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-port",
            "x-forwarded-proto",
            "x-cluster-client-ip",
            "x-real-ip",
            "x-ssl",
        ]
        .map(HeaderName::from_static),
    );
    names
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
        self.options.transports.retain(|transport| !transport.is_websocket());
        if on {
            self.options.transports.extend([Transport::WebSocket, Transport::RawWebSocket]);
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

    /// The limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.options.limits = limits;
        self
    }

    /// The service. Cheap to clone; mount it with [`SockJs::filter`].
    pub fn build<H: Handler>(mut self, handler: H) -> SockJs<H> {
        if !self.options.allowed_origins.is_any() {
            self.options.transports.retain(|transport| transport.tells_origin());
            self.options.client_script = None;
        }
        // Durations are added to the current time, which has an end.
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
        SockJs::new(handler, self.options, Arc::new(settings), WebSocketOptions::new(socket_options))
    }
}
