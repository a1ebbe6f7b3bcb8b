//! What speaks another protocol, or none.

use pushnote_tests::{Browser, Single};
use tokio::io::AsyncWriteExt;

use crate::gauge::{Gauge, MIB};
use crate::raw::{Door, SIGNATURE, greeting};
use crate::target::Target;
use crate::witness::{publisher, settle};

/// Connections with garbage at each door.
const CONNECTIONS: usize = 300;
/// What a few connections at a time may take.
const GROWTH_MAX: u64 = 16 * MIB;

/// The same on each run: xorshift.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut byte = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 as u8
        };
        std::iter::repeat_with(&mut byte).take(count).collect()
    }
}

/// What no peer of ours sends first. All of it ends the connection, at the latest when the other side has no more to
/// say.
fn garbage(number: usize, noise: &mut Noise) -> Vec<u8> {
    let mut greeting = greeting(0);
    match number % 12 {
        0 => Vec::new(),
        1 => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        2 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        3 => vec![0; 4096],
        4 => vec![0xff; 4096],
        5 => noise.bytes(1 + number * 7),
        6 => SIGNATURE[..number % 10].to_vec(),
        7 => [&SIGNATURE[..9], &[0x7e, 3, 0]].concat(),
        8 => [&SIGNATURE[..], &[0, 0]].concat(),
        9 => {
            greeting[12..32].copy_from_slice(b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
            greeting
        }
        10 => {
            greeting[12..32].copy_from_slice(&noise.bytes(20));
            greeting
        }
        _ => [greeting, noise.bytes(100)].concat(),
    }
}

async fn throw_at(door: &Door) {
    let mut noise = Noise(0x9e37_79b9_7f4a_7c15);
    for number in 0..CONNECTIONS {
        let bytes = garbage(number, &mut noise);
        let mut raw = door.open().await;
        raw.say(&bytes).await;
        // Every other one waits for its end; the rest hang up in the middle.
        if number / 12 % 2 == 0 {
            let _ = raw.stream.shutdown().await;
            raw.is_ended(&format!("garbage {number} at {}", door.endpoint)).await;
        }
    }
    for number in 0..CONNECTIONS {
        let mut raw = door.enter().await;
        raw.say(&noise.bytes(1 + number * 5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_at_every_door_is_turned_away_and_noticed_by_nobody() {
    for target in Target::all().await {
        for door in &target.doors {
            throw_at(door).await;
        }
        target.survives(GROWTH_MAX).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_on_the_port_for_browsers_is_turned_away_and_noticed_by_nobody() {
    let single = Single::start();
    let mut browser = Browser::open(&single.server.websocket_url()).await;
    let publisher = publisher(&single.endpoint);
    let gauge = Gauge::of(single.server.process.id());
    let door = Door::new(&format!("tcp://{}", single.server.address), "none");
    let mut noise = Noise(1);
    for number in 0..CONNECTIONS {
        let mut raw = door.open().await;
        raw.say(&garbage(number, &mut noise)).await;
        if number / 12 % 2 == 0 {
            let _ = raw.stream.shutdown().await;
            raw.is_ended(&format!("garbage {number}")).await;
        }
    }
    settle(&publisher, &mut browser, "still here").await;
    gauge.grew_less_than(GROWTH_MAX);
}
