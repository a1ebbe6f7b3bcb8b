//! As many messages as go through.

use crate::peer::{Frames, Reader, Target};
use socket2::SockRef;
use std::io::Write;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Linux: received bytes are thrown away instead of copied, so that peers cost little.
const MSG_TRUNC: i32 = 0x20;
/// What has not come after so long without any progress is lost. A relay's queues may hold many seconds' work on a
/// busy machine: progress is what counts, not the time in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes the publisher writes at once.
const WRITE_BYTES: usize = 64 << 10;
const READ_BYTES: usize = 1 << 20;

pub(crate) struct Load {
    pub(crate) bytes: usize,
    pub(crate) subscribers: usize,
    pub(crate) time: Duration,
    /// Whether subscribers look at each message's number. That takes their processor's time, not the relay's.
    pub(crate) check: bool,
}

#[derive(Default)]
struct Seen {
    bytes: AtomicU64,
    /// Messages that were not the next one.
    disordered: AtomicU64,
    over: AtomicBool,
}

pub(crate) fn run(target: &Target, pid: &str, load: &Load) {
    let (mut publisher, subscribers) = target.connect(load.subscribers);
    let count = (WRITE_BYTES / load.bytes).max(1);
    let mut frames = Frames::new(load.bytes, count);
    let seen = Seen::default();
    let (start, cpu) = (Instant::now(), cpu_seconds(pid));
    let mut sent: u64 = 0;
    let (wall, cpu) = std::thread::scope(|scope| {
        for stream in &subscribers {
            scope.spawn(|| receive(stream, load, &seen));
        }
        while start.elapsed() < load.time {
            frames.number(|| {
                sent += 1;
                sent - 1
            });
            publisher.write_all(&frames.bytes).unwrap();
        }
        let expected = sent * (frames.frame_bytes() * load.subscribers) as u64;
        await_all(&seen, expected);
        let spent = (start.elapsed().as_secs_f64(), cpu_seconds(pid) - cpu);
        seen.over.store(true, Relaxed);
        spent
    });
    let received = seen.bytes.load(Relaxed) / frames.frame_bytes() as u64;
    let lost = sent * load.subscribers as u64 - received;
    let (disordered, peak) = (seen.disordered.load(Relaxed), peak_kib(pid));
    println!(
        r#"{{"messages":{sent},"wall_s":{wall},"cpu_s":{cpu},"lost":{lost},"disordered":{disordered},"peak_kib":{peak}}}"#
    );
}

fn await_all(seen: &Seen, expected: u64) {
    let mut progress = (0, Instant::now());
    while seen.bytes.load(Relaxed) < expected && progress.1.elapsed() < PATIENCE {
        if progress.0 != seen.bytes.load(Relaxed) {
            progress = (seen.bytes.load(Relaxed), Instant::now());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn receive(stream: &TcpStream, load: &Load, seen: &Seen) {
    if load.check {
        check(stream, load.bytes, seen);
    } else {
        discard(stream, seen);
    }
}

fn discard(stream: &TcpStream, seen: &Seen) {
    let mut scratch = vec![MaybeUninit::uninit(); READ_BYTES];
    while !seen.over.load(Relaxed) {
        if let Ok(bytes) = SockRef::from(stream).recv_with_flags(&mut scratch, MSG_TRUNC) {
            seen.bytes.fetch_add(bytes as u64, Relaxed);
        }
    }
}

fn check(stream: &TcpStream, message_bytes: usize, seen: &Seen) {
    let mut reader = Reader::new(message_bytes, READ_BYTES);
    let mut next = 0;
    while !seen.over.load(Relaxed) {
        let bytes = reader.read(stream, |number| {
            seen.disordered.fetch_add(u64::from(number != Some(next)), Relaxed);
            next += 1;
        });
        seen.bytes.fetch_add(bytes as u64, Relaxed);
    }
}

/// What the scheduler counted for all threads of a process, user and kernel.
fn cpu_seconds(pid: &str) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let times = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
    times.map(|text| text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9).sum()
}

fn peak_kib(pid: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}
