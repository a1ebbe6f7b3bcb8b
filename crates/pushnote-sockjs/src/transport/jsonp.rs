//! jsonp and jsonp_send: a script element for each frame, a form for each message.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use pushnote_sockjs_proto::{callback::Callback, input};
use warp::reply::Response;

use super::{Transport, receive::receive, send::deliver};
use crate::{
    body::ReceiverKind,
    filter::{Mount, Request, text},
    handler::Handler,
    headers,
};

/// As sockjs-node has it. Real ones have some ten bytes.
const CALLBACK_BYTES_MAX: usize = 32;

pub(crate) async fn poll<H: Handler>(mount: &Arc<Mount<H>>, request: &Request, id: &str) -> Response {
    let mut response = match Callback::from_query(&request.query, CALLBACK_BYTES_MAX) {
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Ok(callback) => {
            let kind = ReceiverKind::Jsonp(callback);
            receive(mount, request, id, Transport::JsonpPolling, kind, headers::JAVASCRIPT).await
        }
    };
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// 200 with a body, because a browser of old did strange things on 204.
pub(crate) fn send<H: Handler>(mount: &Mount<H>, request: &Request, id: &str, body: &[u8]) -> Response {
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let messages = match content_type {
        Some(content_type) if input::is_form(content_type) => input::form_field(body),
        _ => String::from_utf8_lossy(body),
    };
    match deliver(mount, request, id, &messages) {
        Err(refused) => refused.response(),
        Ok(()) => text(StatusCode::OK, "ok"),
    }
}
