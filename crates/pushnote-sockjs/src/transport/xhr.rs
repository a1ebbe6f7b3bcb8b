//! xhr (polling), xhr_streaming and xhr_send.

use std::sync::Arc;

use http::{StatusCode, header};
use warp::reply::{Reply, Response};

use super::{Transport, receive::receive, send::deliver};
use crate::{
    body::ReceiverKind,
    filter::{Mount, Request},
    handler::Handler,
    headers,
};

pub(crate) async fn poll<H: Handler>(mount: &Arc<Mount<H>>, request: &Request, id: &str) -> Response {
    receive(mount, request, id, Transport::XhrPolling, ReceiverKind::Xhr, headers::JAVASCRIPT).await
}

pub(crate) async fn stream<H: Handler>(mount: &Arc<Mount<H>>, request: &Request, id: &str) -> Response {
    let kind = ReceiverKind::XhrStreaming;
    receive(mount, request, id, Transport::XhrStreaming, kind, headers::JAVASCRIPT).await
}

/// 204, with a content type all the same: some browsers take an answer without one for broken XML.
pub(crate) fn send<H: Handler>(mount: &Mount<H>, request: &Request, id: &str, body: &[u8]) -> Response {
    match deliver(mount, request, id, &String::from_utf8_lossy(body)) {
        Err(refused) => refused.response(),
        Ok(()) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, headers::PLAIN);
            response
        }
    }
}
