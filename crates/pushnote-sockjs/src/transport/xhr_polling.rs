//! xhr-polling: an XMLHttpRequest for each frame.

use http::Method;
use pushnote_sockjs_proto::frame::Framing;

use super::{
    endpoint::{Descriptor, Endpoint, Path, Receive, Role, Wrapping},
    xhr_send::XHR_SEND,
};
use crate::response::JAVASCRIPT;

pub(super) static XHR_POLLING: Descriptor = Descriptor {
    name: "xhr-polling",
    tells_origin: true,
    endpoints: &[
        Endpoint {
            path: Path::Session("xhr"),
            methods: &[Method::OPTIONS, Method::POST],
            cors: true,
            role: Role::Receive(Receive {
                content_type: JAVASCRIPT,
                polls: true,
                nosniff: false,
                wrapping: |_| Ok(Wrapping { prelude: None, framing: Framing::Xhr }),
            }),
        },
        XHR_SEND,
    ],
};
