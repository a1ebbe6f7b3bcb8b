use pushnote_websocket::encode::Opcode;
use pushnote_websocket::{Cause, SocketOptions, close_code, encode};
use tokio::io::AsyncReadExt;
use tokio::task::yield_now;

use crate::peer::{Clock, Got, Peer, connect, connect_narrow, run};

#[tokio::test]
async fn silence_is_pinged_and_then_closed() {
    let (_socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let clock = Clock::stop();
    let run = run(driver);
    yield_now().await;
    clock.advance(25).await;
    assert_eq!(peer.next().await, Got::Ping);
    clock.advance(10).await;
    assert_eq!(peer.next().await, Got::close(close_code::NO_PONG, close_code::NO_PONG_REASON));
    clock.advance(5).await;
    let disconnected = run.await.unwrap();
    assert_eq!((disconnected.cause, disconnected.code), (Cause::NoPong, 3012));
    assert!(!disconnected.clean);
}

#[tokio::test]
async fn pongs_keep_the_connection() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let clock = Clock::stop();
    let run = run(driver);
    yield_now().await;
    for _ in 0..10 {
        clock.advance(25).await;
        assert_eq!(peer.next().await, Got::Ping);
        clock.advance(9).await;
        peer.send(Opcode::Pong, b"").await;
        // A round trip: the pong has been read.
        peer.send(Opcode::Ping, b"").await;
        assert_eq!(peer.next().await, Got::Pong(vec![]));
    }
    assert!(!run.is_finished());
    drop(socket);
    run.abort();
}

/// What a page's script sees: pings and pongs are none of it.
#[tokio::test]
async fn a_peer_that_is_sent_nothing_else_gets_the_idle_frame() {
    let idle_frame = Some(encode::text("h"));
    let (socket, driver, mut peer) = connect(SocketOptions { idle_frame, ..SocketOptions::default() }).await;
    let clock = Clock::stop();
    let run = run(driver);
    yield_now().await;
    // Signs of life put the ping off, and their answers are no news for a page.
    for _ in 0..3 {
        for _ in 0..2 {
            clock.advance(10).await;
            is_answered(&mut peer).await;
        }
        clock.advance(5).await;
        assert_eq!(peer.next().await, Got::text("h"));
    }
    clock.advance(10).await;
    is_answered(&mut peer).await;
    socket.send(&encode::text("news")).unwrap();
    assert_eq!(peer.next().await, Got::text("news"));
    clock.advance(15).await;
    is_answered(&mut peer).await;
    clock.advance(10).await;
    assert_eq!(peer.next().await, Got::text("h"));
    // It answers for nobody: a silent peer is found dead all the same.
    clock.advance(15).await;
    assert_eq!(peer.next().await, Got::Ping);
    clock.advance(10).await;
    assert_eq!(peer.next().await, Got::text("h"));
    assert_eq!(peer.next().await, Got::close(close_code::NO_PONG, close_code::NO_PONG_REASON));
    run.abort();
}

/// A pong comes back, and nothing before it.
async fn is_answered(peer: &mut Peer) {
    peer.send(Opcode::Ping, b"").await;
    assert_eq!(peer.next().await, Got::Pong(vec![]));
}

#[tokio::test]
async fn anything_that_arrives_puts_the_ping_off() {
    let (_socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let clock = Clock::stop();
    let run = run(driver);
    yield_now().await;
    for _ in 0..5 {
        clock.advance(20).await;
        peer.send(Opcode::Ping, b"mine").await;
        assert_eq!(peer.next().await, Got::Pong(b"mine".into()), "and no ping of the server's before");
    }
    clock.advance(25).await;
    assert_eq!(peer.next().await, Got::Ping);
    run.abort();
}

/// A silent peer that takes a big download slowly is alive; when the rest stays where it is, it is not.
#[tokio::test]
async fn a_slow_download_is_a_sign_of_life() {
    let (socket, driver, mut peer) = connect_narrow(SocketOptions::default()).await;
    let clock = Clock::stop();
    let run = run(driver);
    socket.send(&encode::binary(&vec![0; 1_000_000])).unwrap();
    let mut part = vec![0; 20_000];
    for _ in 0..20 {
        let before = socket.queued_bytes();
        // What the peer reads makes room, but the kernel tells so only when there is enough of it.
        while socket.queued_bytes() == before {
            let _ = peer.stream.try_read(&mut part);
            yield_now().await;
        }
        clock.advance(20).await;
        assert!(!run.is_finished());
    }
    assert!(socket.queued_bytes() > 0);
    // It is pinged, given up, and not waited for any longer; a clock that leaps would be a process that stood still.
    for step in [5, 10, 5] {
        clock.advance(step).await;
        yield_now().await;
    }
    assert_eq!(run.await.unwrap().cause, Cause::NoPong);
    drop(socket);
    while peer.stream.read(&mut part).await.is_ok_and(|count| count > 0) {}
}
