//! eventsource: server-sent events.

use std::sync::Arc;

use http::HeaderValue;
use warp::reply::Response;

use super::{Transport, receive::receive};
use crate::{
    body::ReceiverKind,
    filter::{Mount, Request},
    handler::Handler,
};

pub(crate) async fn stream<H: Handler>(mount: &Arc<Mount<H>>, request: &Request, id: &str) -> Response {
    let content_type = HeaderValue::from_static("text/event-stream");
    receive(mount, request, id, Transport::EventSource, ReceiverKind::EventSource, content_type).await
}
