//! xhr (polling), xhr_streaming and xhr_send.

use std::sync::Arc;

use bytes::Buf;
use futures_util::Stream;
use http::{StatusCode, header};
use warp::reply::{Reply, Response};

use super::{
    Transport,
    receive::receive,
    send::{collect, deliver},
};
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
pub(crate) async fn send<H, S, B>(mount: &Mount<H>, request: &Request, id: &str, body: S) -> Response
where
    H: Handler,
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let bytes_max = mount.service.options.limits.request_body_bytes_max;
    let delivered = match collect(&request.headers, body, bytes_max).await {
        Ok(body) => deliver(mount, id, &String::from_utf8_lossy(&body)),
        Err(refused) => Err(refused),
    };
    match delivered {
        Err(refused) => refused.response(),
        Ok(()) => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, headers::PLAIN);
            response
        }
    }
}

pub(crate) fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    headers::preflight("OPTIONS, POST", response.headers_mut());
    response
}
