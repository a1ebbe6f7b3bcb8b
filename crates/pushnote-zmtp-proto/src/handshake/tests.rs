use super::*;
use crate::frame::{COMMAND, LONG};

/// Lets two handshakes talk, `step` bytes at a time.
pub(super) fn meet(
    left: &mut Handshake,
    right: &mut Handshake,
    step: usize,
) -> [Result<Option<Peer>, HandshakeError>; 2] {
    let (mut to_left, mut to_right) = (BytesMut::new(), BytesMut::new());
    let mut outcome = [Ok(None), Ok(None)];
    for _ in 0..1200 {
        let out = left.output().len().min(step);
        to_right.extend_from_slice(&left.output().split_to(out));
        let out = right.output().len().min(step);
        to_left.extend_from_slice(&right.output().split_to(out));
        if outcome[0].is_ok() {
            outcome[0] = left.advance(&mut to_left);
        }
        if outcome[1].is_ok() {
            outcome[1] = right.advance(&mut to_right);
        }
    }
    outcome
}

/// Feeds bytes one by one; gives what came of it, what was sent, and what is left.
fn feed(local: SocketType, bytes: &[u8]) -> (Result<Option<Peer>, HandshakeError>, Vec<u8>, usize) {
    feed_to(&mut Handshake::new(local), bytes)
}

pub(super) fn feed_to(
    handshake: &mut Handshake,
    bytes: &[u8],
) -> (Result<Option<Peer>, HandshakeError>, Vec<u8>, usize) {
    let mut input = BytesMut::new();
    for (at, byte) in bytes.iter().enumerate() {
        input.put_u8(*byte);
        match handshake.advance(&mut input) {
            Ok(None) => {}
            over => return (over, handshake.out.to_vec(), input.len() + bytes.len() - at - 1),
        }
    }
    (Ok(None), handshake.out.to_vec(), input.len())
}

pub(super) fn greeting(minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut bytes = [&SIGNATURE[..], &[3, minor], mechanism].concat();
    bytes.resize(GREETING_BYTES, 0);
    bytes
}

fn ready(kind: &str) -> Vec<u8> {
    let mut data = b"\x08Identity\0\0\0\0\x0bsocket-TYPE\0\0\0".to_vec();
    data.push(kind.len() as u8);
    data.extend_from_slice(kind.as_bytes());
    let mut out = BytesMut::new();
    put_command(&mut out, "READY", &data);
    out.to_vec()
}

#[test]
fn every_pair_of_types_meets_or_refuses() {
    for left in SocketType::ALL {
        for right in SocketType::ALL {
            for step in [1, 7, 1000] {
                let [one, other] = meet(&mut Handshake::new(left), &mut Handshake::new(right), step);
                assert_eq!(left.goes_with(right), right.goes_with(left));
                if left.goes_with(right) {
                    assert_eq!(one, Ok(Some(Peer::new(Version::V3_1, right))));
                    assert_eq!(other, Ok(Some(Peer::new(Version::V3_1, left))));
                } else {
                    assert!(matches!(one, Err(HandshakeError::SocketType(_))), "{one:?}");
                    assert!(other.is_err());
                }
            }
        }
    }
}

#[test]
fn applications_tell_each_other_properties() {
    let mut left =
        Handshake::new(SocketType::Sub).with_property("X-Here", b"\0any\xff").with_property("X-Empty", b"");
    let [_, peer] = meet(&mut left, &mut Handshake::new(SocketType::Pub), 3);
    let peer = peer.unwrap().unwrap();
    assert_eq!(peer.property("x-here").map(|value| &value[..]), Some(&b"\0any\xff"[..]));
    assert_eq!(peer.property("x-empty").map(|value| &value[..]), Some(&b""[..]));
    assert_eq!(peer.property("socket-type"), None, "that is not an application's");
}

