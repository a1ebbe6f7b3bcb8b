//! READY's properties: name length (1), name, value length (4, big endian), value (RFC 37 §2.4).

use super::{HandshakeError, SocketType};

const SOCKET_TYPE: &[u8] = b"Socket-Type";

/// The one property we send.
pub(super) fn socket_type(local: SocketType) -> Vec<u8> {
    let value = local.name().as_bytes();
    let mut out = vec![SOCKET_TYPE.len() as u8];
    out.extend_from_slice(SOCKET_TYPE);
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
    out
}

/// The one property we need; names are compared without case, as the RFC wants.
pub(super) fn find_socket_type(mut properties: &[u8]) -> Result<&[u8], HandshakeError> {
    let mut found = None;
    while !properties.is_empty() {
        let (name, value, rest) = property(properties).ok_or(HandshakeError::Malformed)?;
        if name.eq_ignore_ascii_case(SOCKET_TYPE) {
            found = Some(value);
        }
        properties = rest;
    }
    found.ok_or(HandshakeError::Malformed)
}

fn property(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name_bytes, rest) = input.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name_bytes))?;
    let (value_bytes, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*value_bytes)).ok()?)?;
    Some((name, value, rest))
}
