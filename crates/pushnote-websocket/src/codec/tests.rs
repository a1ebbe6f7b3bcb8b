//! The rules of RFC 6455 one by one. What holds for all inputs is in `tests/codec.rs` and the fuzz target.

use bytes::BytesMut;

use super::decode::{DecodeError, Decoder, Event, Role};
use super::encode::{self, Frame, Frames, FramesMut, Opcode};
use super::mask;
use crate::close_code;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const BYTES_MAX: usize = 1000;

fn masked(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    Frame { fin, opcode, payload }.append_masked(&mut out, MASK);
    out.to_vec()
}

fn pong(payload: &[u8]) -> Frames {
    let mut frames = FramesMut::default();
    frames.pong(payload);
    frames.freeze()
}

fn whole(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    masked(true, opcode, payload)
}

/// All events of `bytes` as text, whole and byte by byte, which must agree.
fn events(bytes: &[u8]) -> (Vec<String>, Option<DecodeError>) {
    let at_once = feed(bytes.chunks(bytes.len().max(1)));
    assert_eq!(at_once, feed(bytes.chunks(1)));
    at_once
}

fn feed<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<DecodeError>) {
    let mut decoder = Decoder::new(Role::Server, BYTES_MAX);
    let mut events = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut at = 0;
        loop {
            match decoder.decode(&mut piece[at..]) {
                Ok((taken, Some(event))) => {
                    at += taken;
                    events.push(format!("{event:?}"));
                }
                Ok((taken, None)) => break assert_eq!(at + taken, piece.len()),
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn refusal(bytes: &[u8]) -> DecodeError {
    events(bytes).1.expect("refused")
}

#[test]
fn examples_of_the_rfc() {
    // RFC 6455, 5.7.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(whole(Opcode::Text, b"Hello"), hello);
    assert_eq!(events(&hello).0, [r#"Text("Hello")"#]);
    assert_eq!(encode::text("Hello")[..], [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(pong(b"Hello")[..], [0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(encode::binary(&[0; 256])[..4], [0x82, 0x7e, 0x01, 0x00]);
    assert_eq!(encode::binary(&[0; 65536])[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn control_frames_stand_between_fragments() {
    let bytes = [
        masked(false, Opcode::Text, "Grü".as_bytes()),
        whole(Opcode::Ping, b"1"),
        masked(false, Opcode::Continuation, b""),
        whole(Opcode::Pong, b"2"),
        masked(true, Opcode::Continuation, "ße".as_bytes()),
        masked(false, Opcode::Binary, &[1]),
        masked(true, Opcode::Continuation, &[2]),
    ]
    .concat();
    let expected = ["Ping([49])", "Pong([50])", r#"Text("Grüße")"#, "Binary([1, 2])"];
    assert_eq!(events(&bytes), (expected.map(String::from).to_vec(), None));
}

#[test]
fn characters_may_be_cut_by_fragments() {
    let text = "ß€😀".as_bytes();
    for cut in 0..text.len() {
        let bytes =
            [masked(false, Opcode::Text, &text[..cut]), masked(true, Opcode::Continuation, &text[cut..])]
                .concat();
        assert_eq!(events(&bytes).0, [r#"Text("ß€😀")"#], "cut at {cut}");
    }
}

#[test]
fn bad_text_is_refused_at_its_first_bad_byte() {
    assert_eq!(refusal(&whole(Opcode::Text, b"\xc0\xaf")), DecodeError::InvalidUtf8);
    assert_eq!(refusal(&whole(Opcode::Text, b"cut\xe2\x82")), DecodeError::InvalidUtf8);
    let fragments = [masked(false, Opcode::Text, b"\xe2"), masked(true, Opcode::Continuation, b"\x28")];
    assert_eq!(refusal(&fragments.concat()), DecodeError::InvalidUtf8);
    // Neither the frame nor the message is complete.
    let start = masked(false, Opcode::Text, b"\xf4\x90\x80\x80 and so on");
    assert_eq!(refusal(&start[..8]), DecodeError::InvalidUtf8);
    assert_eq!(DecodeError::InvalidUtf8.close_code(), 1007);
}

#[test]
fn framing_errors_are_refused() {
    let cases = [
        (vec![0xc1], DecodeError::ReservedBits),
        (vec![0x83], DecodeError::ReservedOpcode(3)),
        (vec![0x8b], DecodeError::ReservedOpcode(11)),
        (vec![0x09], DecodeError::ControlFragmented),
        (vec![0x81, 0x05], DecodeError::NotMasked),
        (vec![0x89, 0xfe], DecodeError::ControlTooLong),
        (vec![0x81, 0xfe, 0, 125], DecodeError::LengthNotMinimal),
        (vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], DecodeError::LengthNotMinimal),
        (vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], DecodeError::LengthHighBit),
        (whole(Opcode::Continuation, b"x"), DecodeError::UnexpectedContinuation),
        (
            [masked(false, Opcode::Text, b"x"), whole(Opcode::Text, b"y")].concat(),
            DecodeError::ExpectedContinuation,
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(refusal(&bytes), expected);
        assert_eq!(expected.close_code(), close_code::PROTOCOL_ERROR);
    }
}

#[test]
fn a_server_must_not_mask() {
    let mut bytes = whole(Opcode::Text, b"x");
    assert_eq!(Decoder::new(Role::Client, BYTES_MAX).decode(&mut bytes), Err(DecodeError::Masked));
}

#[test]
fn the_limit_holds_for_all_fragments_together() {
    assert_eq!(events(&whole(Opcode::Binary, &[0; BYTES_MAX])).1, None);
    let too_big = DecodeError::MessageTooBig { bytes_max: BYTES_MAX };
    let header_alone = &whole(Opcode::Binary, &[0; BYTES_MAX + 1])[..8];
    assert_eq!(refusal(header_alone), too_big);
    let fragments =
        [masked(false, Opcode::Text, &[b'x'; 999]), masked(true, Opcode::Continuation, b"yz")].concat();
    assert_eq!(refusal(&fragments), too_big);
    assert_eq!(refusal(&[0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4]), too_big);
    assert_eq!(too_big.close_code(), 1009);
}

#[test]
fn close_frames() {
    let close = |code: u16, reason: &[u8]| whole(Opcode::Close, &[&code.to_be_bytes(), reason].concat());
    assert_eq!(events(&whole(Opcode::Close, b"")).0, [r#"Close { code: 1005, reason: "" }"#]);
    assert_eq!(events(&close(1001, b"bye")).0, [r#"Close { code: 1001, reason: "bye" }"#]);
    assert_eq!(refusal(&whole(Opcode::Close, b"x")), DecodeError::CloseTooShort);
    assert_eq!(refusal(&close(1000, b"\xff")), DecodeError::InvalidUtf8);
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        assert_eq!(refusal(&close(code, b"")), DecodeError::CloseCodeReserved(code));
    }
    for code in [1000, 1003, 1007, 1014, 3000, 4999] {
        assert_eq!(events(&close(code, b"")).1, None, "code {code}");
    }
}

#[test]
fn close_reasons_are_cut_at_a_character() {
    let frame = encode::close(1000, &"€".repeat(100));
    assert_eq!(frame.len(), 2 + 2 + 41 * "€".len());
    let mut bytes = frame.to_vec();
    let mut decoder = Decoder::new(Role::Client, BYTES_MAX);
    let (_, event) = decoder.decode(&mut bytes).unwrap();
    assert_eq!(event, Some(Event::Close { code: 1000, reason: &"€".repeat(41) }));
    assert_eq!(encode::close(close_code::NO_STATUS, "unused")[..], [0x88, 0]);
    assert_eq!(pong(&[7; 200]).len(), 2 + 125);
}

#[test]
fn nothing_is_kept_between_messages() {
    let mut decoder = Decoder::new(Role::Server, BYTES_MAX);
    let mut bytes = whole(Opcode::Text, b"Hello");
    let mut rest = bytes.split_off(3);
    assert_eq!(decoder.decode(&mut bytes), Ok((3, None)));
    assert_eq!(decoder.buffered_bytes(), 3);
    assert_eq!(decoder.decode(&mut rest), Ok((8, Some(Event::Text("Hello")))));
    assert_eq!(decoder.decode(&mut []), Ok((0, None)));
    assert_eq!(decoder.buffered_bytes(), 0);
    assert!(format!("{decoder:?}").contains("partial: None"));
}

#[test]
fn a_long_length_announced_takes_no_memory() {
    let mut decoder = Decoder::new(Role::Server, 1 << 40);
    let mut header = [0x82, 0xff, 0, 0, 0, 0xff, 0, 0, 0, 0, 1, 2, 3, 4];
    assert_eq!(decoder.decode(&mut header), Ok((14, None)));
    assert_eq!(decoder.buffered_bytes(), 0);
}

#[test]
fn masks_rotate() {
    let plain: Vec<u8> = (0..100).collect();
    for cut in 0..plain.len() {
        let mut bytes = plain.clone();
        mask::apply(&mut bytes, MASK);
        assert_eq!(bytes[cut], plain[cut] ^ MASK[cut % 4]);
        let (head, tail) = bytes.split_at_mut(cut);
        mask::apply(head, MASK);
        mask::apply(tail, mask::rotate(MASK, cut));
        assert_eq!(bytes, plain);
    }
}
