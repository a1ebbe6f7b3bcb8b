//! What all requests for frames have in common.

use std::{pin::Pin, sync::Arc};

use http::{HeaderValue, StatusCode, header};
use http_body::Body as HttpBody;
use pushnote_sockjs_proto::{Close, session::AttachError};

use crate::{
    handler::Handler,
    headers,
    receiver::{self, Attached},
    registry::Refused,
    request::Request,
    response::{self, Response, last_text, not_found, text},
    send::collect,
    service::Service,
    site::Site,
    transport::{
        Transport,
        endpoint::{Receive, Wrapping},
    },
};

/// Answers a request for frames.
pub(crate) async fn answer<H: Handler, B: HttpBody>(
    site: &Arc<Site<H>>,
    request: &mut Request,
    id: &str,
    transport: Transport,
    how: &'static Receive,
    body: Pin<&mut B>,
) -> Response {
    // No body is wanted, but behind an unread one the server would not see the client go.
    if let Err(refused) = collect(request, body, &site.service.options.limits).await {
        return refused.response();
    }
    let mut response = match (how.wrapping)(&request.query) {
        Ok(wrapping) => attach(site, request, id, transport, how, wrapping).await,
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    if how.nosniff {
        response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    response
}

/// Attaches the request to its session as the receiver, opening the session if there is none.
async fn attach<H: Handler>(
    site: &Site<H>,
    request: &mut Request,
    id: &str,
    transport: Transport,
    how: &'static Receive,
    wrapping: Wrapping,
) -> Response {
    let service = &site.service;
    let response_limit = if how.polls { 1 } else { service.options.response_limit_bytes };
    // A poll's answer is soon whole, and its connection good for the next.
    let handover = request.handover.take().filter(|_| !how.polls);
    let leaves = handover.is_some();
    let body = loop {
        let opened = service.find_or_open(id, transport, request.client, || site.info(request, transport));
        let entry = match opened {
            Ok(entry) => entry,
            Err(refused) => return unavailable(service, &refused),
        };
        if let Some(frames) = request.frames_received() {
            entry.session.received(frames);
        }
        match entry.session.attach(response_limit).await {
            Ok(id) => {
                let attached = Attached { session: Arc::clone(&entry.session), id };
                break if how.polls {
                    receiver::poll(attached, wrapping).await
                } else {
                    receiver::stream(attached, wrapping, handover, request.guard.take())
                };
            }
            Err(AttachError::Occupied) => break receiver::refusal(&Close::ANOTHER_RECEIVER, wrapping),
            // It went between the look-up and now; the next turn makes a new one.
            Err(AttachError::Gone) => service.registry.remove(&entry),
        }
    };
    let mut response = response::ok(body, how.content_type);
    headers::unbuffered(response.headers_mut());
    if leaves {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
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
            // The next try costs the client a connection.
            last_text(StatusCode::TOO_MANY_REQUESTS, "Too many new sessions.\n")
        }
        Refused::Closing(_) => last_text(StatusCode::SERVICE_UNAVAILABLE, "The service is closing.\n"),
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
