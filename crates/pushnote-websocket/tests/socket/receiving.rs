use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use pushnote_websocket::encode::{Frame, Opcode};
use pushnote_websocket::{Cause, Event, Socket, SocketOptions, close_code, encode};
use tokio::io::AsyncWriteExt;

use crate::peer::{Got, Peer, connect, connect_narrow, run, streams};

#[tokio::test]
async fn messages_and_pings_are_answered_in_order() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let run = tokio::spawn(driver.run(move |message| {
        match message {
            Event::Text(text) => socket.send(&encode::text(text)).unwrap(),
            Event::Binary(bytes) => socket.send(&encode::binary(bytes)).unwrap(),
            Event::Room => panic!("nothing was refused"),
        }
        ControlFlow::Continue(())
    }));
    let mut bytes = BytesMut::new();
    let mask = [9, 8, 7, 6];
    Frame::new(Opcode::Ping, b"1").append_masked(&mut bytes, mask);
    Frame { fin: false, opcode: Opcode::Text, payload: b"tw" }.append_masked(&mut bytes, mask);
    Frame::new(Opcode::Ping, b"3").append_masked(&mut bytes, mask);
    Frame::new(Opcode::Continuation, b"o").append_masked(&mut bytes, mask);
    Frame::new(Opcode::Pong, b"ignored").append_masked(&mut bytes, mask);
    Frame::new(Opcode::Binary, b"four").append_masked(&mut bytes, mask);
    peer.send_raw(&bytes).await;
    let expected =
        [Got::Pong(b"1".into()), Got::Pong(b"3".into()), Got::text("two"), Got::Binary(b"four".into())];
    for expected in expected {
        assert_eq!(peer.next().await, expected);
    }
    run.abort();
}

#[tokio::test]
async fn bytes_read_with_the_request_come_first() {
    let (server, client) = streams().await;
    let mut peer = Peer::new(client);
    let mut ahead = BytesMut::new();
    Frame::new(Opcode::Text, b"Hello").append_masked(&mut ahead, [1, 2, 3, 4]);
    let rest = ahead.split_off(8);
    let (_socket, driver) = Socket::new(server, ahead.freeze(), Arc::default());
    let received = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&received);
    let run = tokio::spawn(driver.run(move |message| {
        *log.lock().unwrap() = format!("{message:?}");
        ControlFlow::Break((1000, "".into()))
    }));
    peer.send_raw(&rest).await;
    assert_eq!(peer.next().await, Got::close(1000, ""));
    assert_eq!(*received.lock().unwrap(), r#"Text("Hello")"#);
    run.abort();
}

#[tokio::test]
async fn a_close_frame_read_with_the_request() {
    let (server, client) = streams().await;
    let ahead = Bytes::from_static(&[0x88, 0x80, 0, 0, 0, 0]);
    let (_socket, driver) = Socket::new(server, ahead, Arc::default());
    assert_eq!(run(driver).await.unwrap().cause, Cause::PeerClosed);
    assert_eq!(Peer::new(client).next().await, Got::close(1005, ""));
}

#[tokio::test]
async fn errors_are_answered_and_what_follows_is_discarded() {
    let cases: [(&[u8], u16); 3] = [
        (&[0x81, 0x01, b'x'], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        (&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1], 1009),
    ];
    for (bytes, code) in cases {
        let (_socket, driver, mut peer) = connect(SocketOptions::default()).await;
        let run = run(driver);
        peer.send_raw(bytes).await;
        peer.send_raw(&[0x55; 100_000]).await;
        let Got::Close(got, reason) = peer.next().await else { panic!("no close frame") };
        assert_eq!(got, code);
        assert!(!reason.is_empty());
        assert_eq!(peer.next().await, Got::Fin);
        drop(peer);
        let disconnected = run.await.unwrap();
        assert_eq!((disconnected.cause, disconnected.code), (Cause::ProtocolError, code));
        assert!(!disconnected.clean);
    }
}

/// Pongs that nobody takes are left out, and what was sent before is not lost for them.
#[tokio::test]
async fn a_peer_that_only_pings_and_never_reads_holds_one_outbox() {
    const OUTBOX: usize = 10_000;
    let options = SocketOptions { outbox_bytes_max: OUTBOX, ..SocketOptions::default() };
    let (socket, driver, mut peer) = connect_narrow(options).await;
    let run = run(driver);
    let mut pings = BytesMut::new();
    for _ in 0..50 {
        Frame::new(Opcode::Ping, &[b'p'; 125]).append_masked(&mut pings, [1, 2, 3, 4]);
    }
    let all = 20 * 1024 * 1024 / pings.len();
    for _ in 0..all {
        peer.stream.write_all(&pings).await.unwrap();
        // A batch of pongs goes into an empty outbox whole.
        assert!(socket.queued_bytes() <= OUTBOX + 64 * 1024);
    }
    assert!(socket.queued_bytes() > 0, "the kernel took it all; nothing was tested");
    socket.close(close_code::NORMAL, "");
    let mut pongs = 0;
    while peer.next().await == Got::Pong(vec![b'p'; 125]) {
        pongs += 1;
    }
    assert!(pongs < 50 * all, "{pongs} pongs");
    drop(peer);
    run.await.unwrap();
}
