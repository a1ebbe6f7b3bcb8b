//! MESSAGE: one frame of the connection, sealed (RFC 26, "The MESSAGE Command").
//!
//! The first byte within is the frame's flags, without LONG. RFC 26 knows MORE alone; libzmq also says there that the
//! frame is a command, and sends MESSAGE itself as a frame which is none. Both forms of MESSAGE are taken.

use super::error::CurveError;
use super::sealed::{BoxKey, SharedKey, TAG_BYTES};
use crate::frame::{COMMAND, Header, LONG, MORE, frames, put_frame, put_head};
use crate::scan::ScanError;
use bytes::{Buf, BufMut, BytesMut};
use std::fmt;

const NAME: &[u8; 8] = b"\x07MESSAGE";
const MESSAGE: &str = "MESSAGE";
const NUMBER_BYTES: usize = 8;
const HEAD_BYTES: usize = NAME.len() + NUMBER_BYTES + TAG_BYTES;
/// The bit of the inner flags that says "command".
const INNER_COMMAND: u8 = 2;

/// Bytes a frame's body grows by when it is sealed.
pub const MESSAGE_OVERHEAD_BYTES: usize = HEAD_BYTES + 1;

/// Seals what we send.
pub struct Sealer {
    key: BoxKey,
    /// The number of the last nonce.
    number: u64,
}

impl Sealer {
    pub(super) fn new(shared: &SharedKey, prefix: &[u8; 16], number: u64) -> Self {
        Sealer { key: shared.prefixed(prefix), number }
    }

    /// Appends the frames of a run of whole ones, each sealed. They have to leave in this order.
    pub fn seal(&mut self, run: &[u8], out: &mut BytesMut) {
        for (flags, body) in frames(run) {
            self.number += 1; // 2^64 frames take longer than any connection lasts
            let number = self.number.to_be_bytes();
            put_head(out, 0, body.len() + MESSAGE_OVERHEAD_BYTES);
            out.put_slice(NAME);
            out.put_slice(&number);
            let start = out.len();
            out.put_bytes(0, TAG_BYTES);
            out.put_u8(flags & MORE | if flags & COMMAND == 0 { 0 } else { INNER_COMMAND });
            out.put_slice(body);
            let (tag, text) = out[start..].split_at_mut(TAG_BYTES);
            tag.copy_from_slice(&self.key.seal(&number, text));
        }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sealer").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Opens what the peer sends.
pub struct Opener {
    key: BoxKey,
    /// The number of the last nonce.
    number: u64,
}

impl Opener {
    pub(super) fn new(shared: &SharedKey, prefix: &[u8; 16], number: u64) -> Self {
        Opener { key: shared.prefixed(prefix), number }
    }

    /// Moves whole frames from the front of `input` to `out`, opened.
    ///
    /// # Errors
    /// [`ScanError`]: no MESSAGE, one that is forged or comes twice, or one with a frame larger than
    /// `frame_bytes_max`, which is said when its head is there. Frames before are moved.
    pub fn open(
        &mut self,
        input: &mut BytesMut,
        out: &mut BytesMut,
        frame_bytes_max: usize,
    ) -> Result<(), ScanError> {
        while let Some(header) = Header::parse(input) {
            if header.flags & !(LONG | COMMAND) != 0 {
                return Err(ScanError::ReservedFlags(header.flags));
            }
            let malformed = CurveError::Malformed(MESSAGE);
            let body_bytes = header.body_bytes.checked_sub(MESSAGE_OVERHEAD_BYTES as u64).ok_or(malformed)?;
            if body_bytes > frame_bytes_max as u64 {
                return Err(ScanError::FrameTooLarge { announced: body_bytes, max: frame_bytes_max });
            }
            let end = header.head_bytes + MESSAGE_OVERHEAD_BYTES + body_bytes as usize;
            if input.len() < end {
                break;
            }
            if out.is_empty() {
                out.reserve(input.len()); // at once for all that are here
            }
            let (flags, body) = self.open_one(&mut input[header.head_bytes..end])?;
            put_frame(out, flags, body);
            input.advance(end);
        }
        Ok(())
    }

    /// The flags and the body of the frame in a MESSAGE, which is opened in place.
    fn open_one<'a>(&mut self, message: &'a mut [u8]) -> Result<(u8, &'a [u8]), ScanError> {
        let malformed = CurveError::Malformed(MESSAGE);
        let (name, rest) = message.split_first_chunk_mut().ok_or(malformed)?;
        let (number, rest) = rest.split_first_chunk_mut().ok_or(malformed)?;
        let (tag, text) = rest.split_first_chunk_mut().ok_or(malformed)?;
        if name != NAME {
            return Err(malformed.into());
        }
        if u64::from_be_bytes(*number) <= self.number {
            return Err(CurveError::Sequence(MESSAGE).into());
        }
        if !self.key.open(number, tag, text) {
            return Err(CurveError::Forged(MESSAGE).into());
        }
        self.number = u64::from_be_bytes(*number);
        let (flags, body) = text.split_first().ok_or(malformed)?;
        if flags & !(MORE | INNER_COMMAND) != 0 {
            return Err(ScanError::ReservedFlags(*flags));
        }
        Ok((flags & MORE | if flags & INNER_COMMAND == 0 { 0 } else { COMMAND }, body))
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Opener").field("number", &self.number).finish_non_exhaustive()
    }
}
