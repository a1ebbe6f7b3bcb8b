//! eventsource: server-sent events.

use bytes::Bytes;
use http::Method;
use pushnote_sockjs_proto::frame::{EVENTSOURCE_PRELUDE, Framing};

use super::{
    endpoint::{Descriptor, Endpoint, Path, Receive, Role, Wrapping},
    xhr_send::XHR_SEND,
};

pub(super) static EVENTSOURCE: Descriptor = Descriptor {
    name: "eventsource",
    tells_origin: true,
    endpoints: &[
        Endpoint {
            path: Path::Session("eventsource"),
            methods: &[Method::GET],
            cors: true,
            role: Role::Receive(Receive {
                content_type: "text/event-stream",
                polls: false,
                nosniff: false,
                wrapping: |_| {
                    let prelude = Some(Bytes::from_static(EVENTSOURCE_PRELUDE));
                    Ok(Wrapping { prelude, framing: Framing::EventSource })
                },
            }),
        },
        XHR_SEND,
    ],
};
