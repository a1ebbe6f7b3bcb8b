//! Saturates a relay and says how many messages it moves per second and per second of processor time.
//!
//! `cargo run --release --example load -- [SECONDS ROUNDS]` compares the forwarder with a plain TCP copy;
//! `… load -- drive SUB PUB PID SECONDS` drives any other relay that is already listening.
//! The relay is pinned to processor 0 and the peers to 1 (by `taskset`, where it is installed).

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may stop anyhow")]

use bytes::{Buf, Bytes, BytesMut};
use pushnote_forwarder::{Forwarder, Settings, Way};
use pushnote_zmtp::frame::put_frame;
use pushnote_zmtp::handshake::{Handshake, SocketType};
use pushnote_zmtp::{Options, SlowSubscriber};
use socket2::SockRef;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// Linux: received bytes are thrown away instead of copied, so that peers cost little.
const MSG_TRUNC: i32 = 0x20;

/// What has not come after so long without any progress is lost.
const PATIENCE: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["relay", policy] => relay(policy),
        ["tcp"] => tcp(),
        ["drive", sub, r#pub, pid, seconds] => {
            sweep(&Relay::there(sub, r#pub, pid), seconds.parse().unwrap());
        }
        [] => compare(1.0, 5),
        [seconds, rounds] => compare(seconds.parse().unwrap(), rounds.parse().unwrap()),
        _ => panic!("see the head of this file"),
    }
}

/// Both relays in turn, so that what else the machine does hits both; the median of each.
fn compare(seconds: f64, rounds: usize) {
    pin("1", &std::process::id().to_string());
    let time = Duration::from_secs_f64(seconds);
    let (tcp, ours) = (Relay::start(&["tcp"]), Relay::start(&["relay", "wait"]));
    println!(
        "bytes  subscribers   messages per cpu second: tcp         ours   ratio   lost   messages/s of ours"
    );
    for (size, subscribers) in CASES {
        let (mut plain, mut relayed) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            plain.push(drive(&tcp, false, size, subscribers, time));
            relayed.push(drive(&ours, true, size, subscribers, time));
        }
        let lost: f64 = relayed.iter().map(|outcome| outcome.lost).sum();
        let (plain, relayed) = (median(plain), median(relayed));
        let (base, own, rate) = (plain.per_cpu(), relayed.per_cpu(), relayed.messages / relayed.wall);
        let ratio = own / base;
        println!("{size:5} {subscribers:12} {base:28.0} {own:12.0} {ratio:7.2} {lost:6.0} {rate:20.0}");
    }
}

const CASES: [(usize, usize); 9] =
    [(100, 1), (100, 4), (100, 16), (1024, 1), (1024, 4), (1024, 16), (16384, 1), (16384, 4), (16384, 16)];

fn median(mut outcomes: Vec<Outcome>) -> Outcome {
    outcomes.sort_by(|one, other| one.per_cpu().total_cmp(&other.per_cpu()));
    outcomes.swap_remove(outcomes.len() / 2)
}

fn sweep(relay: &Relay, seconds: f64) {
    for (size, subscribers) in CASES {
        let outcome = drive(relay, true, size, subscribers, Duration::from_secs_f64(seconds));
        let (rate, per_cpu, lost) = (outcome.messages / outcome.wall, outcome.per_cpu(), outcome.lost);
        println!("{size:5} {subscribers:12} {rate:13.0}/s {per_cpu:17.0}/cpu-s {lost:6.0} lost");
    }
}

struct Relay {
    child: Option<Child>,
    pid: String,
    sub: String,
    r#pub: String,
}

