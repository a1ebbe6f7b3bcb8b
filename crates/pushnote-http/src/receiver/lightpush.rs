//! A page of lightpush: a WebSocket that gets each message as the text it is, and nothing else.

use std::sync::Arc;

use pushnote_core::{Body, CloseCode};
use pushnote_hub::{Batch, Delivery, Place, Publication};
use pushnote_websocket::encode::{Frames, FramesMut};
use pushnote_websocket::{Socket, SocketError};

use super::encodings::Encodings;

/// Its socket.
pub(crate) struct LightpushReceiver(pub(crate) Arc<Socket>);

impl LightpushReceiver {
    fn send(&self, frames: &Frames) -> Delivery {
        match self.0.send(frames) {
            Ok(()) => Delivery::Accepted,
            Err(SocketError::Full) => Delivery::Full,
            Err(_) => Delivery::Closed,
        }
    }

    pub(super) fn deliver(&self, batch: &Batch<Encodings>) -> Delivery {
        match batch.encodings().texts.get_or_init(|| texts(batch.publications())) {
            Some(frames) => self.send(frames),
            None => Delivery::Accepted,
        }
    }

    /// It is told nothing, but gets what was published while it connected.
    pub(super) fn tell(&self, place: &Place) -> Delivery {
        match texts(place.publications.iter().map(|publication| &**publication)) {
            Some(frames) => self.send(&frames),
            None => Delivery::Accepted,
        }
    }

    pub(super) fn close(&self, code: CloseCode) {
        self.0.close(code.code(), code.reason());
    }

    pub(super) fn abort(&self, code: CloseCode) {
        self.0.abort(code.code(), code.reason());
    }
}

/// A text frame for each message; `None` if there is none.
fn texts<'a>(publications: impl Iterator<Item = &'a Publication>) -> Option<Frames> {
    let mut frames = FramesMut::with_capacity(256);
    for data in publications.filter_map(Publication::data) {
        // JSON is UTF-8, and so is what its strings hold.
        frames.text(&String::from_utf8_lossy(&Body::text(data)));
    }
    (!frames.is_empty()).then(|| frames.freeze())
}
