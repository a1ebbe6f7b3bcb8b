//! What the hub delivers into: a SockJS session.

use std::sync::OnceLock;

use pushnote_core::CloseCode;
use pushnote_hub::{Batch, Delivery, Receiver};
use pushnote_sockjs::{Message, SendError, Session};

/// A SockJS session (on any transport) as a receiver of publications.
pub(crate) struct SockJsReceiver(pub(crate) Session);

/// A publication's or batch's encodings, made by the first receiver that needs them and shared by all others.
#[derive(Debug, Default)]
pub(crate) struct Encodings {
    // Holds in turn one encoding per transport.
    sockjs: OnceLock<Message>,
}

impl Receiver for SockJsReceiver {
    type Encodings = Encodings;

    fn deliver(&self, batch: &Batch<Encodings>) -> Delivery {
        let message = batch.encodings().sockjs.get_or_init(|| Message::batch(batch.payloads().cloned()));
        match self.0.send(message) {
            Ok(()) => Delivery::Accepted,
            Err(SendError::Full) => Delivery::Full,
            // Publications are text: the last case is of no message.
            Err(SendError::Closed | SendError::BinaryUnsupported) => Delivery::Closed,
        }
    }

    fn close(&self, code: CloseCode) {
        self.0.close(code.code(), code.reason());
    }

    fn abort(&self, code: CloseCode) {
        self.0.abort(code.code(), code.reason());
    }
}
