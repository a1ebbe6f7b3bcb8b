use super::tests::{feed_to, greeting, meet};
use super::*;
use crate::curve::{CurveError, KeyPair, SecretKey};
use crate::security::{Clients, Right};

fn secret() -> SecretKey {
    KeyPair::generate().unwrap().secret
}

/// A server, and a client that knows its key.
fn pair(clients: impl FnOnce(PublicKey) -> Option<Clients>) -> (Security, Security, [PublicKey; 2]) {
    let (server, client) = (secret(), secret());
    let keys = [server.public_key(), client.public_key()];
    let server = Security::curve_server(server, clients(keys[1]));
    (server, Security::curve_client(keys[0], client), keys)
}

fn with(local: SocketType, security: &Security) -> Handshake {
    Handshake::new(local).with_security(security)
}

/// What becomes of a PUB and a SUB.
fn outcome(publisher: &Security, subscriber: &Security) -> [Result<Option<Peer>, HandshakeError>; 2] {
    meet(&mut with(SocketType::Pub, publisher), &mut with(SocketType::Sub, subscriber), 1000)
}

#[test]
fn both_roles_meet_in_any_pieces_and_know_each_other() {
    let (server, client, [server_key, client_key]) = pair(|_| None);
    for step in [1, 7, 1000] {
        let mut publisher = with(SocketType::Pub, &server).with_property("X-Here", b"server");
        let mut subscriber = with(SocketType::Sub, &client).with_property("X-Here", b"client");
        let [at_publisher, at_subscriber] =
            meet(&mut publisher, &mut subscriber, step).map(|peer| peer.unwrap().unwrap());
        assert_eq!((at_publisher.kind, at_publisher.key), (SocketType::Sub, Some(client_key)));
        assert_eq!((at_subscriber.kind, at_subscriber.key), (SocketType::Pub, Some(server_key)));
        assert_eq!(at_publisher.property("x-here").unwrap(), &b"client"[..]);
        assert_eq!(at_subscriber.property("x-here").unwrap(), &b"server"[..]);

        let (mut ours, mut theirs) = (publisher.take_session().unwrap(), subscriber.take_session().unwrap());
        let (mut sealed, mut opened) = (BytesMut::new(), BytesMut::new());
        ours.sealer.seal(b"\0\x02hi", &mut sealed);
        theirs.opener.open(&mut sealed, &mut opened, 2).unwrap();
        assert_eq!(opened, b"\0\x02hi"[..]);
    }
}

#[test]
fn a_client_may_be_the_publisher() {
    let (server, client, _) = pair(|_| None);
    assert!(outcome(&client, &server).iter().all(|peer| matches!(peer, Ok(Some(_)))));
}

#[test]
fn the_wrong_servers_key_is_named_on_both_sides() {
    let (server, ..) = pair(|_| None);
    let (_, client, _) = pair(|_| None);
    let [at_server, at_client] = outcome(&server, &client);
    assert_eq!(at_server, Err(HandshakeError::Curve(CurveError::Forged("HELLO"))));
    assert_eq!(at_client, Err(HandshakeError::Refused("wrong-server-key".into())));
}

#[test]
fn clients_need_the_right_for_what_they_do() {
    for (right, other) in [(Right::Publish, Right::Subscribe), (Right::Subscribe, Right::Publish)] {
        let (server, client, [_, key]) = pair(|key| {
            let mut clients = Clients::default();
            clients.add(key, right);
            Some(clients)
        });
        let (allowed, refused) = match right {
            Right::Publish => (outcome(&client, &server), outcome(&server, &client)),
            Right::Subscribe => (outcome(&server, &client), {
                let [at_client, at_server] = outcome(&client, &server);
                [at_server, at_client]
            }),
        };
        assert!(allowed.iter().all(|peer| matches!(peer, Ok(Some(_)))), "{allowed:?}");
        assert_eq!(refused[0], Err(HandshakeError::NotAllowed { client: key, right: other }));
        assert_eq!(refused[1], Err(HandshakeError::Refused("400".into())));
    }
    let (server, client, [_, key]) = pair(|_| Some(Clients::default()));
    let right = Right::Subscribe;
    assert_eq!(outcome(&server, &client)[0], Err(HandshakeError::NotAllowed { client: key, right }));
}

#[test]
fn one_that_wants_curve_takes_nothing_less() {
    let (server, client, _) = pair(|_| None);
    for curve in [&server, &client] {
        let [with_curve, without] = outcome(curve, &Security::Null);
        assert_eq!(with_curve, Err(HandshakeError::Mechanism { theirs: "NULL".into(), ours: "CURVE" }));
        assert_eq!(without, Err(HandshakeError::Mechanism { theirs: "CURVE".into(), ours: "NULL" }));

        let refused = |bytes: &[u8]| {
            let mut handshake = with(SocketType::Sub, curve);
            let (outcome, sent, _) = feed_to(&mut handshake, bytes);
            assert!(sent.len() <= GREETING_BYTES, "nothing of ours is given away");
            outcome.unwrap_err()
        };
        let plain = HandshakeError::Mechanism { theirs: "PLAIN".into(), ours: "CURVE" };
        assert_eq!(refused(&greeting(1, b"PLAIN")), plain);
        assert_eq!(refused(&[&SIGNATURE[..], &[1, 1]].concat()), HandshakeError::Unencrypted("ZMTP 2.0"));
        assert_eq!(refused(b"\x01\0"), HandshakeError::Unencrypted("ZMTP 1.0"));
        assert!(
            matches!(refused(b"GET / HTTP"), HandshakeError::NotZmtp(begin) if "GET / HTTP".starts_with(&begin))
        );
    }
}

#[test]
fn a_server_and_a_client_are_needed() {
    let (server, client, _) = pair(|_| None);
    assert_eq!(outcome(&server, &server)[0], Err(HandshakeError::SameRole("server")));
    assert_eq!(outcome(&client, &client)[0], Err(HandshakeError::SameRole("client")));
}

#[test]
fn sockets_that_do_not_match_are_refused() {
    let (server, client, _) = pair(|_| None);
    let [at_server, at_client] =
        meet(&mut with(SocketType::Pub, &server), &mut with(SocketType::Pub, &client), 1000);
    assert_eq!(at_server, Err(HandshakeError::SocketType("PUB".into())));
    assert_eq!(at_client, Err(HandshakeError::Refused("Invalid socket type".into())));
}

#[test]
fn commands_out_of_turn_are_refused() {
    let (server, client, _) = pair(|_| None);
    for security in [&server, &client] {
        for name in ["READY", "INITIATE", "MESSAGE", "WELCOME"] {
            let mut bytes = BytesMut::from(&greeting(1, b"CURVE")[..]);
            put_command(&mut bytes, name, &[0; 200]);
            let (outcome, ..) = feed_to(&mut with(SocketType::Sub, security), &bytes);
            assert!(
                matches!(outcome, Err(HandshakeError::Malformed | HandshakeError::Curve(_))),
                "{outcome:?}"
            );
        }
    }
}
