use std::ops::ControlFlow;

use pushnote_websocket::encode::Opcode;
use pushnote_websocket::{Cause, Disconnected, SocketError, SocketOptions, close_code, encode};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;

use crate::peer::{Clock, Got, connect, connect_narrow, run};

fn disconnected(cause: Cause, code: u16, reason: &str, clean: bool) -> Disconnected {
    Disconnected { code, reason: reason.into(), clean, cause }
}

#[tokio::test]
async fn we_close_behind_what_is_queued() {
    let (socket, driver, mut peer) = connect_narrow(SocketOptions::default()).await;
    let run = run(driver);
    let frame = encode::text(&"x".repeat(10_000));
    for _ in 0..10 {
        socket.send(&frame).unwrap();
    }
    socket.close(close_code::GOING_AWAY, "restart");
    socket.close(close_code::NORMAL, "too late");
    assert_eq!(socket.send(&frame), Err(SocketError::Closed));
    for _ in 0..10 {
        assert!(matches!(peer.next().await, Got::Text(_)));
    }
    assert_eq!(peer.next().await, Got::close(1001, "restart"));
    peer.send(Opcode::Text, b"sent before the close frame was seen").await;
    peer.send_close(1001, "").await;
    assert_eq!(peer.next().await, Got::Fin);
    assert_eq!(run.await.unwrap(), disconnected(Cause::WeClosed, 1001, "restart", true));
}

#[tokio::test]
async fn the_peer_closes() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let run = run(driver);
    peer.send_close(4000, "done").await;
    assert_eq!(peer.next().await, Got::close(4000, "done"));
    assert_eq!(peer.next().await, Got::Fin);
    assert_eq!(run.await.unwrap(), disconnected(Cause::PeerClosed, 4000, "done", true));
    assert_eq!(socket.send(&encode::text("x")), Err(SocketError::Closed));
}

#[tokio::test]
async fn the_peer_closes_without_a_code_and_hangs_up() {
    let (_socket, driver, mut peer) = connect(SocketOptions::default()).await;
    peer.send(Opcode::Close, b"").await;
    peer.stream.shutdown().await.unwrap();
    let run = run(driver);
    assert_eq!(peer.next().await, Got::close(close_code::NO_STATUS, ""));
    assert_eq!(peer.next().await, Got::Fin);
    assert_eq!(run.await.unwrap(), disconnected(Cause::PeerClosed, 1005, "", true));
}

#[tokio::test]
async fn the_peer_hangs_up() {
    let (_socket, driver, peer) = connect(SocketOptions::default()).await;
    let run = run(driver);
    drop(peer);
    assert_eq!(run.await.unwrap(), disconnected(Cause::Reset, 1006, "", false));
}

#[tokio::test]
async fn the_peer_resets() {
    let (socket, driver, peer) = connect(SocketOptions::default()).await;
    let run = run(driver);
    SockRef::from(&peer.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(run.await.unwrap().cause, Cause::Reset);
    assert_eq!(socket.send(&encode::text("x")), Err(SocketError::Closed));
}

#[tokio::test]
async fn a_send_finds_the_stream_broken() {
    let (socket, driver, peer) = connect(SocketOptions::default()).await;
    SockRef::from(&peer.stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    while socket.send(&encode::text("x")).is_ok() {}
    assert_eq!(socket.send(&encode::text("x")), Err(SocketError::Closed));
    assert_eq!(run(driver).await.unwrap(), disconnected(Cause::Reset, 1006, "", false));
}

#[tokio::test]
async fn the_peer_does_not_answer_our_close() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let clock = Clock::stop();
    let run = run(driver);
    socket.close(close_code::NORMAL, "bye");
    assert_eq!(peer.next().await, Got::close(1000, "bye"));
    clock.advance(4).await;
    peer.send(Opcode::Text, b"no answer").await;
    assert!(!run.is_finished());
    clock.advance(1).await;
    assert_eq!(run.await.unwrap(), disconnected(Cause::CloseTimeout, 1000, "bye", false));
}

#[tokio::test]
async fn a_process_that_stood_still_waits_anew_for_the_answer_to_its_close() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let clock = Clock::stop();
    let run = run(driver);
    socket.close(close_code::NORMAL, "bye");
    assert_eq!(peer.next().await, Got::close(1000, "bye"));
    clock.advance(40).await;
    tokio::task::yield_now().await;
    assert!(!run.is_finished());
    peer.send_close(1000, "").await;
    assert_eq!(run.await.unwrap(), disconnected(Cause::WeClosed, 1000, "bye", true));
}

#[tokio::test]
async fn the_handler_closes() {
    let (_socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let mut messages = 0;
    let run = tokio::spawn(driver.run(move |_| {
        messages += 1;
        assert_eq!(messages, 1, "called after it broke off");
        ControlFlow::Break((4001, "enough".into()))
    }));
    for _ in 0..3 {
        peer.send(Opcode::Text, b"x").await;
    }
    assert_eq!(peer.next().await, Got::close(4001, "enough"));
    peer.send_close(4001, "").await;
    assert_eq!(run.await.unwrap(), disconnected(Cause::WeClosed, 4001, "enough", true));
}

#[tokio::test]
async fn both_close_at_once() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    peer.send_close(4000, "peer").await;
    socket.close(4001, "we");
    assert_eq!(run(driver).await.unwrap(), disconnected(Cause::WeClosed, 4001, "we", true));
    assert_eq!(peer.next().await, Got::close(4001, "we"));
    assert_eq!(peer.next().await, Got::Fin);
}

#[tokio::test]
async fn a_dropped_driver_ends_the_connection() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let run = run(driver);
    socket.send(&encode::text("x")).unwrap();
    assert_eq!(peer.next().await, Got::text("x"));
    run.abort();
    assert_eq!(peer.next().await, Got::Fin);
    assert_eq!(socket.send(&encode::text("x")), Err(SocketError::Closed));
}