#[test]
fn older_minor_versions_are_told_apart() {
    for (minor, version) in [(0, Version::V3_0), (1, Version::V3_1), (9, Version::V3_1)] {
        let bytes = [greeting(minor, b"NULL"), ready("XPUB"), b"rest".to_vec()].concat();
        let (outcome, _, left) = feed(SocketType::Sub, &bytes);
        assert_eq!(outcome, Ok(Some(Peer::new(version, SocketType::Xpub))));
        assert_eq!(left, 4, "what follows is not ours");
    }
}

#[test]
fn zmtp_2_gets_type_and_identity() {
    let bytes = [&SIGNATURE[..], &[1, 2], &[0, 3], b"abc", b"\0\x01\x01"].concat();
    let (outcome, sent, left) = feed(SocketType::Pub, &bytes);
    assert_eq!(outcome, Ok(Some(Peer::new(Version::V2_0, SocketType::Sub))));
    assert_eq!(sent, [&SIGNATURE[..], &[3], &[1, 0, 0]].concat());
    assert_eq!(left, 3, "its subscription");
    let (outcome, ..) = feed(SocketType::Pub, &[&SIGNATURE[..], &[1, 1]].concat());
    assert_eq!(outcome, Err(HandshakeError::SocketType("1".into())));
}

#[test]
fn zmtp_1_begins_with_an_identity() {
    for (bytes, left) in
        [(&b"\x01\0"[..], 0), (b"\x01\x7e", 0), (b"\x01\0\x33\0{", 3), (b"\x05\0abcd\x02\0x", 3)]
    {
        let (outcome, sent, rest) = feed(SocketType::Sub, bytes);
        assert_eq!(outcome, Ok(Some(Peer::new(Version::V1_0, SocketType::Pub))));
        assert_eq!((&sent[..], rest), (&SIGNATURE[..], left), "the signature is an identity to it");
    }
}

#[test]
fn other_protocols_are_refused_by_their_first_bytes() {
    let null = [&[0xff; 9][..], &[0]].concat();
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"\x16\x03\x01\x02\0", b"SSH-2.0", b"\0\0", b"\r\n", &null] {
        assert!(matches!(feed(SocketType::Sub, bytes).0, Err(HandshakeError::NotZmtp(_))), "{bytes:?}");
    }
}

#[test]
fn versions_and_mechanisms_nobody_speaks_are_named() {
    let zero = [&SIGNATURE[..], &[0]].concat();
    assert_eq!(feed(SocketType::Sub, &zero).0, Err(HandshakeError::Version(0)));
    let (outcome, ..) = feed(SocketType::Sub, &greeting(0, b"PLAIN"));
    assert_eq!(outcome, Err(HandshakeError::Mechanism { theirs: "PLAIN".into(), ours: "NULL" }));
}

#[test]
fn a_ready_that_is_none_is_refused() {
    let bodies: [&[u8]; 6] = [
        b"\x05READY",                                // no socket type
        b"\x05READY\x0bSocket-Type\0\0\xff",         // cut
        b"\x05READY\x0bSocket-Type\xff\xff\xff\xff", // longer than there is
        b"\x05HELLO",
        b"\xffREADY",
        b"",
    ];
    for body in bodies {
        let frame = [&[COMMAND, body.len() as u8], body].concat();
        let (outcome, ..) = feed(SocketType::Sub, &[greeting(1, b"NULL"), frame].concat());
        assert_eq!(outcome, Err(HandshakeError::Malformed), "{body:?}");
    }
    for head in
        [&[0, 0][..], &[COMMAND | crate::frame::MORE, 0], &[COMMAND | LONG, 0, 0, 0, 0, 0, 0, 0x10, 1]]
    {
        let (outcome, ..) = feed(SocketType::Sub, &[&greeting(1, b"NULL")[..], head].concat());
        assert_eq!(outcome, Err(HandshakeError::Malformed), "{head:?}");
    }
}

#[test]
fn the_peers_refusal_is_repeated_without_control_characters() {
    let mut out = BytesMut::new();
    put_command(&mut out, "ERROR", b"\x08no\nway\x1b!");
    let (outcome, ..) = feed(SocketType::Sub, &[&greeting(1, b"NULL")[..], &out].concat());
    assert_eq!(outcome, Err(HandshakeError::Refused("no.way.!".into())));
}
