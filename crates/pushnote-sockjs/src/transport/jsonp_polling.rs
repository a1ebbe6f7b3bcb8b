//! jsonp-polling: a script element for each frame, a form for each message.

use std::borrow::Cow;

use http::{HeaderMap, Method, StatusCode, header};
use pushnote_sockjs_proto::{callback::Callback, frame::Framing, input};

use super::endpoint::{Descriptor, Endpoint, Path, Receive, Role, Send, Wrapping};
use crate::response::{self, JAVASCRIPT};

/// As sockjs-node has it. Real ones have some ten bytes.
const CALLBACK_BYTES_MAX: usize = 32;

pub(super) static JSONP_POLLING: Descriptor = Descriptor {
    name: "jsonp-polling",
    tells_origin: false,
    endpoints: &[
        Endpoint {
            path: Path::Session("jsonp"),
            methods: &[Method::GET],
            cors: false,
            role: Role::Receive(Receive {
                content_type: JAVASCRIPT,
                polls: true,
                nosniff: true,
                wrapping: |query| {
                    let callback = Callback::from_query(query, CALLBACK_BYTES_MAX)?;
                    Ok(Wrapping { prelude: None, framing: Framing::Jsonp(callback) })
                },
            }),
        },
        Endpoint {
            path: Path::Session("jsonp_send"),
            methods: &[Method::POST],
            cors: false,
            role: Role::Send(Send {
                messages,
                // With a body, because a browser of old did strange things on 204.
                delivered: || response::text(StatusCode::OK, "ok"),
            }),
        },
    ],
};

fn messages<'a>(request: &HeaderMap, body: &'a [u8]) -> Cow<'a, str> {
    let content_type = request.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_type {
        Some(content_type) if input::is_form(content_type) => input::form_field(body),
        _ => String::from_utf8_lossy(body),
    }
}
