use std::ops::ControlFlow;
use std::sync::Arc;

use pushnote_websocket::encode::{Frames, FramesMut};
use pushnote_websocket::{Cause, Event, SocketError, SocketOptions, close_code, encode};

use crate::peer::{Clock, Got, connect, connect_narrow, run};

const MEGABYTE: usize = 1024 * 1024;

fn outbox(bytes_max: usize) -> SocketOptions {
    SocketOptions { outbox_bytes_max: bytes_max, ..SocketOptions::default() }
}

#[tokio::test]
async fn frames_are_written_by_whoever_sends_them() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    socket.send(&encode::text("one")).unwrap();
    let mut two = FramesMut::default();
    two.text("two");
    two.text("three");
    socket.send_all(&[two.freeze(), encode::binary(&[4])]).unwrap();
    assert_eq!(socket.queued_bytes(), 0, "the driver does not run");
    for expected in [Got::text("one"), Got::text("two"), Got::text("three"), Got::Binary(vec![4])] {
        assert_eq!(peer.next().await, expected);
    }
    drop(driver);
}

#[tokio::test]
async fn what_is_queued_leaves_first_and_not_before_the_driver_runs() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    socket.queue(&encode::text("first")).unwrap();
    socket.send(&encode::text("second")).unwrap();
    assert!(socket.queued_bytes() > 0, "nothing is written yet");
    let run = run(driver);
    assert_eq!(peer.next().await, Got::text("first"));
    assert_eq!(peer.next().await, Got::text("second"));
    socket.send(&encode::text("third")).unwrap();
    assert_eq!(peer.next().await, Got::text("third"));
    assert_eq!(socket.queued_bytes(), 0);
    drop(peer);
    run.await.unwrap();
}

#[tokio::test]
async fn a_thread_without_a_runtime_sends() {
    let (socket, driver, mut peer) = connect_narrow(SocketOptions::default()).await;
    let run = run(driver);
    let sender = Arc::clone(&socket);
    let thread = std::thread::spawn(move || {
        for number in 0..1000 {
            sender.send(&encode::text(&format!("{number:0>100}"))).unwrap();
        }
        sender.close(close_code::NORMAL, "");
    });
    for number in 0..1000 {
        assert_eq!(peer.next().await, Got::Text(format!("{number:0>100}")));
    }
    assert_eq!(peer.next().await, Got::close(1000, ""));
    peer.send_close(1000, "").await;
    assert!(run.await.unwrap().clean);
    thread.join().unwrap();
}

/// Sends of all sizes, alone and together, cut by the kernel in all places: everything arrives, in order.
#[tokio::test]
async fn order_outlives_partial_writes() {
    let (socket, driver, mut peer) = connect_narrow(outbox(16 * MEGABYTE)).await;
    let run = run(driver);
    let text = |number: usize| format!("{number}:{}", "x".repeat(number * 7919 % 5000));
    let mut number = 0;
    while number < 1500 {
        let frames: Vec<Frames> = (number..number + 1 + number % 3).map(|n| encode::text(&text(n))).collect();
        socket.send_all(&frames).unwrap();
        number += frames.len();
        if number.is_multiple_of(100) {
            // The driver, the kernel and the peer get ahead of us now and then.
            peer.stream.readable().await.unwrap();
        }
    }
    assert!(socket.queued_bytes() > 0, "the kernel took it all; nothing was tested");
    for expected in 0..number {
        assert_eq!(peer.next().await, Got::Text(text(expected)));
    }
    assert_eq!(socket.queued_bytes(), 0);
    run.abort();
}

#[tokio::test]
async fn more_buffers_than_one_write_takes() {
    let (socket, driver, mut peer) = connect(SocketOptions::default()).await;
    let run = run(driver);
    let frames: Vec<Frames> = (0..500).map(|number| encode::text(&number.to_string())).collect();
    socket.send_all(&frames).unwrap();
    for number in 0..500 {
        assert_eq!(peer.next().await, Got::Text(number.to_string()));
    }
    run.abort();
}

