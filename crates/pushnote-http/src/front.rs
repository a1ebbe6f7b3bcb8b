//! Ways in and out over HTTP beside SockJS: each takes the paths that are its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

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

/// An answer in words, with a line's end.
pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(whole(format!("{text}\n")));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
