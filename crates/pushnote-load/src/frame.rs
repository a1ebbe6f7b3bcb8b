//! WebSocket frames as a load generator needs them: found where they lie, nothing copied, nothing unmasked.

use thiserror::Error;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

const FIN: u8 = 0x80;
const MASK: u8 = 0x80;
const PAYLOAD_BYTES_MAX: usize = 16 << 20;

/// A server's frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
}

/// What a server sent that cannot be counted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum FrameError {
    #[error("masked frame")]
    Masked,
    #[error("compressed or extended frame")]
    Extended,
    #[error("fragmented message")]
    Fragmented,
    #[error("frame over 16 MiB")]
    TooLong,
}

/// The frame at the front of `input` and the bytes it takes; `None` while bytes are missing.
#[inline]
pub(crate) fn first(input: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let [head, length, rest @ ..] = input else { return Ok(None) };
    let (head_bytes, payload_bytes) = match length & !MASK {
        126 => match rest.first_chunk() {
            Some(&length) => (4, usize::from(u16::from_be_bytes(length))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(&length) => (10, u64::from_be_bytes(length).try_into().unwrap_or(usize::MAX)),
            None => return Ok(None),
        },
        length => (2, usize::from(length)),
    };
    if length & MASK != 0 {
        return Err(FrameError::Masked);
    }
    if head & 0x70 != 0 {
        return Err(FrameError::Extended);
    }
    let opcode = head & 0x0f;
    if head & FIN == 0 || opcode == CONTINUATION {
        return Err(FrameError::Fragmented);
    }
    if payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(FrameError::TooLong);
    }
    let end = head_bytes + payload_bytes;
    Ok(input.get(head_bytes..end).map(|payload| (Frame { opcode, payload }, end)))
}

/// Appends a client's frame. Its mask is zero: masks protect proxies from scripts in browsers, and this is neither.
pub(crate) fn put_client(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_head(out, opcode, payload.len(), MASK);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Appends a server's frame.
pub(crate) fn put_server(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    put_head(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

fn put_head(out: &mut Vec<u8>, opcode: u8, payload_bytes: usize, mask: u8) {
    out.push(FIN | opcode);
    match payload_bytes {
        0..=125 => out.push(mask | payload_bytes as u8),
        126..=0xffff => {
            out.push(mask | 126);
            out.extend_from_slice(&(payload_bytes as u16).to_be_bytes());
        }
        _ => {
            out.push(mask | 127);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
}

/// The code of a close frame; 1005 when it has none.
pub(crate) fn close_code(payload: &[u8]) -> u16 {
    payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_come_out_whole_and_not_before() {
        for bytes in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; bytes];
            let mut wire = Vec::new();
            put_server(&mut wire, TEXT, &payload);
            assert_eq!(first(&wire), Ok(Some((Frame { opcode: TEXT, payload: &payload }, wire.len()))));
            for cut in [0, 1, 2, 3, 5, wire.len() - 1] {
                assert_eq!(first(&wire[..cut.min(wire.len() - 1)]), Ok(None), "{bytes} bytes cut at {cut}");
            }
        }
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let mut masked = Vec::new();
        put_client(&mut masked, TEXT, b"x");
        assert_eq!(first(&masked), Err(FrameError::Masked));
        assert_eq!(first(&[0x01, 0]), Err(FrameError::Fragmented));
        assert_eq!(first(&[0x80, 0]), Err(FrameError::Fragmented));
        assert_eq!(first(&[0xc1, 0]), Err(FrameError::Extended));
        assert_eq!(first(&[0x81, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0]), Err(FrameError::TooLong));
    }

    #[test]
    fn a_close_frame_says_why() {
        assert_eq!(close_code(&[0x03, 0xe8, b'x']), 1000);
        assert_eq!(close_code(&[]), 1005);
    }
}
