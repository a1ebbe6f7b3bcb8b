//! READY's properties: name length (1), name, value length (4, big endian), value (RFC 37 §2.4).

use super::error::HandshakeError;
use bytes::Bytes;

/// Names in lower case, and values.
pub type Properties = Vec<(String, Bytes)>;

pub(super) const SOCKET_TYPE: &[u8] = b"Socket-Type";
/// Names of applications' own properties begin so.
const APPLICATION: &str = "x-";

/// Appends a property.
pub(super) fn put(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.push(name.len() as u8);
    out.extend_from_slice(name);
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

/// The socket type, which must be there, and applications' own properties. Names are compared without case, as the RFC
/// wants.
pub(super) fn read(mut metadata: &[u8]) -> Result<(&[u8], Properties), HandshakeError> {
    let (mut socket_type, mut application) = (None, Properties::new());
    while !metadata.is_empty() {
        let (name, value, rest) = property(metadata).ok_or(HandshakeError::Malformed)?;
        if name.eq_ignore_ascii_case(SOCKET_TYPE) {
            socket_type = Some(value);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        if name.starts_with(APPLICATION) {
            application.push((name, Bytes::copy_from_slice(value)));
        }
        metadata = rest;
    }
    Ok((socket_type.ok_or(HandshakeError::Malformed)?, application))
}

fn property(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name_bytes, rest) = input.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name_bytes))?;
    let (value_bytes, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*value_bytes)).ok()?)?;
    Some((name, value, rest))
}
