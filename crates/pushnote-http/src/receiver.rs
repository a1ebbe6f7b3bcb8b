//! What the hub delivers into: one kind for each way out.

mod encodings;
mod lightpush;
mod sockjs;
mod sse;
mod waiting;

use pushnote_core::{ChannelName, CloseCode, Cursor};
use pushnote_hub::{Batch, Delivery, Place, Receiver};

use crate::notice::Notice;
pub(crate) use encodings::Encodings;
pub(crate) use lightpush::LightpushReceiver;
pub(crate) use sockjs::SockJsReceiver;
pub(crate) use sse::{Sink, SseReceiver};
pub(crate) use waiting::WaitingReceiver;

/// One attached client, whichever way it is served.
pub(crate) enum AnyReceiver {
    SockJs(SockJsReceiver),
    Lightpush(LightpushReceiver),
    Sse(SseReceiver),
    Waiting(WaitingReceiver),
}

impl Receiver for AnyReceiver {
    type Encodings = Encodings;
    type Notice = Notice;

    fn deliver(&self, batch: &Batch<Encodings>) -> Delivery {
        match self {
            Self::SockJs(receiver) => receiver.deliver(batch),
            Self::Lightpush(receiver) => receiver.deliver(batch),
            Self::Sse(receiver) => receiver.deliver(batch),
            Self::Waiting(receiver) => receiver.wake(),
        }
    }

    fn tell(&self, notice: &Notice, place: &Place) -> Delivery {
        match self {
            Self::SockJs(receiver) => receiver.tell(notice, place),
            Self::Lightpush(receiver) => receiver.tell(place),
            Self::Sse(receiver) => receiver.tell(notice, place),
            Self::Waiting(receiver) => receiver.wake(),
        }
    }

    fn place(&self, cursor: &Cursor) {
        match self {
            Self::SockJs(receiver) => receiver.place(cursor),
            Self::Sse(receiver) => receiver.place(cursor),
            // They know no places, or find their own.
            Self::Lightpush(_) | Self::Waiting(_) => {}
        }
    }

    fn gap(&self, channel: Option<&ChannelName>, cursor: &Cursor) -> Option<Delivery> {
        match self {
            Self::SockJs(receiver) => receiver.gap(channel, cursor),
            // It knows no such thing, and is closed.
            Self::Lightpush(_) => None,
            Self::Sse(receiver) => Some(receiver.gap(channel, cursor)),
            Self::Waiting(receiver) => Some(receiver.wake()),
        }
    }

    fn close(&self, code: CloseCode) {
        match self {
            Self::SockJs(receiver) => receiver.close(code),
            Self::Lightpush(receiver) => receiver.close(code),
            Self::Sse(receiver) => receiver.close(code),
            Self::Waiting(receiver) => receiver.close(),
        }
    }

    fn abort(&self, code: CloseCode) {
        match self {
            Self::SockJs(receiver) => receiver.abort(code),
            Self::Lightpush(receiver) => receiver.abort(code),
            Self::Sse(receiver) => receiver.abort(code),
            Self::Waiting(receiver) => receiver.close(),
        }
    }
}
