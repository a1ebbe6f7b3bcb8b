//! How long a message takes through a relay that has little to do.

use crate::peer::{Frames, Reader, Target};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const MESSAGE_BYTES: usize = 100;
const INTERVAL: Duration = Duration::from_millis(1);
/// The first messages find cold caches and are not counted.
const WARM_UP: usize = 200;
/// What a message may take.
const GRACE: Duration = Duration::from_millis(500);

pub(crate) fn run(target: &Target, subscribers: usize, time: Duration) {
    let (mut publisher, streams) = target.connect(subscribers);
    let mut frames = Frames::new(MESSAGE_BYTES, 1);
    let (over, start) = (AtomicBool::new(false), Instant::now());
    let nanoseconds = || start.elapsed().as_nanos() as u64;
    let (mut sent, mut taken) = (0, Vec::new());
    std::thread::scope(|scope| {
        let receive = |stream| {
            let over = &over;
            scope.spawn(move || receive(stream, over, nanoseconds))
        };
        let threads: Vec<_> = streams.iter().map(receive).collect();
        while start.elapsed() < time {
            sent += 1;
            std::thread::sleep((INTERVAL * sent).saturating_sub(start.elapsed()));
            frames.number(nanoseconds);
            publisher.write_all(&frames.bytes).unwrap();
        }
        std::thread::sleep(GRACE);
        over.store(true, Relaxed);
        for thread in threads {
            taken.extend_from_slice(thread.join().unwrap().get(WARM_UP..).unwrap());
        }
    });
    let lost = (sent as usize - WARM_UP) * subscribers - taken.len();
    taken.sort_unstable();
    let at = |share: f64| taken[(taken.len() as f64 * share) as usize] as f64 / 1000.0;
    println!(r#"{{"p50_us":{},"p99_us":{},"lost":{lost}}}"#, at(0.5), at(0.99));
}

fn receive(stream: &TcpStream, over: &AtomicBool, nanoseconds: impl Fn() -> u64) -> Vec<u64> {
    let mut reader = Reader::new(MESSAGE_BYTES, 64 << 10);
    let mut taken = Vec::new();
    while !over.load(Relaxed) {
        reader.read(stream, |stamp| taken.push(nanoseconds() - stamp.unwrap()));
    }
    taken
}
