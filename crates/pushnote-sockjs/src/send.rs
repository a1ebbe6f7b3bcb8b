//! What all requests with messages have in common.

use std::pin::Pin;

use bytes::Buf;
use http::StatusCode;
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use pushnote_sockjs_proto::input::{InputError, Messages};
use thiserror::Error;

use crate::{
    handler::Handler,
    options::Limits,
    request::Request,
    response::{Response, last_text, text},
    site::Site,
    transport::endpoint::Send,
};

/// Room for most bodies, taken before any of it has come.
const FIRST_BYTES: usize = 1024;

/// Why messages were not delivered.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum SendRefused {
    #[error("Payload too large.")]
    TooLarge,
    #[error("Incomplete body.")]
    Incomplete,
    #[error("The body took too long.")]
    TooSlow,
    #[error("{0}")]
    Input(#[from] InputError),
    #[error("404 Error: Page not found")]
    UnknownSession,
    #[error("Too many messages for sessions that are not there.")]
    TooFast,
}

impl SendRefused {
    /// The protocol wants 500 for what a client did wrong.
    pub(crate) fn response(self) -> Response {
        let status = match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Incomplete => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Input(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UnknownSession => StatusCode::NOT_FOUND,
            Self::TooFast => StatusCode::TOO_MANY_REQUESTS,
        };
        match self {
            // Nobody waits for the rest, or for the next guess.
            Self::TooLarge | Self::TooSlow | Self::TooFast => last_text(status, self.to_string()),
            _ => text(status, self.to_string()),
        }
    }
}

/// Answers a request with messages.
pub(crate) async fn answer<H: Handler, B: HttpBody>(
    site: &Site<H>,
    request: &Request,
    id: &str,
    how: &'static Send,
    body: Pin<&mut B>,
) -> Response {
    let delivered = match collect(request, body, &site.service.options.limits).await {
        Ok(body) => deliver(site, request, id, &(how.messages)(&request.headers, &body)),
        Err(refused) => Err(refused),
    };
    match delivered {
        Ok(()) => (how.delivered)(),
        Err(refused) => refused.response(),
    }
}

/// The request's body, within the limits.
pub(crate) async fn collect<B: HttpBody>(
    request: &Request,
    body: Pin<&mut B>,
    limits: &Limits,
) -> Result<Vec<u8>, SendRefused> {
    let (announced, bytes_max) = (request.announced_bytes(), limits.request_body_bytes_max);
    tokio::time::timeout(limits.request_body_timeout, collect_all(announced, body, bytes_max))
        .await
        .unwrap_or(Err(SendRefused::TooSlow))
}

async fn collect_all<B: HttpBody>(
    announced: usize,
    mut body: Pin<&mut B>,
    bytes_max: usize,
) -> Result<Vec<u8>, SendRefused> {
    if announced > bytes_max {
        return Err(SendRefused::TooLarge);
    }
    // What is announced may never come.
    let mut collected = Vec::with_capacity(announced.min(FIRST_BYTES));
    while let Some(frame) = body.frame().await {
        let Ok(mut chunk) = frame.map_err(|_| SendRefused::Incomplete)?.into_data() else { continue };
        if chunk.remaining() > bytes_max - collected.len() {
            return Err(SendRefused::TooLarge);
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            collected.extend_from_slice(part);
            let length = part.len();
            chunk.advance(length);
        }
    }
    Ok(collected)
}

/// Delivers an array of messages to a session.
fn deliver<H: Handler>(site: &Site<H>, request: &Request, id: &str, body: &str) -> Result<(), SendRefused> {
    let messages = Messages::from_body(body)?;
    let Some(entry) = site.service.find(id, request.client) else {
        if let Some(unlogged) = site.service.log.due("unknown_session") {
            tracing::warn!(
                prefix = site.prefix,
                unlogged,
                "messages came for a session that is unknown here: it timed out, or, if this goes on, a load balancer \
                 sends the requests of one client to several servers (see the jsessionid option; --cookie-needed of \
                 pushnote-server)"
            );
        }
        if site.service.registry.may_miss(request.client) {
            return Err(SendRefused::UnknownSession);
        }
        if let Some(unlogged) = site.service.log.due("guesses") {
            tracing::warn!(
                per_second_max = site.service.options.limits.address_misses_per_second_max,
                unlogged,
                "one address sends too many messages for sessions that are not there; are they guesses?"
            );
        }
        return Err(SendRefused::TooFast);
    };
    entry.deliver(&messages);
    Ok(())
}
