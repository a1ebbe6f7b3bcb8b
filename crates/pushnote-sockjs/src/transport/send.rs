//! What both sending requests have in common.

use std::pin::pin;

use bytes::Buf;
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pushnote_sockjs_proto::input::{InputError, Messages};
use thiserror::Error;
use warp::reply::Response;

use crate::{
    builder::Limits,
    filter::{Mount, Request, text},
    handler::Handler,
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
        let mut response = text(status, self.to_string());
        if matches!(self, Self::TooLarge | Self::TooSlow | Self::TooFast) {
            // Nobody waits for the rest, or for the next guess.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// The request's body, within the limits.
pub(crate) async fn collect<S, B>(
    headers: &HeaderMap,
    body: S,
    limits: &Limits,
) -> Result<Vec<u8>, SendRefused>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    tokio::time::timeout(
        limits.request_body_timeout,
        collect_all(headers, body, limits.request_body_bytes_max),
    )
    .await
    .unwrap_or(Err(SendRefused::TooSlow))
}

async fn collect_all<S, B>(headers: &HeaderMap, body: S, bytes_max: usize) -> Result<Vec<u8>, SendRefused>
where
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let announced = announced.unwrap_or(0);
    if announced > bytes_max {
        return Err(SendRefused::TooLarge);
    }
    let mut body = pin!(body);
    // What is announced may never come.
    let mut collected = Vec::with_capacity(announced.min(FIRST_BYTES));
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| SendRefused::Incomplete)?;
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
pub(crate) fn deliver<H: Handler>(
    mount: &Mount<H>,
    request: &Request,
    id: &str,
    body: &str,
) -> Result<(), SendRefused> {
    let messages = Messages::from_body(body)?;
    let Some(entry) = mount.service.find(id, request.client) else {
        if let Some(unlogged) = mount.service.log.due("unknown_session") {
            tracing::warn!(
                prefix = mount.prefix,
                unlogged,
                "messages came for a session that is unknown here: it timed out, or, if this goes on, a load balancer \
                 sends the requests of one client to several servers (see the jsessionid option; --cookie-needed of \
                 pushnote-server)"
            );
        }
        if mount.service.registry.may_miss(request.client) {
            return Err(SendRefused::UnknownSession);
        }
        if let Some(unlogged) = mount.service.log.due("guesses") {
            tracing::warn!(
                per_second_max = mount.service.options.limits.address_misses_per_second_max,
                unlogged,
                "one address sends too many messages for sessions that are not there; are they guesses?"
            );
        }
        return Err(SendRefused::TooFast);
    };
    entry.deliver(&messages);
    Ok(())
}
