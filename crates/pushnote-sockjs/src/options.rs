//! Limits, and what requests are answered by.

use std::time::Duration;

use http::{HeaderName, header};
use pushnote_net::Network;
use pushnote_websocket::HyperIo;

use crate::{client_script::ClientScript, origin::AllowedOrigins, transport::Transport};

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
    pub(crate) hyper_io: HyperIo,
    pub(crate) limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            response_limit_bytes: 128 * 1024,
            transports: Transport::ALL.to_vec(),
            jsessionid: false,
            same_address: false,
            client_script: None,
            base_url: None,
            allowed_origins: AllowedOrigins::Any,
            trusted_proxies: Vec::new(),
            exposed_headers: default_exposed_headers(),
            hyper_io: HyperIo::default(),
            limits: Limits::default(),
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
