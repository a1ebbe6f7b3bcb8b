//! What publications are made into, once for all who need it.

use std::sync::OnceLock;

use pushnote_net::http::Chunk;
use pushnote_sockjs::Message;
use pushnote_websocket::encode::Frames;

/// A publication's or batch's encodings, made by the first receiver that needs them and shared by all others.
#[derive(Debug, Default)]
pub(crate) struct Encodings {
    /// The values. Holds in turn one encoding per transport.
    pub(super) values: OnceLock<Message>,
    /// What the client protocol makes of them, in the same way.
    pub(super) framed: OnceLock<Message>,
    /// Their texts, in frames of a WebSocket; `None` if there is no message.
    pub(super) texts: OnceLock<Option<Frames>>,
    /// Server-sent events.
    pub(super) events: OnceLock<Chunk>,
    /// The same with what the client protocol says of messages.
    pub(super) message_events: OnceLock<Chunk>,
    /// The same with the texts of messages.
    pub(super) text_events: OnceLock<Chunk>,
}
