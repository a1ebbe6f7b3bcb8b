//! Any bytes as ZMTP 1.0 frames in any pieces: no panic, the same frames and the same fault, and what was read comes
//! back unchanged when written and read again.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pushnote_zmtp_proto::scan::{Item, Limits, ScanError, Scanner};
use pushnote_zmtp_proto::v1::{decode, encode};

const FRAME_BYTES_MAX: usize = 400;

fuzz_target!(|stream: &[u8]| {
    let (frames, fault) = read(stream, usize::MAX);
    assert_eq!((frames.clone(), fault), read(stream, 1), "byte by byte");
    let limits = Limits {
        frame_bytes_max: FRAME_BYTES_MAX,
        message_bytes_max: usize::MAX,
        parts_max: usize::MAX,
        commands: false,
    };
    if let Ok(Item::Messages { bytes, .. }) = Scanner::new(limits).scan(&frames) {
        let (again, fault) = read(&encode(&frames[..bytes]), usize::MAX);
        assert!(fault.is_none() && again == frames[..bytes]);
    }
});

fn read(stream: &[u8], size: usize) -> (BytesMut, Option<ScanError>) {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    for piece in stream.chunks(size) {
        input.extend_from_slice(piece);
        if let Err(fault) = decode(&mut input, &mut out, FRAME_BYTES_MAX) {
            return (out, Some(fault));
        }
    }
    (out, None)
}
