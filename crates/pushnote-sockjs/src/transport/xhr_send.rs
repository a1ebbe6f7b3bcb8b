//! xhr_send: messages of those whose transport only receives.

use http::{HeaderValue, Method, StatusCode, header};

use super::endpoint::{Endpoint, Path, Role, Send};
use crate::response::{self, PLAIN, Response};

pub(super) const XHR_SEND: Endpoint = Endpoint {
    path: Path::Session("xhr_send"),
    methods: &[Method::OPTIONS, Method::POST],
    cors: true,
    role: Role::Send(Send { messages: |_, body| String::from_utf8_lossy(body), delivered }),
};

/// 204, with a content type all the same: some browsers take an answer without one for broken XML.
fn delivered() -> Response {
    let mut response = response::empty(StatusCode::NO_CONTENT);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PLAIN));
    response
}
