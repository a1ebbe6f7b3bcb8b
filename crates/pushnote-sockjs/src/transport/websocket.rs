//! websocket: a WebSocket with SockJS's framing.

use http::Method;
use pushnote_sockjs_proto::{Close, frame};

use super::endpoint::{Descriptor, Ending, Endpoint, Path, Role, WebSocket};

pub(super) static WEBSOCKET: Descriptor = Descriptor {
    name: "websocket",
    tells_origin: true,
    endpoints: &[Endpoint {
        path: Path::Session("websocket"),
        methods: &[Method::GET],
        cors: false,
        role: Role::WebSocket(WebSocket {
            arrays: true,
            opening: Some(frame::OPEN),
            // A page sees it, and not the pings beside it.
            heartbeat: Some(frame::HEARTBEAT),
            frames: |message, strings| if strings { message.strings() } else { message }.websocket(),
            ending,
        }),
    }],
};

/// The application's close is told in SockJS's own close frame, and then the WebSocket ends normally.
fn ending(close: &Close) -> Ending {
    let last = String::from_utf8_lossy(&frame::close(close)).into_owned();
    Ending { last: Some(last), close: Close::NORMAL }
}