#[tokio::test]
async fn ten_megabytes_pass() {
    let (socket, driver, mut peer) = connect(outbox(16 * MEGABYTE)).await;
    let run = run(driver);
    let payload: Vec<u8> = (0..10 * MEGABYTE).map(|at| (at % 251) as u8).collect();
    socket.send(&encode::binary(&payload)).unwrap();
    assert!(socket.queued_bytes() > 0);
    assert_eq!(peer.next().await, Got::Binary(payload));
    run.abort();
}

const SLOW: (u16, &str) = (3008, "messages came faster than you read them");

#[tokio::test]
async fn an_aborted_peer_gets_whole_frames_and_then_the_reason() {
    let (socket, driver, mut peer) = connect_narrow(outbox(100_000)).await;
    let run = run(driver);
    let frame = encode::text(&"x".repeat(1000));
    let error = (0..1000).find_map(|_| socket.send(&frame).err());
    assert_eq!(error, Some(SocketError::Full));
    socket.abort(SLOW.0, SLOW.1);
    assert_eq!(socket.send(&frame), Err(SocketError::Closed));
    assert!(socket.queued_bytes() < 2 * frame.len(), "what was queued is dropped");

    let mut received = 0;
    let last = loop {
        match peer.next().await {
            Got::Text(text) => {
                assert_eq!(text.len(), 1000);
                received += 1;
            }
            other => break other,
        }
    };
    assert!(received > 0);
    assert_eq!(last, Got::close(SLOW.0, SLOW.1));
    peer.send_close(SLOW.0, "").await;
    let disconnected = run.await.unwrap();
    assert_eq!((disconnected.cause, disconnected.code), (Cause::WeClosed, 3008));
    assert!(disconnected.clean);
}

/// What is refused is not sent, and what comes when there is room again follows what was taken before.
#[tokio::test]
async fn a_full_outbox_refuses_until_it_is_empty() {
    let (socket, driver, mut peer) = connect_narrow(outbox(100_000)).await;
    let (room, mut rooms) = tokio::sync::mpsc::unbounded_channel();
    let run = tokio::spawn(driver.run(move |event| {
        assert_eq!(event, Event::Room);
        room.send(()).unwrap();
        ControlFlow::Continue(())
    }));
    let text = |number: usize| format!("{number:0>1000}");
    let mut taken = 0;
    for _ in 0..2 {
        let first = taken;
        while socket.send(&encode::text(&text(taken))).is_ok() {
            taken += 1;
        }
        assert!(taken - first >= 90, "{taken}");
        assert!(rooms.try_recv().is_err());
        for number in first..taken {
            assert_eq!(peer.next().await, Got::Text(text(number)));
        }
        rooms.recv().await.unwrap();
        assert_eq!(socket.queued_bytes(), 0);
    }
    run.abort();
}

#[tokio::test]
async fn tiny_frames_fill_the_outbox_too() {
    let (socket, driver, _peer) = connect_narrow(outbox(100_000)).await;
    let empty = encode::text("");
    let error = (0..200_000).find_map(|_| socket.send(&empty).err());
    assert_eq!(error, Some(SocketError::Full));
    drop(driver);
}

#[tokio::test]
async fn a_stalled_peer_is_cut_off() {
    let (socket, driver, mut peer) = connect_narrow(outbox(10_000)).await;
    let clock = Clock::stop();
    let run = run(driver);
    let frame = encode::text(&"x".repeat(1000));
    while socket.send(&frame).is_ok() {}
    socket.abort(SLOW.0, SLOW.1);
    tokio::task::yield_now().await;
    clock.advance(5).await;
    let disconnected = run.await.unwrap();
    assert_eq!((disconnected.cause, disconnected.clean), (Cause::CloseTimeout, false));
    drop(socket);
    let end = loop {
        match peer.next().await {
            Got::Text(_) => {}
            end => break end,
        }
    };
    assert_eq!(end, Got::Reset, "what the kernel held is thrown away");
}
