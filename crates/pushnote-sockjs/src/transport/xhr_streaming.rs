//! xhr-streaming: a long response to an XMLHttpRequest, in which frames arrive one by one.

use bytes::Bytes;
use http::Method;
use pushnote_sockjs_proto::frame::{Framing, XHR_STREAMING_PRELUDE};

use super::{
    endpoint::{Descriptor, Endpoint, Path, Receive, Role, Wrapping},
    xhr_send::XHR_SEND,
};
use crate::response::JAVASCRIPT;

pub(super) static XHR_STREAMING: Descriptor = Descriptor {
    name: "xhr-streaming",
    tells_origin: true,
    endpoints: &[
        Endpoint {
            path: Path::Session("xhr_streaming"),
            methods: &[Method::OPTIONS, Method::POST],
            cors: true,
            role: Role::Receive(Receive {
                content_type: JAVASCRIPT,
                polls: false,
                nosniff: false,
                wrapping: |_| {
                    let prelude = Some(Bytes::from_static(XHR_STREAMING_PRELUDE));
                    Ok(Wrapping { prelude, framing: Framing::Xhr })
                },
            }),
        },
        XHR_SEND,
    ],
};
