//! Runs of whole messages and single messages: slices of what was read, never copies.

use bytes::{Bytes, BytesMut};
use pushnote_zmtp_proto::curve::PublicKey;
use pushnote_zmtp_proto::frame::{Parts, Span, Spans, head_bytes, put_frame, put_head};
use pushnote_zmtp_proto::position::Position;
use std::sync::Arc;
use thiserror::Error;

/// A run of whole messages of one publisher, framed as ZMTP 2.0 and 3.x have it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Bytes,
    messages: usize,
    /// Bytes of memory that stay alive with `bytes`.
    retained: usize,
    sender: Sender,
    /// That of the first message.
    place: Option<Place>,
}

/// Where a message is in the stream of its publisher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) position: Position,
    /// What is before this number, the publisher had before it was asked for it.
    pub(crate) live: u64,
}

/// The key of a client that sent something over CURVE.
pub(crate) type Sender = Option<Arc<PublicKey>>;

impl Batch {
    pub(crate) fn new(bytes: Bytes, messages: usize, retained: usize) -> Self {
        Batch { bytes, messages, retained, sender: None, place: None }
    }

    /// The same, sent by the holder of this key.
    pub(crate) fn of(self, sender: &Sender) -> Self {
        Batch { sender: sender.clone(), ..self }
    }

    /// The same, with the place of its first message.
    pub(crate) fn at(self, place: Option<Place>) -> Self {
        Batch { place, ..self }
    }

    /// One message of one frame.
    pub fn single(payload: &[u8]) -> Self {
        let mut frame = BytesMut::with_capacity(head_bytes(payload.len()) + payload.len());
        put_frame(&mut frame, 0, payload);
        let retained = frame.len();
        Batch::new(frame.freeze(), 1, retained)
    }

    /// One message of one frame that was written behind [`HEAD_BYTES_MAX`](Batch::HEAD_BYTES_MAX) bytes of anything, in
    /// whose place its head comes: nothing is copied.
    ///
    /// # Panics
    /// When it is shorter than that.
    pub fn written_behind_room(mut buffer: Vec<u8>) -> Self {
        let payload_bytes = buffer.len() - Self::HEAD_BYTES_MAX;
        let mut head = BytesMut::with_capacity(Self::HEAD_BYTES_MAX);
        put_head(&mut head, 0, payload_bytes);
        let start = Self::HEAD_BYTES_MAX - head.len();
        buffer[start..Self::HEAD_BYTES_MAX].copy_from_slice(&head);
        let buffer = Bytes::from(buffer.into_boxed_slice());
        let retained = buffer.len();
        Batch::new(buffer.slice(start..), 1, retained)
    }

    /// The longest head of a frame.
    pub const HEAD_BYTES_MAX: usize = 9;

    /// Messages in it.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// The frames.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Bytes of memory which this batch keeps alive: the chunk it was read into, not only its own slice.
    pub fn retained_bytes(&self) -> usize {
        self.retained
    }

    /// Only the messages whose topic is wanted: the same batch when all are.
    pub(crate) fn keep(self, wanted: impl Fn(&[u8]) -> bool) -> Self {
        let topic = |span: &Span| wanted(&self.bytes[span.topic_start..span.topic_end]);
        let kept: Vec<Span> = self.spans().filter(topic).collect();
        if kept.len() == self.messages {
            return self;
        }
        let mut bytes = BytesMut::new();
        kept.iter().for_each(|span| bytes.extend_from_slice(&self.bytes[span.start..span.end]));
        let retained = bytes.len();
        Batch::new(bytes.freeze(), kept.len(), retained).of(&self.sender)
    }

    /// The same without its first `messages`.
    pub(crate) fn skip(&self, messages: usize) -> Self {
        let Some(last) = messages.checked_sub(1).and_then(|last| self.spans().nth(last)) else {
            return self.clone();
        };
        let bytes = self.bytes.slice(last.end..);
        Batch::new(bytes, self.messages - messages, self.retained).of(&self.sender)
    }

    /// Where each message lies.
    pub fn spans(&self) -> Spans<'_> {
        Spans::new(&self.bytes)
    }
}

/// A batch that is taken apart message by message.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    batch: Batch,
    at: usize,
    /// Messages before that.
    taken: u64,
}

impl From<Batch> for Unread {
    fn from(batch: Batch) -> Self {
        Unread { batch, at: 0, taken: 0 }
    }
}

impl Iterator for Unread {
    type Item = Multipart;

    fn next(&mut self) -> Option<Multipart> {
        let span = Spans::starting_at(&self.batch.bytes, self.at).next();
        let Some(span) = span else {
            *self = Unread::default();
            return None;
        };
        self.at = span.end;
        let topic = span.topic_start - span.start..span.topic_end - span.start;
        let (bytes, sender) = (self.batch.bytes.slice(span.start..span.end), self.batch.sender.clone());
        let place = self.batch.place.map(|Place { position: Position { epoch, sequence }, live }| {
            let sequence = sequence.wrapping_add(self.taken); // it began where the peer said
            Place { position: Position { epoch, sequence }, live }
        });
        self.taken += 1;
        Some(Multipart { bytes, topic, sender, place })
    }
}

/// One message: one frame, or several.
///
/// It is a slice of the chunk it was read into and keeps that chunk alive: copy what you keep for long.
#[derive(Clone, Debug)]
pub struct Multipart {
    bytes: Bytes,
    topic: std::ops::Range<usize>,
    sender: Sender,
    place: Option<Place>,
}

/// A message of several frames where one is wanted.
#[derive(Clone, Debug, Error)]
#[error("message of {parts} frames, one is wanted")]
pub struct MultipartError {
    /// Frames it has.
    pub parts: usize,
}

impl Multipart {
    /// The payload of a message of one frame.
    ///
    /// # Errors
    /// [`MultipartError`] when it has several.
    pub fn into_single(self) -> Result<Bytes, MultipartError> {
        if self.topic.end == self.bytes.len() {
            return Ok(self.bytes.slice(self.topic));
        }
        Err(MultipartError { parts: self.parts().count() })
    }

    /// The long-term key of who sent it: a client that connected to this socket with CURVE, and nobody else has it.
    /// `None` for all others, as for who was connected *to*: it passes on what others have sent.
    pub fn sender(&self) -> Option<&Arc<PublicKey>> {
        self.sender.as_ref()
    }

    /// Its place in the stream of the publisher that was connected to, if that numbers what it sends.
    pub fn position(&self) -> Option<Position> {
        self.place.map(|place| place.position)
    }

    /// Whether the publisher had it before it was asked for it: see [`Options::history`](crate::Options::history).
    pub fn is_old(&self) -> bool {
        self.place.is_some_and(|place| place.position.sequence < place.live)
    }

    /// The frames' bodies, as slices.
    pub fn parts(&self) -> impl Iterator<Item = Bytes> + use<> {
        Parts::new(self.bytes.clone())
    }

    /// The first frame's body, which subscriptions are compared with.
    pub fn topic(&self) -> &[u8] {
        &self.bytes[self.topic.clone()]
    }
}
