//! What holds for all inputs: how the stream is cut changes nothing, and no input panics or is kept without bound.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use pushnote_websocket::decode::{DecodeError, Decoder, Event, Role};
use pushnote_websocket::encode::{Frame, Opcode};

const BYTES_MAX: usize = 300;

#[derive(Clone, Debug, PartialEq)]
enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
}

impl From<Event<'_>> for Got {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.into()),
            Event::Binary(bytes) => Self::Binary(bytes.into()),
            Event::Ping(bytes) => Self::Ping(bytes.into()),
            Event::Pong(bytes) => Self::Pong(bytes.into()),
            Event::Close { code, reason } => Self::Close(code, reason.into()),
        }
    }
}

/// Feeds `bytes` in pieces of these sizes, over and over.
fn decode(role: Role, bytes: &[u8], pieces: &[usize]) -> (Vec<Got>, Option<DecodeError>) {
    let mut decoder = Decoder::new(role, BYTES_MAX);
    let mut events = Vec::new();
    let mut rest = bytes;
    for size in pieces.iter().cycle() {
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        let mut piece = piece.to_vec();
        let mut at = 0;
        loop {
            match decoder.decode(&mut piece[at..]) {
                Ok((taken, Some(event))) => {
                    at += taken;
                    events.push(event.into());
                }
                Ok((_, None)) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        assert!(decoder.buffered_bytes() <= BYTES_MAX + 125 + 14);
        if rest.is_empty() {
            break;
        }
    }
    (events, None)
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    vec(1..40_usize, 1..20)
}

fn control() -> impl Strategy<Value = Got> {
    let payload = || vec(any::<u8>(), 0..=125);
    prop_oneof![
        payload().prop_map(Got::Ping),
        payload().prop_map(Got::Pong),
        (3000..5000_u16, "[a-zß€😀]{0,30}").prop_map(|(code, reason)| Got::Close(code, reason)),
    ]
}

/// A message, the places where it is cut into fragments, and the control frames before each fragment.
fn message() -> impl Strategy<Value = (Got, Vec<(usize, Vec<Got>)>)> {
    let data = prop_oneof![
        "[a-zß€😀]{0,70}".prop_map(Got::Text),
        vec(any::<u8>(), 0..BYTES_MAX).prop_map(Got::Binary),
    ];
    (data, vec((0..BYTES_MAX, vec(control(), 0..3)), 0..4))
}

fn append(out: &mut BytesMut, role: Role, frame: Frame<'_>, mask: [u8; 4]) {
    match role {
        Role::Server => frame.append_masked(out, mask),
        Role::Client => frame.append(out),
    }
}

fn append_control(out: &mut BytesMut, role: Role, control: &Got, mask: [u8; 4]) {
    let (opcode, payload) = match control {
        Got::Ping(bytes) => (Opcode::Ping, bytes.clone()),
        Got::Pong(bytes) => (Opcode::Pong, bytes.clone()),
        Got::Close(code, reason) => (Opcode::Close, [&code.to_be_bytes(), reason.as_bytes()].concat()),
        Got::Text(_) | Got::Binary(_) => unreachable!("no control frame"),
    };
    append(out, role, Frame::new(opcode, &payload), mask);
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(
        messages in vec(message(), 0..5),
        mask in any::<[u8; 4]>(),
        pieces in pieces(),
        role in prop_oneof![Just(Role::Server), Just(Role::Client)],
    ) {
        let mut bytes = BytesMut::new();
        let mut expected = Vec::new();
        for (message, cuts) in messages {
            let (mut opcode, data) = match &message {
                Got::Text(text) => (Opcode::Text, text.as_bytes()),
                Got::Binary(data) => (Opcode::Binary, &data[..]),
                _ => unreachable!("no control frame"),
            };
            let mut at = 0;
            for (cut, controls) in cuts {
                let end = cut.clamp(at, data.len().max(at)).min(data.len());
                append(&mut bytes, role, Frame { fin: false, opcode, payload: &data[at..end] }, mask);
                (at, opcode) = (end, Opcode::Continuation);
                for control in controls {
                    append_control(&mut bytes, role, &control, mask);
                    expected.push(control);
                }
            }
            append(&mut bytes, role, Frame { fin: true, opcode, payload: &data[at..] }, mask);
            expected.push(message);
        }
        prop_assert_eq!(decode(role, &bytes, &pieces), (expected, None));
    }

    #[test]
    fn cuts_change_nothing(
        bytes in vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x01), Just(0x80), Just(0x84)], 0..600),
        pieces in pieces(),
        role in prop_oneof![Just(Role::Server), Just(Role::Client)],
    ) {
        prop_assert_eq!(decode(role, &bytes, &pieces), decode(role, &bytes, &[usize::MAX]));
    }
}
