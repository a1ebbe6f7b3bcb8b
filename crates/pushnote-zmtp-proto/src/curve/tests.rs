use super::*;
use crate::command::put_ping;
use crate::frame::{COMMAND, MORE, put_frame};
use crate::scan::ScanError;
use bytes::BytesMut;
use proptest::prelude::*;

const FRAME_BYTES_MAX: usize = 100_000;

/// A handshake with every command that passed.
struct Talk {
    server: KeyPair,
    client: KeyPair,
    greeted: client::Greeted,
    welcomed: server::Welcomed,
    initiated: client::Initiated,
    hello: Vec<u8>,
    welcome: Vec<u8>,
    initiate: Vec<u8>,
    ready: Vec<u8>,
    at_client: Session,
    at_server: Session,
}

fn talk() -> Talk {
    let [server, client] = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let (hello, greeted) = client::hello(&server.public).unwrap();
    let (welcome, welcomed) = server::welcome(&server, &hello).unwrap();
    let (initiate, initiated) =
        greeted.initiate(&client, &server.public, &welcome, b"of the client").unwrap();
    let accepted = welcomed.initiate(&server, &initiate).unwrap();
    assert_eq!((accepted.client, &accepted.metadata[..]), (client.public, &b"of the client"[..]));
    let (ready, at_server) = accepted.ready(b"of the server");
    let (metadata, at_client) = initiated.ready(&ready).unwrap();
    assert_eq!(metadata, b"of the server");
    Talk {
        server,
        client,
        greeted,
        welcomed,
        initiated,
        hello,
        welcome,
        initiate,
        ready,
        at_client,
        at_server,
    }
}

fn sealed(sealer: &mut Sealer, run: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    sealer.seal(run, &mut out);
    out
}

fn opened(opener: &mut Opener, input: &[u8]) -> Result<BytesMut, ScanError> {
    let mut out = BytesMut::new();
    opener.open(&mut BytesMut::from(input), &mut out, FRAME_BYTES_MAX).map(|()| out)
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(&mut out, flags, body);
    out
}

/// Every cut, every extension and every changed bit.
fn damaged(command: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let cuts = (0..command.len()).map(|len| command[..len].to_vec());
    let flips = (0..command.len() * 8).map(|bit| {
        let mut changed = command.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        changed
    });
    cuts.chain(flips).chain([[command, &[0]].concat()])
}

#[test]
fn commands_have_the_rfcs_lengths() {
    let talk = talk();
    assert_eq!(6 + talk.hello.len(), 200);
    assert_eq!(8 + talk.welcome.len(), 168);
    assert_eq!(9 + talk.initiate.len(), 257 + b"of the client".len());
    assert_eq!(6 + talk.ready.len(), 30 + b"of the server".len());
}

#[test]
fn frames_pass_both_ways_with_their_flags() {
    let Talk { mut at_client, mut at_server, .. } = talk();
    let mut run = [
        frame(MORE, b"part"),
        frame(0, b""),
        frame(0, &[7; 222]),
        frame(0, &[8; 223]),
        frame(0, &[9; 70_000]),
    ]
    .concat();
    let mut ping = BytesMut::new();
    put_ping(&mut ping, 5, b"");
    run.extend_from_slice(&ping);
    for _ in 0..2 {
        assert_eq!(opened(&mut at_server.opener, &sealed(&mut at_client.sealer, &run)).unwrap(), run);
        assert_eq!(opened(&mut at_client.opener, &sealed(&mut at_server.sealer, &run)).unwrap(), run);
    }
    let back = sealed(&mut at_client.sealer, &run);
    assert!(opened(&mut at_client.opener, &back).is_err(), "what one says is not for itself");
}

#[test]
fn every_damaged_handshake_command_is_refused() {
    let talk = talk();
    for hello in damaged(&talk.hello) {
        assert!(server::welcome(&talk.server, &hello).is_err(), "{hello:?}");
    }
    for welcome in damaged(&talk.welcome) {
        assert!(
            talk.greeted.initiate(&talk.client, &talk.server.public, &welcome, b"").is_err(),
            "{welcome:?}"
        );
    }
    for initiate in damaged(&talk.initiate) {
        assert!(talk.welcomed.initiate(&talk.server, &initiate).is_err(), "{initiate:?}");
    }
    for ready in damaged(&talk.ready) {
        assert!(talk.initiated.ready(&ready).is_err(), "{ready:?}");
    }
}

#[test]
fn every_damaged_message_is_refused() {
    let Talk { mut at_client, mut at_server, .. } = talk();
    let message = sealed(&mut at_client.sealer, &frame(0, b"text"));
    let (head, sealed) = message.split_at(2);
    assert_eq!(head, [0, sealed.len() as u8]);
    for damaged in damaged(sealed) {
        assert!(opened(&mut at_server.opener, &frame(0, &damaged)).is_err(), "{damaged:?}");
    }
    for cut in 0..message.len() {
        assert_eq!(opened(&mut at_server.opener, &message[..cut]).unwrap(), b""[..], "the rest may come");
    }
    let as_command = frame(COMMAND, sealed);
    assert_eq!(opened(&mut at_server.opener, &as_command).unwrap(), frame(0, b"text"), "RFC 37 has it so");
}

