//! Any bytes, in any pieces, read as a server and as a client: no panic, the same events whatever the pieces, and no
//! more kept than the limit allows.
//!
//! Input: one byte for the role, one for the number of cuts, the sizes of the pieces, then the stream.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushnote_websocket::decode::{DecodeError, Decoder, Event, Role};

const BYTES_MAX: usize = 1000;
/// A cut control frame and a cut header may be kept beside a message.
const KEPT_MAX: usize = BYTES_MAX + 125 + 14;

fuzz_target!(|data: &[u8]| {
    let [role, cuts, rest @ ..] = data else { return };
    let role = if role & 1 == 0 { Role::Server } else { Role::Client };
    let (sizes, stream) = rest.split_at(rest.len().min(usize::from(cuts % 16)));
    let sizes: Vec<usize> = sizes.iter().map(|size| usize::from(*size).max(1)).collect();
    let whole = events(role, stream, &[usize::MAX]);
    assert_eq!(whole, events(role, stream, &[1]), "byte by byte");
    if !sizes.is_empty() {
        assert_eq!(whole, events(role, stream, &sizes), "in pieces of {sizes:?}");
    }
});

#[derive(Debug, PartialEq)]
enum Got {
    Data(Vec<u8>),
    Text(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    Refused(DecodeError),
    Kept(usize),
}

fn events(role: Role, stream: &[u8], sizes: &[usize]) -> Vec<Got> {
    let mut decoder = Decoder::new(role, BYTES_MAX);
    let mut events = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        let mut piece = piece.to_vec();
        let mut at = 0;
        loop {
            match decoder.decode(&mut piece[at..]) {
                Ok((taken, Some(event))) => {
                    at += taken;
                    events.push(owned(event));
                }
                Ok((taken, None)) => {
                    assert_eq!(at + taken, piece.len(), "everything is taken");
                    break;
                }
                Err(error) => {
                    events.push(Got::Refused(error));
                    return events;
                }
            }
        }
        assert!(decoder.buffered_bytes() <= KEPT_MAX);
    }
    events.push(Got::Kept(decoder.buffered_bytes()));
    events
}

fn owned(event: Event<'_>) -> Got {
    match event {
        Event::Text(text) => Got::Text(text.into()),
        Event::Binary(bytes) => Got::Data(bytes.into()),
        Event::Ping(payload) => Got::Ping(payload.into()),
        Event::Pong(payload) => Got::Pong(payload.into()),
        Event::Close { code, reason } => Got::Close(code, reason.into()),
    }
}
