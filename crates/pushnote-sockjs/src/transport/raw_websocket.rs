//! websocket-raw: a WebSocket as such, for clients without SockJS.

use http::Method;
use pushnote_sockjs_proto::Close;
use pushnote_websocket::close_code;

use super::endpoint::{Descriptor, Ending, Endpoint, Path, Role, WebSocket};

pub(super) static RAW_WEBSOCKET: Descriptor = Descriptor {
    name: "websocket-raw",
    tells_origin: true,
    endpoints: &[Endpoint {
        path: Path::Base("websocket"),
        methods: &[Method::GET],
        cors: false,
        role: Role::WebSocket(WebSocket {
            arrays: false,
            opening: None,
            heartbeat: None,
            // Texts are strings already.
            frames: |message, _| message.raw_websocket(),
            ending,
        }),
    }],
};

/// The application's close is the WebSocket's, if its code may stand there (RFC 6455 §7.4).
fn ending(close: &Close) -> Ending {
    let code = if close_code::may_be_sent(close.code) { close.code } else { Close::NORMAL.code };
    Ending { last: None, close: Close { code, ..close.clone() } }
}
