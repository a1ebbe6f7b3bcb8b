//! htmlfile: a page that never ends, in a hidden frame.

use std::sync::Arc;

use http::StatusCode;
use pushnote_sockjs_proto::callback::Callback;
use warp::reply::Response;

use super::{Transport, receive::receive};
use crate::{
    body::ReceiverKind,
    filter::{Mount, Request, text},
    handler::Handler,
    headers,
};

/// Real ones have some ten bytes.
const CALLBACK_BYTES_MAX: usize = 128;

pub(crate) async fn stream<H: Handler>(mount: &Arc<Mount<H>>, request: &Request, id: &str) -> Response {
    match Callback::from_query(&request.query, CALLBACK_BYTES_MAX) {
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        Ok(callback) => {
            let kind = ReceiverKind::HtmlFile(callback);
            receive(mount, request, id, Transport::HtmlFile, kind, headers::HTML).await
        }
    }
}
