//! Commands of a handshake, to and from the wire.

use super::error::{HandshakeError, readable};
use crate::command::{put_command, split_name};
use crate::frame::{COMMAND, Header, LONG};
use bytes::{Buf, BytesMut};

/// READY and ERROR are small; nobody needs more before it is known.
const COMMAND_BYTES_MAX: u64 = 4096;

/// Takes a command's body off the front; `None` while bytes are missing.
pub(super) fn command(input: &mut BytesMut) -> Result<Option<BytesMut>, HandshakeError> {
    let Some(header) = Header::parse(input) else { return Ok(None) };
    if header.flags & !LONG != COMMAND || header.body_bytes > COMMAND_BYTES_MAX {
        return Err(HandshakeError::Malformed);
    }
    let body_bytes = header.body_bytes as usize;
    if input.len() < header.head_bytes + body_bytes {
        return Ok(None);
    }
    input.advance(header.head_bytes);
    Ok(Some(input.split_to(body_bytes)))
}

/// A command's name and data, unless it is the peer's refusal.
pub(super) fn named(body: &[u8]) -> Result<(&[u8], &[u8]), HandshakeError> {
    match split_name(body).map_err(|_| HandshakeError::Malformed)? {
        (b"ERROR", reason) => Err(HandshakeError::Refused(readable(reason.get(1..).unwrap_or_default()))),
        named => Ok(named),
    }
}

/// Appends ERROR; `reason` has at most 255 bytes.
pub(super) fn put_error(out: &mut BytesMut, reason: &str) {
    let data = [&[reason.len() as u8], reason.as_bytes()].concat();
    put_command(out, "ERROR", &data);
}
