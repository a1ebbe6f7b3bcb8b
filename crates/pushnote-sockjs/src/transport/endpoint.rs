//! What there is to know of a transport, and of each of its URLs.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method};
use pushnote_sockjs_proto::{Close, callback::CallbackError, frame::Framing, route::Route};
use pushnote_websocket::encode::Frames;

use crate::{message::Message, response::Response};

/// A transport.
pub(crate) struct Descriptor {
    /// As sockjs-client and sockjs-node have it.
    pub(crate) name: &'static str,
    /// Whether a browser that uses it says from which page, when that page is another origin's. A frame and a script
    /// element do not.
    pub(crate) tells_origin: bool,
    pub(crate) endpoints: &'static [Endpoint],
}

/// One URL of a transport, or of several.
pub(crate) struct Endpoint {
    pub(crate) path: Path,
    pub(crate) methods: &'static [Method],
    /// Whether pages of other origins may read the answer.
    pub(crate) cors: bool,
    pub(crate) role: Role,
}

/// The last part of a URL.
pub(crate) enum Path {
    /// `BASE/<name>`
    Base(&'static str),
    /// `BASE/<server>/<session>/<name>`
    Session(&'static str),
}

/// What requests to an endpoint do.
pub(crate) enum Role {
    Receive(Receive),
    Send(Send),
    WebSocket(WebSocket),
}

/// To get frames, in the response.
pub(crate) struct Receive {
    pub(crate) content_type: &'static str,
    /// Whether the response ends with its first frame; else with the limit that the service has.
    pub(crate) polls: bool,
    /// Whether browsers are told to believe the content type.
    pub(crate) nosniff: bool,
    /// What is put around the frames of a request with this query.
    pub(crate) wrapping: fn(&str) -> Result<Wrapping, CallbackError>,
}

/// What is put before a response's frames and around each.
#[derive(Debug)]
pub(crate) struct Wrapping {
    pub(crate) prelude: Option<Bytes>,
    pub(crate) framing: Framing,
}

/// To bring messages, in the request.
pub(crate) struct Send {
    /// The JSON array of messages in a request's body.
    pub(crate) messages: for<'a> fn(&HeaderMap, &'a [u8]) -> Cow<'a, str>,
    /// The answer when they are delivered.
    pub(crate) delivered: fn() -> Response,
}

/// Both, over a WebSocket.
#[derive(Debug)]
pub(crate) struct WebSocket {
    /// Whether the client sends arrays of messages; else each WebSocket message is one, binary ones too.
    pub(crate) arrays: bool,
    /// The text of the first message.
    pub(crate) opening: Option<&'static str>,
    /// The text of a message for a client that was sent nothing else for a while.
    pub(crate) heartbeat: Option<&'static str>,
    /// A message as it stands on the wire, with strings for values if the client wants that.
    pub(crate) frames: fn(&Message, strings: bool) -> &Frames,
    pub(crate) ending: fn(&Close) -> Ending,
}

/// How a WebSocket ends that the application closes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The text of a last message.
    pub(crate) last: Option<String>,
    /// What the close frame says.
    pub(crate) close: Close,
}

impl Endpoint {
    pub(crate) fn is_at(&self, route: &Route<'_>) -> bool {
        match (&self.path, route) {
            (Path::Base(name), Route::Base(asked)) => name == asked,
            (Path::Session(name), Route::Session { endpoint, .. }) => name == endpoint,
            _ => false,
        }
    }
}
