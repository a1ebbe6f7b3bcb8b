//! Messages to bytes.
//!
//! [`Frames`] are a server's (not masked), made here alone. [`FramesMut`] gathers several, so that they share one buffer
//! and one system call. [`Frame`] is the general form: fragments, and a client's masked frames.

use std::borrow::Borrow;
use std::ops::Deref;

use bytes::{Bytes, BytesMut};

use super::mask;
use super::opcode::CONTROL_BYTES_MAX;
pub use super::opcode::Opcode;
use crate::close_code;

/// Whole frames of a server in one buffer, ready for the wire. A clone is another share of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames(Bytes);

impl Frames {
    /// A ping without payload.
    pub(crate) const PING: Self = Self(Bytes::from_static(&[0x89, 0]));

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// For those who write bytes, whatever is in them.
impl Borrow<Bytes> for Frames {
    fn borrow(&self) -> &Bytes {
        &self.0
    }
}

impl Deref for Frames {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Puts frames one behind the other.
#[derive(Debug, Default)]
pub struct FramesMut(BytesMut);

impl FramesMut {
    /// Room for so much, with the headers (see [`header_len`]).
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(BytesMut::with_capacity(bytes))
    }

    /// Adds a text message.
    pub fn text(&mut self, payload: &str) {
        Frame::new(Opcode::Text, payload.as_bytes()).append(&mut self.0);
    }

    /// Adds a pong. A payload over 125 bytes is cut: no control frame carries more (RFC 6455, 5.5).
    pub fn pong(&mut self, payload: &[u8]) {
        let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
        Frame::new(Opcode::Pong, payload).append(&mut self.0);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    #[must_use]
    pub fn freeze(self) -> Frames {
        Frames(self.0.freeze())
    }
}

/// A text message.
#[must_use]
pub fn text(payload: &str) -> Frames {
    one(Opcode::Text, &[payload.as_bytes()])
}

/// A text message whose payload is put together here. Nothing checks that it is UTF-8.
#[must_use]
pub fn text_of(parts: &[&[u8]]) -> Frames {
    one(Opcode::Text, parts)
}

/// A binary message.
#[must_use]
pub fn binary(payload: &[u8]) -> Frames {
    one(Opcode::Binary, &[payload])
}

/// A close frame. A reason over 123 bytes is cut at a character; [`close_code::NO_STATUS`] gives an empty frame.
#[must_use]
pub fn close(code: u16, reason: &str) -> Frames {
    if code == close_code::NO_STATUS {
        return one(Opcode::Close, &[]);
    }
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    one(Opcode::Close, &[&code.to_be_bytes(), &reason.as_bytes()[..end]])
}

fn one(opcode: Opcode, parts: &[&[u8]]) -> Frames {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut out = BytesMut::with_capacity(header_len(length) + length);
    append_head(&mut out, true, opcode, false, length);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    Frames(out.freeze())
}

/// One frame as it goes on the wire. Nothing is checked: it can make fragments, and wrong frames for tests.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The payload, not masked.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A whole message, or a control frame.
    #[must_use]
    pub fn new(opcode: Opcode, payload: &'a [u8]) -> Self {
        Self { fin: true, opcode, payload }
    }

    /// Appends the frame as a server sends it.
    pub fn append(&self, out: &mut BytesMut) {
        out.reserve(header_len(self.payload.len()) + self.payload.len());
        append_head(out, self.fin, self.opcode, false, self.payload.len());
        out.extend_from_slice(self.payload);
    }

    /// Appends the frame as a client sends it. `mask` should come from a secure random source (RFC 6455, 5.3).
    pub fn append_masked(&self, out: &mut BytesMut, mask: [u8; 4]) {
        out.reserve(header_len(self.payload.len()) + mask.len() + self.payload.len());
        append_head(out, self.fin, self.opcode, true, self.payload.len());
        out.extend_from_slice(&mask);
        let start = out.len();
        out.extend_from_slice(self.payload);
        mask::apply(&mut out[start..], mask);
    }
}

/// How many bytes the header of a server's frame takes.
#[must_use]
pub fn header_len(payload_len: usize) -> usize {
    match payload_len {
        0..126 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

fn append_head(out: &mut BytesMut, fin: bool, opcode: Opcode, masked: bool, payload_len: usize) {
    let first = u8::from(fin) << 7 | opcode.to_wire();
    let mask_bit = u8::from(masked) << 7;
    match header_len(payload_len) {
        2 => out.extend_from_slice(&[first, mask_bit | payload_len as u8]),
        4 => {
            out.extend_from_slice(&[first, mask_bit | 126]);
            out.extend_from_slice(&(payload_len as u16).to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[first, mask_bit | 127]);
            out.extend_from_slice(&(payload_len as u64).to_be_bytes());
        }
    }
}
