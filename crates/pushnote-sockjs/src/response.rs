//! Answers, and what their bodies are.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderValue, Method, StatusCode, header};
use http_body::{Frame, SizeHint};

pub(crate) const JAVASCRIPT: &str = "application/javascript; charset=UTF-8";
pub(crate) const HTML: &str = "text/html; charset=UTF-8";
pub(crate) const PLAIN: &str = "text/plain; charset=UTF-8";

/// An answer.
pub(crate) type Response = http::Response<Body>;

/// The body of an answer. To drop it unread is to say that the client has gone.
pub struct Body(Content);

/// What a body holds.
pub(crate) enum Content {
    /// All that there is; `None` once it has been read.
    Whole(Option<Bytes>),
    /// What comes, each item a chunk of its own.
    Chunks(Pin<Box<dyn Stream<Item = Bytes> + Send + Sync>>),
}

impl Body {
    pub(crate) fn chunks(chunks: impl Stream<Item = Bytes> + Send + Sync + 'static) -> Self {
        Self(Content::Chunks(Box::pin(chunks)))
    }

    #[cfg(feature = "warp")]
    pub(crate) fn into_content(self) -> Content {
        self.0
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(whole: T) -> Self {
        Self(Content::Whole(Some(whole.into()).filter(|whole| !whole.is_empty())))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.0 {
            Content::Whole(whole) => Poll::Ready(whole.take()),
            Content::Chunks(chunks) => chunks.as_mut().poll_next(cx),
        };
        next.map(|next| next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Content::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Whole(whole) => SizeHint::with_exact(whole.as_ref().map_or(0, Bytes::len) as u64),
            Content::Chunks(_) => SizeHint::default(),
        }
    }
}

pub(crate) fn ok(body: impl Into<Body>, content_type: &'static str) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body(Content::Whole(None)));
    *response.status_mut() = status;
    response
}

pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut response = ok(text.into(), PLAIN);
    *response.status_mut() = status;
    response
}

/// After which the connection ends, too.
pub(crate) fn last_text(status: StatusCode, last: impl Into<String>) -> Response {
    let mut response = text(status, last);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(crate) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 Error: Page not found\n")
}

pub(crate) fn forbidden() -> Response {
    text(StatusCode::FORBIDDEN, "This origin may not use the service.\n")
}

/// Without a body or content type, as the protocol wants it.
pub(crate) fn method_not_allowed(allowed: &[Method]) -> Response {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, list(allowed));
    response
}

/// Methods as a header has them.
pub(crate) fn list(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}
