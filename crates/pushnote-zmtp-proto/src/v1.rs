//! Frames as ZMTP 1.0 has them (RFC 13), which libzmq 2.x speaks: a length that counts the flags, the flags, a body.
//! They are turned into later frames when read and back when written, so that nothing else knows of them.

use crate::frame::{MORE, frames, put_frame};
use crate::scan::ScanError;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Marks a length of eight bytes.
const LONG: u8 = 0xff;

/// The reserved bits of the flags: zero, says RFC 13, but libzmq up to 2.1 sets them all.
const RESERVED: u8 = 0x7e;
const RESERVED_AND_MORE: u8 = RESERVED | MORE;

/// Whether these flags announce a further frame; `None` for such as no peer sends.
pub(crate) fn more(flags: u8) -> Option<bool> {
    match flags {
        0 | RESERVED => Some(false),
        MORE | RESERVED_AND_MORE => Some(true),
        _ => None,
    }
}

/// The head of a frame.
struct Head {
    /// Bytes before the body.
    bytes: usize,
    more: bool,
    body_bytes: u64,
}

impl Head {
    /// `None` while bytes are missing.
    fn parse(input: &[u8]) -> Result<Option<Head>, ScanError> {
        let (length, bytes) = match input {
            [LONG, rest @ ..] => match rest.first_chunk() {
                Some(length) => (u64::from_be_bytes(*length), 10),
                None => return Ok(None),
            },
            [length, ..] => (u64::from(*length), 2),
            [] => return Ok(None),
        };
        // A frame without room for its flags; no flags to blame, but no sense either.
        let Some(body_bytes) = length.checked_sub(1) else { return Err(ScanError::ReservedFlags(0)) };
        let Some(flags) = input.get(bytes - 1) else { return Ok(None) };
        match more(*flags) {
            Some(more) => Ok(Some(Head { bytes, more, body_bytes })),
            None => Err(ScanError::ReservedFlags(*flags)),
        }
    }
}

/// Moves whole frames from the front of `input` to `out`, as ZMTP 2.0 frames.
///
/// # Errors
/// [`ScanError`] for reserved flags and for frames larger than `frame_bytes_max`; frames before are moved.
pub fn decode(input: &mut BytesMut, out: &mut BytesMut, frame_bytes_max: usize) -> Result<(), ScanError> {
    while let Some(head) = Head::parse(input)? {
        if head.body_bytes > frame_bytes_max as u64 {
            return Err(ScanError::FrameTooLarge { announced: head.body_bytes, max: frame_bytes_max });
        }
        let end = head.bytes + head.body_bytes as usize;
        let Some(body) = input.get(head.bytes..end) else { break };
        put_frame(out, if head.more { MORE } else { 0 }, body);
        input.advance(end);
    }
    Ok(())
}

/// Bytes the head of a frame takes whose body has `body_bytes`.
pub(crate) fn head_bytes(body_bytes: usize) -> usize {
    if body_bytes + 1 < usize::from(LONG) { 2 } else { 10 }
}

/// A run of whole ZMTP 2.0 messages as ZMTP 1.0 frames.
pub fn encode(run: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(run.len());
    for (flags, body) in frames(run) {
        if head_bytes(body.len()) == 2 {
            out.put_u8(body.len() as u8 + 1);
        } else {
            out.put_u8(LONG);
            out.put_u64(body.len() as u64 + 1);
        }
        out.put_u8(flags & MORE);
        out.put_slice(body);
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(parts: &[&[u8]]) -> BytesMut {
        let mut out = BytesMut::new();
        for (index, part) in parts.iter().enumerate() {
            put_frame(&mut out, if index + 1 < parts.len() { MORE } else { 0 }, part);
        }
        out
    }

    #[test]
    fn frames_survive_both_ways_at_every_length_boundary() {
        for length in [0, 1, 252, 253, 254, 255, 256, 70_000] {
            let body = vec![7; length];
            let run = later(&[&body, b"", &body]);
            let mut old = BytesMut::from(&encode(&run)[..]);
            let mut back = BytesMut::new();
            decode(&mut old, &mut back, 1 << 20).unwrap();
            assert!(old.is_empty() && back == run, "body of {length} bytes");
        }
    }

    #[test]
    fn the_original_publishers_bytes_are_read() {
        let body = br#"{"data": {"msg": "Hi all!"}, "name": "notify_all"}"#;
        let mut input = BytesMut::from(&b"3\0"[..]);
        input.extend_from_slice(body);
        let mut out = BytesMut::new();
        decode(&mut input, &mut out, 100).unwrap();
        assert_eq!(out, later(&[body]));
    }

    #[test]
    fn reserved_bits_of_old_libzmq_are_passed_over() {
        let mut input = BytesMut::from(&b"\x03\x7fab\x02\x7ec"[..]);
        let mut out = BytesMut::new();
        decode(&mut input, &mut out, 100).unwrap();
        assert_eq!(out, later(&[b"ab", b"c"]));
    }

    #[test]
    fn a_frame_in_pieces_waits_for_its_end() {
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        for byte in encode(&later(&[&[5; 300], b"x"])) {
            input.put_u8(byte);
            decode(&mut input, &mut out, 300).unwrap();
        }
        assert_eq!(out, later(&[&[5; 300], b"x"]));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let fault = |bytes: &[u8]| decode(&mut BytesMut::from(bytes), &mut BytesMut::new(), 100).unwrap_err();
        assert_eq!(fault(&[0]), ScanError::ReservedFlags(0));
        assert_eq!(fault(&[2, 0x7c, 1]), ScanError::ReservedFlags(0x7c));
        assert_eq!(fault(&[2, 0x80, 1]), ScanError::ReservedFlags(0x80));
        assert_eq!(fault(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 0]), {
            ScanError::FrameTooLarge { announced: u64::MAX - 1, max: 100 }
        });
    }
}