#[test]
fn who_has_another_servers_key_is_told_apart() {
    let talk = talk();
    let other = KeyPair::generate().unwrap();
    assert_eq!(server::welcome(&other, &talk.hello).unwrap_err(), CurveError::Forged("HELLO"));
    let (welcome, _) = server::welcome(&talk.server, &talk.hello).unwrap();
    let (_, greeted) = client::hello(&other.public).unwrap();
    let answer = greeted.initiate(&talk.client, &other.public, &welcome, b"");
    assert_eq!(answer.unwrap_err(), CurveError::Forged("WELCOME"));
}

#[test]
fn nobody_passes_for_a_client_whose_secret_key_it_lacks() {
    let talk = talk();
    let liar = KeyPair { public: talk.client.public, secret: KeyPair::generate().unwrap().secret };
    let (initiate, _) = talk.greeted.initiate(&liar, &talk.server.public, &talk.welcome, b"").unwrap();
    assert_eq!(talk.welcomed.initiate(&talk.server, &initiate).unwrap_err(), CurveError::Forged("INITIATE"));
}

#[test]
fn a_vouch_holds_for_one_server_and_a_cookie_for_one_connection() {
    let talk = talk();
    let elsewhere = KeyPair::generate().unwrap().public;
    let (initiate, _) = talk.greeted.initiate(&talk.client, &elsewhere, &talk.welcome, b"").unwrap();
    assert_eq!(talk.welcomed.initiate(&talk.server, &initiate).unwrap_err(), CurveError::Forged("INITIATE"));
    let (_, welcomed) = server::welcome(&talk.server, &talk.hello).unwrap();
    assert_eq!(welcomed.initiate(&talk.server, &talk.initiate).unwrap_err(), CurveError::Forged("INITIATE"));
}

#[test]
fn initiates_nonce_follows_hellos() {
    let talk = talk();
    let mut initiate = talk.initiate.clone();
    initiate[COOKIE_BYTES..COOKIE_BYTES + 8].copy_from_slice(&1_u64.to_be_bytes());
    let refused = talk.welcomed.initiate(&talk.server, &initiate).unwrap_err();
    assert_eq!(refused, CurveError::Sequence("INITIATE"));
}

#[test]
fn keys_everybody_could_compute_are_refused() {
    let talk = talk();
    let mut hello = talk.hello.clone();
    hello[2 + PADDING_BYTES..][..KEY_BYTES].fill(0);
    assert_eq!(server::welcome(&talk.server, &hello).unwrap_err(), CurveError::Malformed("HELLO"));
    assert!(client::hello(&PublicKey::from_bytes([0; KEY_BYTES]).unwrap()).is_err());
}

#[test]
fn messages_repeated_or_reordered_are_refused() {
    let Talk { mut at_client, mut at_server, .. } = talk();
    let [first, second, third] =
        [b"1", b"2", b"3"].map(|body| sealed(&mut at_client.sealer, &frame(0, body)));
    let sequence = ScanError::Curve(CurveError::Sequence("MESSAGE"));
    assert!(opened(&mut at_server.opener, &first).is_ok());
    assert_eq!(opened(&mut at_server.opener, &first), Err(sequence));
    assert!(opened(&mut at_server.opener, &third).is_ok(), "nonces may leave numbers out");
    assert_eq!(opened(&mut at_server.opener, &second), Err(sequence));
}

#[test]
fn a_message_that_is_none_is_refused() {
    let Talk { mut at_server, .. } = talk();
    let mut refused = |bytes: &[u8]| opened(&mut at_server.opener, bytes).unwrap_err();
    let malformed = ScanError::Curve(CurveError::Malformed("MESSAGE"));
    assert_eq!(refused(&frame(0, &[1; MESSAGE_OVERHEAD_BYTES - 1])), malformed);
    assert_eq!(refused(&frame(COMMAND, &[1; MESSAGE_OVERHEAD_BYTES])), malformed);
    assert_eq!(refused(&frame(MORE, &[1; MESSAGE_OVERHEAD_BYTES])), ScanError::ReservedFlags(MORE));
    let mut head = BytesMut::new();
    crate::frame::put_head(&mut head, 0, FRAME_BYTES_MAX + MESSAGE_OVERHEAD_BYTES + 1);
    let too_large = ScanError::FrameTooLarge { announced: FRAME_BYTES_MAX as u64 + 1, max: FRAME_BYTES_MAX };
    assert_eq!(refused(&head), too_large, "before its body is there");
}

proptest! {
    #[test]
    fn frames_in_any_pieces_pass(
        bodies in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..600)), 1..8),
        size in 1_usize..700,
    ) {
        let Talk { mut at_client, mut at_server, .. } = talk();
        let frames = bodies.iter().map(|(more, body)| frame(u8::from(*more), body));
        let run = frames.collect::<Vec<_>>().concat();
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        for piece in sealed(&mut at_client.sealer, &run).chunks(size) {
            input.extend_from_slice(piece);
            at_server.opener.open(&mut input, &mut out, FRAME_BYTES_MAX).unwrap();
        }
        prop_assert!(input.is_empty() && out == run);
    }

    #[test]
    fn noise_is_refused_at_every_step(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let Talk { server, client, greeted, welcomed, initiated, mut at_server, .. } = talk();
        prop_assert!(server::welcome(&server, &noise).is_err());
        prop_assert!(greeted.initiate(&client, &server.public, &noise, b"").is_err());
        prop_assert!(welcomed.initiate(&server, &noise).is_err());
        prop_assert!(initiated.ready(&noise).is_err());
        let message = [&b"\x07MESSAGE"[..], &noise].concat();
        prop_assert!(opened(&mut at_server.opener, &frame(0, &message)).is_err());
    }
}
