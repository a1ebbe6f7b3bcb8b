//! Peers that leave by RST instead of FIN, as those of a crashed machine or a hasty scanner do.

use tokio::net::TcpStream;

use crate::gauge::MIB;
use crate::raw::{Door, Raw, frame, ready, subscribe};
use crate::target::{ANY_V4, Target};

const RESETS: usize = 500;

/// Connects, greets, says `last` and resets.
async fn reset_at(door: &Door, last: &[u8]) {
    let address = door.address().expect("tcp");
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_zero_linger().unwrap();
    let mut raw = Raw { stream: Box::new(stream) };
    raw.greet(&ready(door.kind, &[]), 1).await.unwrap();
    raw.say(last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_resets_at_every_door_leave_nothing_behind() {
    let (relay, single) = tokio::join!(Target::relay(), Target::single(ANY_V4));
    for target in [relay, single] {
        for door in target.doors.iter().filter(|door| door.endpoint.contains("127.0.0.1")) {
            // Subscribed to something that is sent all the time, and with half a message on the way.
            let last = if door.kind == "SUB" { subscribe(b"") } else { frame(1, b"half") };
            for number in 0..RESETS {
                reset_at(door, if number % 2 == 0 { &last } else { b"" }).await;
            }
        }
        target.survives(16 * MIB).await;
    }
}
