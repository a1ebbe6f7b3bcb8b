//! Finds whole messages in what a peer sent, without copying or re-encoding a byte.
//!
//! A run of whole messages is valid on any other ZMTP 2.0 or 3.x connection as it stands. Limits are checked on the
//! head of a frame, before anybody makes room for its body.

use crate::curve::CurveError;
use crate::frame::{Header, RESERVED};
use std::ops::Range;
use thiserror::Error;

/// What a peer may send at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one frame's body.
    pub frame_bytes_max: usize,
    /// Bytes of one message, with the heads of its frames.
    pub message_bytes_max: usize,
    /// Frames of one message.
    pub parts_max: usize,
    /// Whether frames may be commands: ZMTP 2.0 has none.
    pub commands: bool,
}

/// Bytes which are no ZMTP, or more than is allowed. The connection cannot go on: the next frame's place is unknown.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ScanError {
    /// A flag bit is set which the protocol reserves.
    #[error("reserved flag bits in a frame's head ({0:#04x}): the peer does not speak ZMTP")]
    ReservedFlags(u8),
    /// A frame is longer than [`Limits::frame_bytes_max`].
    #[error("frame of {announced} bytes, {max} are allowed")]
    FrameTooLarge {
        /// Bytes the peer announced.
        announced: u64,
        /// Bytes allowed.
        max: usize,
    },
    /// A message is longer than [`Limits::message_bytes_max`].
    #[error("message of more than {max} bytes")]
    MessageTooLarge {
        /// Bytes allowed.
        max: usize,
    },
    /// A message has more frames than [`Limits::parts_max`].
    #[error("message of more than {max} frames")]
    TooManyParts {
        /// Frames allowed.
        max: usize,
    },
    /// A command between the frames of a message, or one that announces another frame.
    #[error("command inside a message")]
    CommandInMessage,
    /// A frame is not sealed as it should be.
    #[error(transparent)]
    Curve(#[from] CurveError),
}

/// What lies at the front of the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `bytes` bytes which are `messages` whole messages.
    Messages {
        /// Bytes of the run, from the front of the buffer.
        bytes: usize,
        /// Messages in it, at least one.
        messages: usize,
    },
    /// A command of `bytes` bytes.
    Command {
        /// Bytes of the frame, from the front of the buffer.
        bytes: usize,
        /// Where its body lies.
        body: Range<usize>,
    },
    /// Nothing whole: the buffer has to hold `bytes_wanted` bytes before there can be news.
    Incomplete {
        /// Bytes from the front of the buffer, more than it holds.
        bytes_wanted: usize,
    },
}

/// Looks at a growing buffer and remembers how far it has looked, so that a message in many small pieces costs
/// no more than one in a single piece.
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    /// Bytes of whole frames at the front, of a message which is not whole.
    looked: usize,
    parts: usize,
    /// No message of one short frame breaks a limit.
    short_messages_allowed: bool,
}

impl Scanner {
    /// A scanner for a connection's first byte after the handshake.
    pub fn new(limits: Limits) -> Self {
        let longest = SHORT_HEAD_BYTES + usize::from(u8::MAX);
        let short_messages_allowed =
            limits.frame_bytes_max.min(limits.message_bytes_max) >= longest && limits.parts_max > 0;
        Scanner { limits, looked: 0, parts: 0, short_messages_allowed }
    }

    /// Says what lies at the front of `buffer`. Before the next call the caller removes exactly the `bytes` of the
    /// item from the front, or, if it was [`Item::Incomplete`], appends.
    ///
    /// # Errors
    /// [`ScanError`] when the peer breaks the protocol or a limit; messages before the fault are reported first.
    pub fn scan(&mut self, buffer: &[u8]) -> Result<Item, ScanError> {
        let mut whole = 0;
        let mut messages = 0;
        let mut at = self.looked;
        let found = |whole, messages| Ok(Item::Messages { bytes: whole, messages });
        loop {
            if self.parts == 0 && self.short_messages_allowed {
                let (end, more) = short_messages(buffer, at);
                if more > 0 {
                    (at, whole) = (end, end);
                    messages += more;
                }
            }
            let Some(header) = buffer.get(at..).and_then(Header::parse) else {
                self.looked = at - whole;
                let head =
                    if buffer.get(at).is_some_and(|flags| flags & crate::frame::LONG != 0) { 9 } else { 2 };
                let incomplete = Item::Incomplete { bytes_wanted: at + head };
                return if messages > 0 { found(whole, messages) } else { Ok(incomplete) };
            };
            let end = match self.check(&header, at - whole) {
                Ok(end) => whole + end,
                Err(_) if messages > 0 => {
                    self.looked = at - whole;
                    return found(whole, messages);
                }
                Err(error) => return Err(error),
            };
            if end > buffer.len() || (header.command() && messages > 0) {
                self.looked = at - whole;
                return if messages > 0 {
                    found(whole, messages)
                } else {
                    Ok(Item::Incomplete { bytes_wanted: end })
                };
            }
            if header.command() {
                self.looked = 0;
                return Ok(Item::Command { bytes: end, body: at + header.head_bytes..end });
            }
            at = end;
            if header.more() {
                self.parts += 1;
            } else {
                self.parts = 0;
                whole = end;
                messages += 1;
            }
        }
    }

    /// Where the frame ends whose head begins `offset` bytes into its message.
    #[inline]
    fn check(&self, header: &Header, offset: usize) -> Result<usize, ScanError> {
        let Limits { frame_bytes_max, message_bytes_max, parts_max, commands } = self.limits;
        if header.flags & RESERVED != 0 || (header.command() && !commands) {
            return Err(ScanError::ReservedFlags(header.flags));
        }
        if header.body_bytes > frame_bytes_max as u64 {
            return Err(ScanError::FrameTooLarge { announced: header.body_bytes, max: frame_bytes_max });
        }
        let end = offset + header.head_bytes + header.body_bytes as usize;
        if end > message_bytes_max {
            return Err(ScanError::MessageTooLarge { max: message_bytes_max });
        }
        if header.command() && (header.more() || offset > 0) {
            return Err(ScanError::CommandInMessage);
        }
        if self.parts >= parts_max {
            return Err(ScanError::TooManyParts { max: parts_max });
        }
        Ok(end)
    }
}

const SHORT_HEAD_BYTES: usize = 2;

/// Where a run of messages of one short frame each ends that begins at `at`, and how many they are. Most messages
/// are such. Neighbours are often of one size: where the next one begins is then known before this one is read.
#[inline]
fn short_messages(buffer: &[u8], mut at: usize) -> (usize, usize) {
    let mut messages = 0;
    while let Some(&[0, body_bytes]) = buffer.get(at..at + SHORT_HEAD_BYTES) {
        let frame_bytes = SHORT_HEAD_BYTES + usize::from(body_bytes);
        let frames = buffer[at..].chunks_exact(frame_bytes);
        let alike = frames.take_while(|frame| frame[..SHORT_HEAD_BYTES] == [0, body_bytes]).count();
        if alike == 0 {
            break;
        }
        at += alike * frame_bytes;
        messages += alike;
    }
    (at, messages)
}
