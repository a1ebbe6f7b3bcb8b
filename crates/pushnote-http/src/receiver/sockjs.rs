//! A SockJS session, on any transport.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use pushnote_core::{ChannelName, CloseCode, Cursor};
use pushnote_hub::{Batch, Delivery, Place};
use pushnote_sockjs::{Message, SendError, Session};

use super::encodings::Encodings;
use crate::framing;
use crate::notice::Notice;

/// A SockJS session (on any transport) as a receiver of publications.
pub(crate) struct SockJsReceiver {
    session: Session,
    /// It has been welcomed: it speaks the client protocol.
    framed: AtomicBool,
}

impl SockJsReceiver {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, framed: AtomicBool::new(false) }
    }

    fn send(&self, message: &Message) -> Delivery {
        match self.session.send(message) {
            Ok(()) => Delivery::Accepted,
            Err(SendError::Full) => Delivery::Full,
            // Publications are text: the last case is of no message.
            Err(SendError::Closed | SendError::BinaryUnsupported) => Delivery::Closed,
        }
    }

    pub(super) fn deliver(&self, batch: &Batch<Encodings>) -> Delivery {
        let Encodings { values, framed, .. } = batch.encodings();
        if self.framed.load(Relaxed) {
            return self.send(framed.get_or_init(|| Message::batch(framing::elements(batch))));
        }
        // What is no message, such pages know nothing of.
        if batch.payloads().next().is_none() {
            return Delivery::Accepted;
        }
        self.send(values.get_or_init(|| Message::batch(batch.payloads().cloned())))
    }

    pub(super) fn tell(&self, notice: &Notice, place: &Place) -> Delivery {
        let told = self.send(&Message::json(notice.encode(place).into()));
        if told == Delivery::Accepted && matches!(notice, Notice::Welcome { .. }) {
            self.framed.store(true, Relaxed);
        }
        told
    }

    pub(super) fn place(&self, cursor: &Cursor) {
        if self.framed.load(Relaxed) {
            self.send(&Message::json(framing::place(cursor).into()));
        }
    }

    pub(super) fn gap(&self, channel: Option<&ChannelName>, cursor: &Cursor) -> Option<Delivery> {
        self.framed.load(Relaxed).then(|| self.send(&Message::json(framing::gap(channel, cursor).into())))
    }

    pub(super) fn close(&self, code: CloseCode) {
        self.session.close(code.code(), code.reason());
    }

    pub(super) fn abort(&self, code: CloseCode) {
        self.session.abort(code.code(), code.reason());
    }
}
