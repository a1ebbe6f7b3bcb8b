//! A question, and its answer.

use crate::batch::{MultipartError, Sender};
use crate::outbox::Outbox;
use bytes::{Bytes, BytesMut};
use pushnote_zmtp_proto::curve::PublicKey;
use pushnote_zmtp_proto::frame::put_frame;
use std::sync::Arc;

/// A question of one peer.
#[derive(Debug)]
pub struct Request {
    /// The frames in front, up to the empty one, which the answer repeats (RFC 28 §"envelopes").
    pub(super) envelope: Bytes,
    pub(super) body: Result<Bytes, MultipartError>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) sender: Sender,
}

impl Request {
    /// Who asks, as [`Message::sender`](crate::Message::sender).
    pub fn sender(&self) -> Option<&Arc<PublicKey>> {
        self.sender.as_ref()
    }

    /// What is asked: one frame.
    ///
    /// # Errors
    /// [`MultipartError`] when it has several.
    pub fn body(&self) -> Result<&Bytes, MultipartError> {
        self.body.as_ref().map_err(Clone::clone)
    }

    /// Lets go of what was asked, which keeps memory alive: the answer may be long in coming.
    pub fn forget_body(&mut self) {
        self.body = Ok(Bytes::new());
    }

    /// Answers. A peer that is gone, or does not read its answers, does not get it.
    pub fn answer(self, body: &[u8]) {
        let mut frames = BytesMut::from(&self.envelope[..]);
        put_frame(&mut frames, 0, body);
        let retained = frames.len();
        self.outbox.push(&[frames.freeze()], retained);
    }
}
