//! The scanner against every way a stream can be cut into pieces.

#![expect(clippy::unwrap_used, reason = "a test may")]

use bytes::BytesMut;
use proptest::prelude::*;
use pushnote_zmtp_proto::frame::{COMMAND, LONG, MORE, Spans, put_frame};
use pushnote_zmtp_proto::scan::{Item, Limits, ScanError, Scanner};

const LIMITS: Limits =
    Limits { frame_bytes_max: 1000, message_bytes_max: 2000, parts_max: 5, commands: true };

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Message(Vec<Vec<u8>>),
    Command(Vec<u8>),
}

fn wire(sent: &[Sent]) -> BytesMut {
    let mut out = BytesMut::new();
    for item in sent {
        match item {
            Sent::Command(body) => put_frame(&mut out, COMMAND, body),
            Sent::Message(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    put_frame(&mut out, if index + 1 < parts.len() { MORE } else { 0 }, part);
                }
            }
        }
    }
    out
}

/// Feeds the pieces to a scanner as a connection does, and puts together what it finds.
fn scanned<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Sent>, ScanError> {
    let (mut scanner, mut buffer, mut found, mut wanted) = (Scanner::new(LIMITS), BytesMut::new(), vec![], 1);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let enough = buffer.len() >= wanted;
        loop {
            let item = scanner.scan(&buffer)?;
            assert!(enough || matches!(item, Item::Incomplete { .. }), "news before the bytes asked for");
            match item {
                Item::Messages { bytes, messages } => {
                    let run = buffer.split_to(bytes);
                    let spans: Vec<_> = Spans::new(&run).collect();
                    assert_eq!(spans.len(), messages);
                    found.extend(spans.iter().map(|span| Sent::Message(parts(&run[span.start..span.end]))));
                }
                Item::Command { bytes, body } => {
                    let frame = buffer.split_to(bytes);
                    found.push(Sent::Command(frame[body].to_vec()));
                }
                Item::Incomplete { bytes_wanted } => {
                    assert!(bytes_wanted > buffer.len(), "asked for what is there");
                    wanted = bytes_wanted;
                    break;
                }
            }
        }
    }
    Ok(found)
}

fn parts(mut message: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while !message.is_empty() {
        let long = message[0] & LONG != 0;
        let head = if long { 9 } else { 2 };
        let length =
            if long { u64::from_be_bytes(message[1..9].try_into().unwrap()) } else { message[1].into() };
        let end = head + length as usize;
        parts.push(message[head..end].to_vec());
        message = &message[end..];
    }
    parts
}

fn every_kind() -> Vec<Sent> {
    vec![
        Sent::Message(vec![b"one".to_vec()]),
        Sent::Message(vec![vec![]]),
        Sent::Message(vec![b"topic".to_vec(), vec![], vec![1; 300]]),
        Sent::Command(b"\x04PING\0\0".to_vec()),
        Sent::Message(vec![vec![2; 255]]),
        Sent::Message(vec![vec![3; 256]]),
        Sent::Command(vec![4; 256]),
        Sent::Command(b"\x04PONG".to_vec()),
        Sent::Message(vec![vec![5; 4]; 5]),
    ]
}

#[test]
fn every_split_finds_the_same() {
    let (sent, bytes) = (every_kind(), wire(&every_kind()));
    for at in 0..=bytes.len() {
        let (left, right) = bytes.split_at(at);
        assert_eq!(scanned([left, right]).unwrap(), sent, "cut at {at}");
    }
    assert_eq!(scanned(bytes.chunks(1)).unwrap(), sent);
}

#[test]
fn limits_are_met_exactly() {
    for parts in [vec![vec![0; 1000]], vec![vec![0; 991], vec![0; 991]], vec![vec![]; 5]] {
        let sent = [Sent::Message(parts)];
        assert_eq!(scanned([&wire(&sent)[..]]).unwrap(), sent);
    }
    let fault = |parts: Vec<Vec<u8>>| scanned([&wire(&[Sent::Message(parts)])[..]]).unwrap_err();
    assert_eq!(fault(vec![vec![0; 1001]]), ScanError::FrameTooLarge { announced: 1001, max: 1000 });
    assert_eq!(fault(vec![vec![0; 992], vec![0; 991]]), ScanError::MessageTooLarge { max: 2000 });
    assert_eq!(fault(vec![vec![]; 6]), ScanError::TooManyParts { max: 5 });
}

#[test]
fn a_head_is_enough_to_refuse() {
    let fault = |bytes: &[u8]| scanned(bytes.chunks(1)).unwrap_err();
    for announced in [1001, 1 << 34, 1 << 62, u64::MAX] {
        let head = [&[LONG][..], &announced.to_be_bytes()].concat();
        assert_eq!(fault(&head), ScanError::FrameTooLarge { announced, max: 1000 });
    }
    for flags in [8, 0x80, 0xff] {
        assert_eq!(fault(&[flags, 0, 0, 0, 0, 0, 0, 0, 0]), ScanError::ReservedFlags(flags));
    }
    assert_eq!(fault(&[COMMAND | MORE, 0]), ScanError::CommandInMessage);
    assert_eq!(fault(&[MORE, 0, COMMAND, 0]), ScanError::CommandInMessage);
    let mut older = Scanner::new(Limits { commands: false, ..LIMITS });
    assert_eq!(older.scan(&[COMMAND, 0]), Err(ScanError::ReservedFlags(COMMAND)));
}

#[test]
fn what_came_before_a_fault_is_not_lost() {
    let mut bytes = wire(&[Sent::Message(vec![b"good".to_vec()])]);
    bytes.extend_from_slice(&[0x80, 0]);
    let mut scanner = Scanner::new(LIMITS);
    assert_eq!(scanner.scan(&bytes), Ok(Item::Messages { bytes: 6, messages: 1 }));
    assert_eq!(scanner.scan(&bytes[6..]), Err(ScanError::ReservedFlags(0x80)));
}

fn any_sent() -> impl Strategy<Value = Vec<Sent>> {
    let body = || proptest::collection::vec(any::<u8>(), 0..400);
    let message = proptest::collection::vec(body(), 1..5).prop_map(Sent::Message);
    let command = body().prop_map(Sent::Command);
    proptest::collection::vec(prop_oneof![4 => message, 1 => command], 0..12)
}

proptest! {
    #[test]
    fn any_stream_in_any_pieces_comes_out_whole(sent in any_sent(), cuts in proptest::collection::vec(1usize..700, 1..40)) {
        let bytes = wire(&sent);
        let (mut rest, mut pieces) = (&bytes[..], vec![]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        prop_assert_eq!(scanned(pieces).unwrap(), sent);
    }

    #[test]
    fn no_bytes_make_it_panic_or_stand_still(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = scanned(bytes.chunks(7));
        let _ = Spans::new(&bytes).count();
    }
}
