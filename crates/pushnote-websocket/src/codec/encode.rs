//! Messages to bytes.
//!
//! The plain functions make a server's frames (not masked). Each has an `append_` form, so that many frames can share
//! one buffer and one system call. [`Frame`] is the general form: fragments, and a client's masked frames.

use bytes::{Bytes, BytesMut};

use super::header::CONTROL_BYTES_MAX;
use super::mask;
use crate::close_code;

/// What a frame carries (RFC 6455, 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation,
    /// A text message, or its first fragment.
    Text,
    /// A binary message, or its first fragment.
    Binary,
    /// Start of, or answer to, the closing handshake.
    Close,
    /// Asks for a pong.
    Ping,
    /// Answers a ping.
    Pong,
}

impl Opcode {
    pub(crate) fn from_wire(nibble: u8) -> Option<Self> {
        match nibble {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    fn to_wire(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    /// Whether frames of this kind may stand between the fragments of a message.
    #[must_use]
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
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

/// Appends the header of a server's frame whose payload of exactly `payload_len` bytes the caller appends next, for
/// payloads that are composed in place.
pub fn append_header(out: &mut BytesMut, opcode: Opcode, payload_len: usize) {
    append_head(out, true, opcode, false, payload_len);
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

/// A text message.
#[must_use]
pub fn text(payload: &str) -> Bytes {
    whole(Opcode::Text, payload.as_bytes())
}

/// Appends a text message.
pub fn append_text(out: &mut BytesMut, payload: &str) {
    Frame::new(Opcode::Text, payload.as_bytes()).append(out);
}

/// A binary message.
#[must_use]
pub fn binary(payload: &[u8]) -> Bytes {
    whole(Opcode::Binary, payload)
}

/// Appends a binary message.
pub fn append_binary(out: &mut BytesMut, payload: &[u8]) {
    Frame::new(Opcode::Binary, payload).append(out);
}

/// A ping. A payload over 125 bytes is cut: no control frame carries more (RFC 6455, 5.5).
#[must_use]
pub fn ping(payload: &[u8]) -> Bytes {
    whole(Opcode::Ping, cut(payload))
}

/// Appends a ping, cut as [`ping`] does.
pub fn append_ping(out: &mut BytesMut, payload: &[u8]) {
    Frame::new(Opcode::Ping, cut(payload)).append(out);
}

/// A pong, cut as [`ping`] does.
#[must_use]
pub fn pong(payload: &[u8]) -> Bytes {
    whole(Opcode::Pong, cut(payload))
}

/// Appends a pong, cut as [`ping`] does.
pub fn append_pong(out: &mut BytesMut, payload: &[u8]) {
    Frame::new(Opcode::Pong, cut(payload)).append(out);
}

/// A close frame. A reason over 123 bytes is cut at a character; [`close_code::NO_STATUS`] gives an empty frame.
#[must_use]
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut out = BytesMut::new();
    append_close(&mut out, code, reason);
    out.freeze()
}

/// Appends a close frame, as [`close`] makes it.
pub fn append_close(out: &mut BytesMut, code: u16, reason: &str) {
    if code == close_code::NO_STATUS {
        return append_header(out, Opcode::Close, 0);
    }
    let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let reason = &reason[..end];
    append_header(out, Opcode::Close, 2 + reason.len());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(reason.as_bytes());
}

fn whole(opcode: Opcode, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    Frame::new(opcode, payload).append(&mut out);
    out.freeze()
}

fn cut(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(CONTROL_BYTES_MAX)]
}
