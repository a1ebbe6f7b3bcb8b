//! The two to fourteen bytes in front of a payload (RFC 6455, 5.2).

use super::error::DecodeError;
use super::opcode::{CONTROL_BYTES_MAX, Opcode};

/// Two bytes, eight of length, four of mask.
pub(crate) const BYTES_MAX: usize = 14;

/// Which end of the connection decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads what a client sent: every frame is masked.
    Server,
    /// Reads what a server sent: no frame is masked.
    Client,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    pub(crate) opcode: Opcode,
    /// Length of the payload. Saturates where `usize` is smaller than the wire's 63 bits; any limit then refuses it.
    pub(crate) payload_len: usize,
    /// All zero when the frame is not masked, so that unmasking changes nothing.
    pub(crate) mask: [u8; 4],
    /// Length of this header on the wire.
    pub(crate) size: usize,
}

impl Header {
    /// Reads a header from the front of `bytes`; `None` when it needs more of them.
    ///
    /// Checks run in the order of the bytes: what a prefix is refused for, every longer input is refused for too,
    /// so that errors do not depend on how the stream was cut.
    pub(crate) fn parse(bytes: &[u8], role: Role) -> Result<Option<Self>, DecodeError> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(DecodeError::ReservedBits);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_wire(first & 0x0f).ok_or(DecodeError::ReservedOpcode(first & 0x0f))?;
        if opcode.is_control() && !fin {
            return Err(DecodeError::ControlFragmented);
        }

        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let masked = second & 0x80 != 0;
        match role {
            Role::Server if !masked => return Err(DecodeError::NotMasked),
            Role::Client if masked => return Err(DecodeError::Masked),
            Role::Server | Role::Client => {}
        }
        let short_len = second & 0x7f;
        if opcode.is_control() && usize::from(short_len) > CONTROL_BYTES_MAX {
            return Err(DecodeError::ControlTooLong);
        }

        let Some((payload_len, after_len)) = parse_len(bytes, short_len)? else { return Ok(None) };
        if !masked {
            return Ok(Some(Self { fin, opcode, payload_len, mask: [0; 4], size: after_len }));
        }
        let Some(&mask) = bytes[after_len..].first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Self { fin, opcode, payload_len, mask, size: after_len + 4 }))
    }
}

/// The payload's length and where it ends in the header.
fn parse_len(bytes: &[u8], short_len: u8) -> Result<Option<(usize, usize)>, DecodeError> {
    let (len, size, len_min) = match short_len {
        126 => {
            let Some(&wire) = bytes[2..].first_chunk::<2>() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(wire)), 4, 126)
        }
        127 => {
            let Some(&wire) = bytes[2..].first_chunk::<8>() else { return Ok(None) };
            (u64::from_be_bytes(wire), 10, 1 << 16)
        }
        short => (u64::from(short), 2, 0),
    };
    if len < len_min {
        return Err(DecodeError::LengthNotMinimal);
    }
    if len >> 63 != 0 {
        return Err(DecodeError::LengthHighBit);
    }
    Ok(Some((usize::try_from(len).unwrap_or(usize::MAX), size)))
}
