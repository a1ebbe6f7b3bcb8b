//! Peers that connect and do not get to the point.

use std::collections::VecDeque;

use pushnote_tests::PATIENCE;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::gauge::{MIB, raise_own_open_files_limit};
use crate::raw::{COMMAND, Door, Raw, SIGNATURE, command, frame, greeting};
use crate::target::{ANY_V4, Relay, Target};
use crate::witness::AT_ONCE;

/// Silent peers at each door, and how many of them may be within the handshake.
const SILENT: usize = 1500;
const HANDSHAKES_MAX: usize = 1024;
/// Some 7 KiB for each connection within the handshake.
const GROWTH_MAX: u64 = 24 * MIB;

/// Nothing, half a greeting, or a greeting without READY.
fn beginning(number: usize) -> Vec<u8> {
    match number % 3 {
        0 => Vec::new(),
        1 => SIGNATURE.to_vec(),
        _ => greeting(number as u8 % 2),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_peers_at_every_door_keep_nobody_waiting() {
    raise_own_open_files_limit();
    let (relay, single) = tokio::join!(Target::relay(), Target::single(ANY_V4));
    for target in [relay, single] {
        let mut silent = Vec::new();
        // The doors of one transport: the accept loop is the same for all.
        for door in target.doors.iter().filter(|door| door.endpoint.contains("127.0.0.1")) {
            for number in 0..SILENT {
                let mut raw = door.open().await;
                raw.say(&beginning(number)).await;
                silent.push(raw);
            }
        }
        let took = target.newcomers_meet().await;
        assert!(took < AT_ONCE, "newcomers met only after {took:?}");
        drop(silent);
        target.survives(GROWTH_MAX).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_places_are_used_up_the_oldest_handshake_gives_way() {
    raise_own_open_files_limit();
    let relay = Relay::start(&[]);
    let door: Door = relay.sub_door();
    let mut oldest = door.open().await;
    let mut others = Vec::new();
    for _ in 0..HANDSHAKES_MAX {
        others.push(door.open().await);
    }
    oldest.is_ended("the oldest of 1,025").await;
    // The youngest have time: they greet, and are served.
    for raw in others.iter_mut().rev().take(10) {
        raw.greet(&crate::raw::ready("PUB", &[]), 0).await.unwrap();
        raw.is_served("one of the youngest").await;
    }
    relay.process.logged("handshake_displaced");
}

/// Silent peers that come as fast as they are taken, not only those that have come.
#[tokio::test(flavor = "multi_thread")]
async fn newcomers_get_through_a_stream_of_silent_peers() {
    raise_own_open_files_limit();
    let target = Target::relay().await;
    let doors: Vec<_> =
        target.doors.iter().filter(|door| door.endpoint.contains("127.0.0.1")).cloned().collect();
    let mut streams = JoinSet::new();
    let (taken_in, mut taken) = watch::channel(0);
    for door in [&doors[..], &doors[..]].concat() {
        streams.spawn(stream_of_silent_peers(door, taken_in.clone()));
    }
    for meeting in 1.. {
        let took = target.newcomers_meet().await;
        assert!(took < AT_ONCE, "newcomers met only after {took:?}");
        if *taken.borrow_and_update() > 4 * HANDSHAKES_MAX && meeting >= 10 {
            break;
        }
    }
    streams.shutdown().await;
    target.survives(GROWTH_MAX).await;
}

async fn stream_of_silent_peers(door: Door, taken: watch::Sender<usize>) {
    let mut held = VecDeque::new();
    loop {
        let mut raw = door.open().await;
        // What the other side says first: it has accepted. The kernel's queue of those who wait for that stays short.
        raw.stream.read_exact(&mut [0; 10]).await.unwrap();
        taken.send_modify(|taken| *taken += 1);
        held.push_back(raw);
        if held.len() > HANDSHAKES_MAX {
            held.pop_front();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_handshake_ends_in_time() {
    let target = Target::relay().await;
    let started = std::time::Instant::now();
    let mut halves = Vec::new();
    for (number, door) in target.doors.iter().enumerate() {
        let mut raw = door.open().await;
        raw.say(&beginning(number)).await;
        halves.push(raw);
    }
    for raw in &mut halves {
        raw.is_ended_in_time("half a handshake").await;
    }
    assert!(started.elapsed().as_secs() >= 4, "too early: {:?}", started.elapsed());
    target.survives(GROWTH_MAX).await;
}

/// Connections of two bytes, which is all that ZMTP 1.0 asks for, from another address than the honest.
#[tokio::test(flavor = "multi_thread")]
async fn one_address_that_takes_all_places_keeps_nobody_else_out() {
    let relay = Relay::start(&["--peers-max=100"]);
    let mut peers = Vec::new();
    for number in 0..100 {
        let stream = from("127.0.0.2", relay.sub_door().address().unwrap()).await;
        let mut raw = Raw { stream: Box::new(stream) };
        // Some of them publish, too.
        raw.say(if number % 2 == 0 { b"\x01\0" } else { b"\x01\0\x02\0x" }).await;
        raw.stream.read_exact(&mut [0; 10]).await.unwrap();
        peers.push(raw);
    }
    let witness = timeout(AT_ONCE, relay.witness()).await.expect("the honest get in at once");
    witness.noticed_nothing().await;
    relay.process.logged("peer_displaced");
}

/// The same from where the honest are: who says nothing for as long as a handshake may take gives way.
#[tokio::test(flavor = "multi_thread")]
async fn peers_that_say_nothing_give_way() {
    let relay = Relay::start(&["--peers-max=100"]);
    let mut speaks = relay.sub_door().enter().await;
    speaks.say(&frame(0, b"first")).await;
    speaks.is_served("one that speaks").await;
    let mut silent = Vec::new();
    for _ in 0..99 {
        let mut raw = relay.sub_door().open().await;
        raw.say(b"\x01\0").await;
        raw.stream.read_exact(&mut [0; 10]).await.unwrap();
        silent.push(raw);
    }
    let gets_in = async {
        loop {
            let mut raw = relay.sub_door().enter().await;
            raw.say(&command(b"\x04PING\0\0")).await;
            while let Ok((flags, body)) = raw.frame().await {
                if flags == COMMAND && body == b"\x04PONG" {
                    return;
                }
            }
        }
    };
    timeout(PATIENCE, gets_in).await.expect("nobody gives way");
    relay.witness().await.noticed_nothing().await;
    speaks.is_served("the one that spoke").await;
}

async fn from(address: &str, to: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(to.parse().unwrap()).await.unwrap()
}