impl Relay {
    fn there(sub: &str, r#pub: &str, pid: &str) -> Self {
        Relay { child: None, pid: pid.into(), sub: sub.into(), r#pub: r#pub.into() }
    }

    fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id().to_string();
        pin("0", &pid);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = || lines.next().unwrap().unwrap().trim_start_matches("tcp://").to_owned();
        let (sub, r#pub) = (address(), address());
        Relay { child: Some(child), pid, sub, r#pub }
    }

    fn cpu_seconds(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid)).unwrap();
        let times =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok());
        times.map(|text| text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9).sum()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pin(processor: &str, pid: &str) {
    let _ = Command::new("taskset").args(["-a", "-p", "-c", processor, pid]).stdout(Stdio::null()).status();
}

struct Outcome {
    messages: f64,
    wall: f64,
    cpu: f64,
    lost: f64,
}

impl Outcome {
    fn per_cpu(&self) -> f64 {
        self.messages / self.cpu
    }
}

fn drive(relay: &Relay, zmtp: bool, size: usize, subscribers: usize, time: Duration) -> Outcome {
    let received = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let mut subscriptions = Vec::new();
    for _ in 0..subscribers {
        let mut stream = TcpStream::connect(&relay.r#pub).unwrap();
        if zmtp {
            greet(&mut stream, SocketType::Sub);
            stream.write_all(&[0, 1, 1]).unwrap();
        }
        let (received, over) = (Arc::clone(&received), Arc::clone(&over));
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        subscriptions.push(std::thread::spawn(move || discard(&stream, &received, &over)));
    }
    std::thread::sleep(Duration::from_millis(200)); // subscriptions have no acknowledgement
    let mut publisher = TcpStream::connect(&relay.sub).unwrap();
    if zmtp {
        greet(&mut publisher, SocketType::Pub);
    }
    let mut frames = BytesMut::new();
    let batch = (65536 / size).max(1);
    (0..batch).for_each(|_| put_frame(&mut frames, 0, &vec![b'x'; size]));
    let (start, cpu, mut batches) = (Instant::now(), relay.cpu_seconds(), 0_u64);
    while start.elapsed() < time {
        publisher.write_all(&frames).unwrap();
        batches += 1;
    }
    let expected = batches * frames.len() as u64 * subscribers as u64;
    let mut progress = (0, Instant::now());
    while received.load(Relaxed) < expected && progress.1.elapsed() < PATIENCE {
        if progress.0 != received.load(Relaxed) {
            progress = (received.load(Relaxed), Instant::now());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let (wall, cpu) = (start.elapsed().as_secs_f64(), relay.cpu_seconds() - cpu);
    over.store(true, Relaxed);
    subscriptions.into_iter().for_each(|thread| thread.join().unwrap());
    let lost = (expected - received.load(Relaxed)) as f64 / frames.len() as f64 * batch as f64;
    Outcome { messages: (batches * batch as u64) as f64, wall, cpu, lost }
}

fn discard(stream: &TcpStream, received: &AtomicU64, over: &AtomicBool) {
    let mut scratch = vec![MaybeUninit::uninit(); 1 << 20];
    while !over.load(Relaxed) {
        if let Ok(bytes) = SockRef::from(stream).recv_with_flags(&mut scratch, MSG_TRUNC) {
            received.fetch_add(bytes as u64, Relaxed);
        }
    }
}

fn greet(stream: &mut TcpStream, kind: SocketType) {
    let mut handshake = Handshake::new(kind);
    let mut input = BytesMut::new();
    loop {
        let peer = handshake.advance(&mut input).unwrap();
        stream.write_all(&handshake.output().split()).unwrap();
        if peer.is_some() {
            return;
        }
        let mut byte = [0]; // nothing of what follows the handshake may be taken
        stream.read_exact(&mut byte).unwrap();
        input.extend_from_slice(&byte);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn relay(policy: &str) {
    let slow_subscriber = if policy == "wait" { SlowSubscriber::Wait } else { SlowSubscriber::DropNewest };
    let any = || vec![Way::Listen("tcp://127.0.0.1:0".parse().unwrap())];
    let options = Options { slow_subscriber, ..Options::default() };
    let settings = Settings { sub: any(), r#pub: any(), options, ..Settings::default() };
    let forwarder = Forwarder::bind(settings).await.unwrap();
    println!("{}\n{}", forwarder.sub_endpoints()[0], forwarder.pub_endpoints()[0]);
    forwarder.run(std::future::pending()).await;
}

/// What any relay would like to cost: large reads, shared chunks, vectored writes, no protocol.
#[tokio::main(flavor = "current_thread")]
async fn tcp() {
    let sub = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let r#pub = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}\n{}", sub.local_addr().unwrap(), r#pub.local_addr().unwrap());
    let outlets: Rc<std::cell::RefCell<Vec<tokio::sync::mpsc::Sender<Bytes>>>> = Rc::default();
    let copy = async {
        loop {
            let (mut publisher, _) = sub.accept().await.unwrap();
            let outlets = Rc::clone(&outlets);
            tokio::task::spawn_local(async move {
                let mut buffer = BytesMut::new();
                loop {
                    buffer.reserve(65536);
                    if publisher.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                        return;
                    }
                    let chunk = buffer.split().freeze();
                    let senders = outlets.borrow().clone();
                    for sender in senders {
                        let _ = sender.send(chunk.clone()).await;
                    }
                }
            });
        }
    };
    let accept = async {
        loop {
            let (subscriber, _) = r#pub.accept().await.unwrap();
            let (sender, chunks) = tokio::sync::mpsc::channel(128);
            outlets.borrow_mut().retain(|sender| !sender.is_closed());
            outlets.borrow_mut().push(sender);
            tokio::task::spawn_local(write(subscriber, chunks));
        }
    };
    tokio::task::LocalSet::new().run_until(async { tokio::join!(copy, accept) }).await;
}

async fn write(stream: tokio::net::TcpStream, mut chunks: tokio::sync::mpsc::Receiver<Bytes>) {
    let mut waiting: VecDeque<Bytes> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Some(chunk) = chunks.recv().await else { return };
            waiting.push_back(chunk);
        }
        while let Ok(chunk) = chunks.try_recv() {
            waiting.push_back(chunk);
        }
        let slices: Vec<_> = waiting.iter().take(64).map(|chunk| IoSlice::new(chunk)).collect();
        let mut written = match stream.try_write_vectored(&slices) {
            Ok(written) => written,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let _ = stream.writable().await;
                continue;
            }
            Err(_) => return,
        };
        while let Some(first) = waiting.front_mut().filter(|_| written > 0) {
            let step = first.len().min(written);
            first.advance(step);
            written -= step;
            if first.is_empty() {
                waiting.pop_front();
            }
        }
    }
}
