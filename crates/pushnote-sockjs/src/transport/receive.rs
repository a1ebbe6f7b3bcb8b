//! What all receiving requests have in common.

use std::sync::Arc;

use http::{HeaderValue, StatusCode, header};
use pushnote_sockjs_proto::{Close, session::AttachError};
use warp::reply::Response;

use super::Transport;
use crate::{
    body::{self, ReceiverKind},
    filter::{Mount, Request, not_found, text},
    handler::Handler,
    headers,
    registry::Refused,
    service::Service,
};

/// Attaches the request to its session as the receiver, opening the session if there is none.
pub(crate) async fn receive<H: Handler>(
    mount: &Arc<Mount<H>>,
    request: &Request,
    id: &str,
    transport: Transport,
    kind: ReceiverKind,
    content_type: HeaderValue,
) -> Response {
    let service = &mount.service;
    let response_limit = match transport {
        Transport::XhrPolling | Transport::JsonpPolling => 1,
        _ => service.options.response_limit_bytes,
    };
    let mut response = loop {
        let entry =
            match service.find_or_open(id, transport, request.client, || request.info(mount, transport)) {
                Ok(entry) => entry,
                Err(refused) => return unavailable(service, &refused),
            };
        match entry.session.attach(response_limit).await {
            Ok(receiver) => break body::receiver(Arc::clone(&entry.session), receiver, kind).await,
            Err(AttachError::Occupied) => break body::refusal(&Close::ANOTHER_RECEIVER, &kind),
            // It went between the look-up and now; the next turn makes a new one.
            Err(AttachError::Gone) => service.registry.remove(&entry),
        }
    };
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    headers::unbuffered(response.headers_mut());
    response
}

/// No new sessions now.
pub(crate) fn unavailable<H: Handler>(service: &Service<H>, refused: &Refused) -> Response {
    match refused {
        Refused::Stranger => not_found(),
        Refused::TooFast => {
            if let Some(unlogged) = service.log.due("too_fast") {
                tracing::warn!(
                    per_second_max = service.options.limits.address_sessions_per_second_max,
                    unlogged,
                    "new sessions of one address are refused: raise the limit for each second if it is a proxy's"
                );
            }
            let mut response = text(StatusCode::TOO_MANY_REQUESTS, "Too many new sessions.\n");
            // The next try costs the client a connection.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
        Refused::Closing(_) => {
            let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "The service is closing.\n");
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            response
        }
        Refused::Full => {
            if let Some(unlogged) = service.log.due("full") {
                tracing::warn!(
                    sessions_max = service.options.limits.sessions_max,
                    unlogged,
                    "new sessions are refused: raise the limit of sessions, or find out who opens so many"
                );
            }
            text(StatusCode::SERVICE_UNAVAILABLE, "Too many sessions.\n")
        }
    }
}
