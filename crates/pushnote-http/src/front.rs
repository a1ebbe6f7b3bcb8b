//! Ways in and out over HTTP beside SockJS: each takes the paths that are its own.

pub(crate) mod cors;
pub(crate) mod durable_streams;
pub(crate) mod elsewhere;
pub(crate) mod fallback;
pub(crate) mod lightpush;
pub(crate) mod paths;
pub(crate) mod push;
pub(crate) mod relay;
pub(crate) mod sse;
mod timed;
mod upstream;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::task::JoinError;
use tokio::time::timeout;

/// What a front answers with: at once, or as a stream.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// An answer that is on its way.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// One way in or out. The client's address ([`Peer`](pushnote_net::Peer)) is among the request's extensions.
pub(crate) trait Front: Send + Sync + 'static {
    /// Whether a request for this path is its own.
    fn takes(&self, path: &str) -> bool;

    /// Answers one.
    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering;
}

/// A whole body.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Why a request's body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body has more than the {0} bytes that are allowed")]
    TooLong(usize),
    #[error("the body did not come within {0} seconds")]
    TooSlow(u64),
    #[error("the body ended too early")]
    Cut,
}

impl BodyError {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Cut => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a request's body, of up to so many bytes, within so many seconds.
///
/// # Errors
///
/// [`BodyError`]: it is longer, or takes longer, or has no end.
pub(crate) async fn read(body: Incoming, bytes_max: usize, within_s: u64) -> Result<Bytes, BodyError> {
    let whole = timeout(Duration::from_secs(within_s), Limited::new(body, bytes_max).collect()).await;
    match whole {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLong(bytes_max)),
        Ok(Err(_)) => Err(BodyError::Cut),
        Err(_) => Err(BodyError::TooSlow(within_s)),
    }
}

/// Runs to its end, also if whoever asked for that is gone: as far as it comes without waiting here, and then as a task.
///
/// # Errors
///
/// It has panicked there.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, JoinError> {
    let mut work = Box::pin(work);
    match poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => tokio::spawn(work).await,
    }
}

/// The token or key behind `Bearer`, of an `Authorization`.
pub(crate) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// An answer in words, with a line's end.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(whole(format!("{text}\n")));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
