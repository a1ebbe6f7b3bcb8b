//! How many messages a CPU-second sends, and how much memory many subscribers take: `cargo bench -p pushnote-webpush --bench send
//! -- 100000`. The push service is a process of its own, so that its work is not counted.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pushnote_store::{Options, Store};
use pushnote_webpush::{
    Client, Guard, Jobs, Key, Keys, Message, Outcome, Recipients, Sender, SenderOptions, Service,
    Subscription, SubscriptionOptions, Subscriptions, Vapid,
};
use support::MockService;

/// The public key of RFC 8291's browser.
const P256DH: &str =
    "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
/// Clock ticks of Linux in a second, as `/proc` counts CPU time.
const TICKS: f64 = 100.0;

#[tokio::main]
async fn main() {
    if std::env::args().any(|argument| argument == "--service") {
        return serve().await;
    }
    let number = std::env::args().find_map(|argument| argument.parse().ok());
    send(number.unwrap_or(10_000)).await;
}

/// Says where it is and what to trust, and stays until nobody listens.
async fn serve() {
    let service = MockService::tls().await;
    let ca: String = service.ca.as_ref().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{} {ca}", service.endpoint("/ok"));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()).unwrap()).await.unwrap();
}

async fn send(number: u64) {
    let mut service = Command::new(std::env::current_exe().unwrap())
        .arg("--service")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (base, ca) = line.trim().split_once(' ').unwrap();
    let ca: Vec<u8> =
        (0..ca.len()).step_by(2).map(|at| u8::from_str_radix(&ca[at..at + 2], 16).unwrap()).collect();

    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path(), &Options::default()).unwrap().0);
    let keys = Keys::new(Key::generate().unwrap(), Vec::new());
    let subscriptions = Subscriptions::open(store, SubscriptionOptions::default(), &keys).await.unwrap();
    subscribe(&subscriptions, base, number).await;
    let jobs = Jobs::open(&subscriptions).await.unwrap();
    let guard = Guard { allowed_nets: vec!["127.0.0.0/8".parse().unwrap()], ..Guard::default() };
    let vapid = Vapid::new(keys, "mailto:ops@example.com".parse().unwrap());
    let client = Client::new(vapid, guard, &[ca]).unwrap();

    let before = memory("VmRSS");
    let begun = Instant::now();
    let message = Message::new(vec![b'x'; 1000]).unwrap();
    let enqueued = jobs.enqueue("bench", &Recipients::Everyone.into(), &message, None).await.unwrap();
    println!("enqueued {} in {:?}", enqueued.devices, begun.elapsed());
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let sender = Sender::start(SenderOptions::default(), client, jobs.clone());
    while jobs.waiting() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let accepted = sender.counters().outcomes(Service::Other, Outcome::Accepted) as f64;
    println!("{accepted} accepted in {seconds:.1} s, with {cpu:.1} s of CPU");
    println!("{:.0} messages a second, {:.0} a CPU-second", accepted / seconds, accepted / cpu);
    println!("memory: {before} KiB before, {} KiB after, {} KiB at most", memory("VmRSS"), memory("VmHWM"));
    sender.stop().await;
    drop(service.stdin.take());
    service.wait().unwrap();
}

async fn subscribe(subscriptions: &Subscriptions, base: &str, number: u64) {
    let mut adding = tokio::task::JoinSet::new();
    for at in 0..number {
        let json = serde_json::json!({
            "endpoint": format!("{base}/{at}"), "keys": { "p256dh": P256DH, "auth": "BTBZMqHH6r4Tts7J_aSIgg" },
        });
        let subscription = Subscription::parse(json.to_string()).unwrap();
        let subscriptions = subscriptions.clone();
        adding.spawn(async move {
            subscriptions.add(&format!("user{at}"), None, &subscription, None).await.unwrap();
        });
        if adding.len() == 1000 {
            adding.join_next().await.unwrap().unwrap();
        }
    }
    adding.join_all().await;
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

/// In KiB.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
