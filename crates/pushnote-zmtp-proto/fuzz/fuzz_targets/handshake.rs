//! Any bytes from a peer in any pieces: no panic, the same outcome, the same answer and the same rest, and never more
//! than a few bytes of answer.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pushnote_zmtp_proto::handshake::{Handshake, HandshakeError, Peer, SocketType};

fuzz_target!(|data: &[u8]| {
    let [local, shape, rest @ ..] = data else { return };
    let kinds = [SocketType::Pub, SocketType::Sub, SocketType::Xpub, SocketType::Xsub];
    let local = kinds[usize::from(local % 4)];
    // Noise seldom gets past the greeting: half of the inputs begin behind one.
    let mut stream = Vec::new();
    if shape & 1 == 1 {
        stream.extend_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, shape >> 7]);
        stream.extend_from_slice(b"NULL");
        stream.resize(64, 0);
    }
    stream.extend_from_slice(rest);
    let whole = greet(local, &stream, usize::MAX);
    assert_eq!(whole, greet(local, &stream, 1), "byte by byte");
});

type Outcome = (Result<Option<Peer>, HandshakeError>, Vec<u8>, Vec<u8>);

fn greet(local: SocketType, stream: &[u8], size: usize) -> Outcome {
    let (mut handshake, mut input, mut answer) = (Handshake::new(local), BytesMut::new(), Vec::new());
    let mut outcome = Ok(None);
    for piece in stream.chunks(size) {
        input.extend_from_slice(piece);
        if matches!(outcome, Ok(None)) {
            outcome = handshake.advance(&mut input);
            answer.extend_from_slice(&handshake.output().split());
        }
    }
    assert!(answer.len() < 200, "{} bytes of answer", answer.len());
    if outcome.is_err() {
        input.clear(); // nobody looks at what follows a refusal
    }
    (outcome, answer, input.to_vec())
}
