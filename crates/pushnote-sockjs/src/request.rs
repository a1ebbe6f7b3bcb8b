//! Requests, as far as they matter.

use std::net::IpAddr;

use http::{HeaderMap, Method, header, request::Parts};
use hyper::upgrade::OnUpgrade;
use pushnote_net::{Network, http::Handover};

use crate::{guard::ConnectionGuard, proxy};

/// A request, without its path and its body.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// The client's address.
    pub(crate) client: Option<IpAddr>,
    pub(crate) upgrade: Option<OnUpgrade>,
    /// By which a response that goes on for ever leaves the server.
    pub(crate) handover: Option<Handover>,
    /// The accept loop's, if it has one.
    pub(crate) guard: Option<ConnectionGuard>,
}

impl Request {
    /// With what the server has left in the request's extensions.
    pub(crate) fn new(head: &mut Parts, proxies: &[Network]) -> Self {
        Self {
            method: head.method.clone(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            client: proxy::client_addr(head.extensions.remove(), &head.headers, proxies),
            headers: std::mem::take(&mut head.headers),
            upgrade: head.extensions.remove(),
            handover: head.extensions.remove(),
            guard: head.extensions.remove(),
        }
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }

    /// How many frames of its session the client has had, as `?frames=1`.
    pub(crate) fn frames_received(&self) -> Option<u64> {
        self.query.split('&').find_map(|pair| pair.strip_prefix("frames=")?.parse().ok())
    }

    /// How long the body is said to be.
    pub(crate) fn announced_bytes(&self) -> usize {
        let length = self.headers.get(header::CONTENT_LENGTH);
        length.and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
    }
}
