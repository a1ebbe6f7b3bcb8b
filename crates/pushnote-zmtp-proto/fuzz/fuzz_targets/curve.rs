//! A peer that departs from CURVE at any step, in any way: no panic, and nothing it changed is taken for genuine.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use pushnote_zmtp_proto::security::Security;
use pushnote_zmtp_proto::command::put_command;
use pushnote_zmtp_proto::curve::{KeyPair, Session, client, server};
use pushnote_zmtp_proto::frame::put_frame;
use pushnote_zmtp_proto::handshake::{Handshake, SocketType};

const FRAME_BYTES_MAX: usize = 400;

fuzz_target!(|data: &[u8]| {
    let [step, size, noise @ ..] = data else { return };
    let pair = || KeyPair::generate().expect("randomness");
    let (at_server, at_client) = (pair(), pair());
    match step % 3 {
        0 => depart(&at_server, &at_client, step / 3, usize::from(*size).max(1), noise),
        1 => change_commands(&at_server, &at_client, noise),
        _ => change_messages(&at_server, &at_client, usize::from(*size).max(1), noise),
    }
});

/// Both roles as connections have them: some sound commands, then noise in pieces.
fn depart(at_server: &KeyPair, at_client: &KeyPair, sound: u8, size: usize, noise: &[u8]) {
    let server = Security::curve_server(at_server.secret.clone(), None);
    let client = Security::curve_client(at_server.public, at_client.secret.clone());
    let mut ends = [(SocketType::Pub, server), (SocketType::Sub, client)]
        .map(|(kind, security)| (Handshake::new(kind).with_security(&security), BytesMut::new()));
    for turn in 0..sound % 12 {
        let [(one, to_one), (other, to_other)] = &mut ends;
        to_other.extend_from_slice(&one.output().split());
        to_one.extend_from_slice(&other.output().split());
        let (end, input) = if turn % 2 == 0 { (one, to_one) } else { (other, to_other) };
        end.advance(input).expect("a sound peer");
    }
    // Noise alone, and as the data of the command that is waited for.
    let [(one, mut to_one), (other, mut to_other)] = ends;
    let name = ["HELLO", "WELCOME", "INITIATE", "READY", "ERROR"][usize::from(sound) % 5];
    put_command(&mut to_other, name, noise);
    for (mut end, mut input) in [(one, &mut to_one), (other, &mut to_other)] {
        for piece in noise.chunks(size) {
            input.extend_from_slice(piece);
            if !matches!(end.advance(&mut input), Ok(None)) {
                break;
            }
        }
        assert!(end.output().len() < 1000, "{} bytes of answer", end.output().len());
    }
}

/// `sound` with noise on it; whether that changed anything.
fn changed(sound: &[u8], noise: &[u8]) -> (Vec<u8>, bool) {
    let mut bytes = sound.to_vec();
    bytes.iter_mut().zip(noise).for_each(|(byte, noise)| *byte ^= noise);
    bytes.extend(noise.iter().skip(sound.len()));
    let is_changed = bytes != sound;
    (bytes, is_changed)
}

fn change_commands(at_server: &KeyPair, at_client: &KeyPair, noise: &[u8]) {
    let (hello, greeted) = client::hello(&at_server.public).expect("a key");
    let (bytes, is_changed) = changed(&hello, noise);
    assert_eq!(server::welcome(at_server, &bytes).is_err(), is_changed, "HELLO");

    let (welcome, welcomed) = server::welcome(at_server, &hello).expect("a sound HELLO");
    let (bytes, is_changed) = changed(&welcome, noise);
    assert_eq!(greeted.initiate(at_client, &at_server.public, &bytes, b"").is_err(), is_changed, "WELCOME");

    let (initiate, initiated) =
        greeted.initiate(at_client, &at_server.public, &welcome, b"metadata").expect("a sound WELCOME");
    let (bytes, is_changed) = changed(&initiate, noise);
    assert_eq!(welcomed.initiate(at_server, &bytes).is_err(), is_changed, "INITIATE");

    let (ready, _) = welcomed.initiate(at_server, &initiate).expect("a sound INITIATE").ready(b"metadata");
    let (bytes, is_changed) = changed(&ready, noise);
    assert_eq!(initiated.ready(&bytes).is_err(), is_changed, "READY");
}

fn sessions(at_server: &KeyPair, at_client: &KeyPair) -> [Session; 2] {
    let (hello, greeted) = client::hello(&at_server.public).expect("a key");
    let (welcome, welcomed) = server::welcome(at_server, &hello).expect("a sound HELLO");
    let (initiate, initiated) =
        greeted.initiate(at_client, &at_server.public, &welcome, b"").expect("a sound WELCOME");
    let (ready, session) = welcomed.initiate(at_server, &initiate).expect("a sound INITIATE").ready(b"");
    [session, initiated.ready(&ready).expect("a sound READY").1]
}

/// Three frames with noise on them: what comes out is a beginning of what went in.
fn change_messages(at_server: &KeyPair, at_client: &KeyPair, size: usize, noise: &[u8]) {
    let [mut ours, mut theirs] = sessions(at_server, at_client);
    let mut run = Vec::new();
    for (flags, length) in [(1, 5), (0, 300), (4, 9)] {
        put_frame(&mut run, flags, &vec![7; length]);
    }
    let mut sealed = BytesMut::new();
    ours.sealer.seal(&run, &mut sealed);
    let (bytes, _) = changed(&sealed, noise);
    let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
    for piece in bytes.chunks(size) {
        input.extend_from_slice(piece);
        if theirs.opener.open(&mut input, &mut out, FRAME_BYTES_MAX).is_err() {
            break;
        }
    }
    assert!(run.starts_with(&out), "something else came out");
}
