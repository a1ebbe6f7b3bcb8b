//! With `--data-dir`, what was accepted is there after a crash; without room on the disk, all goes on but that.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pushnote::Publisher;
use pushnote_tests::{Forwarder, Launch, Metrics, PATIENCE, Page, Server, Single, free_endpoint};

use crate::witness::publisher;

/// Tells who published a number.
const EACH: u64 = 1_000_000;

fn kept_in(directory: &Path) -> Launch {
    Launch::server().arguments([format!("--data-dir={}", directory.display())])
}

/// Publishes `each` numbers from each of several threads, all acknowledged, as fast as that is answered.
fn acknowledged(publisher: &Arc<Publisher>, publishers: u64, each: u64) -> Vec<std::thread::JoinHandle<()>> {
    let publish = |number| {
        let publisher = Arc::clone(publisher);
        std::thread::spawn(move || {
            for count in 0..each {
                publisher.notify_all_acked(number * EACH + count, PATIENCE).unwrap();
            }
        })
    };
    (0..publishers).map(publish).collect()
}

/// Each of the numbers once, and those of one publisher in order.
fn assert_complete(had: &[u64], publishers: u64, each: u64) {
    for publisher in 0..publishers {
        let own: Vec<_> =
            had.iter().filter(|number| *number / EACH == publisher).map(|number| number % EACH).collect();
        assert_eq!(own, (0..each).collect::<Vec<_>>(), "of publisher {publisher}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_crash_and_pages_go_on() {
    let (publishers, each) = (8, 500);
    let (directory, ack) = (tempfile::tempdir().unwrap(), free_endpoint());
    let mut single = Single::of(kept_in(directory.path()).arguments([format!("--ack={ack}")]));
    let url = single.server.websocket_url();
    let builder = Publisher::builder().endpoint(&single.endpoint).unwrap().ack_endpoint(&ack).unwrap();
    let publisher = Arc::new(builder.build().unwrap());
    let mut page = Page::open(&url).await;
    let mut absent = Page::open(&url).await;

    let threads = acknowledged(&publisher, publishers, each);
    for crash in 1..=3 {
        let enough = usize::try_from(crash * publishers * each / 4).unwrap();
        while page.had().count() < enough {
            page.next().await;
        }
        single.crash_and_restart();
        assert!(page.comes_back(&url).await, "nothing is missing after crash {crash}");
    }
    tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| thread.join().unwrap()))
        .await
        .unwrap();
    for page in [&mut page, &mut absent] {
        assert!(page.comes_back(&url).await);
        let all = usize::try_from(publishers * each).unwrap();
        while page.had().count() < all {
            page.next().await;
        }
        assert_complete(&page.had().collect::<Vec<_>>(), publishers, each);
        assert_eq!(page.gaps(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_forwarder_what_came_meanwhile_is_added_and_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let forwarder = Forwarder::start();
    let publisher = publisher(&forwarder.sub);
    let launch = kept_in(directory.path()).arguments([format!("--mq_socket={}", forwarder.publ)]);
    let mut server = Server::of(launch.clone()).subscribed();
    let mut page = Page::open(&server.websocket_url()).await;
    for round in 0..4_u64 {
        for number in round * 200..round * 200 + 100 {
            publisher.notify_all(number).unwrap();
        }
        page.until(round * 200 + 99).await;
        server.process.kill();
        for number in round * 200 + 100..round * 200 + 200 {
            publisher.notify_all(number).unwrap();
        }
        publisher.flush(PATIENCE).unwrap();
        server = Server::of(launch.clone());
        assert!(page.comes_back(&server.websocket_url()).await, "round {round}");
        page.until(round * 200 + 199).await;
    }
    assert!(page.had().eq(0..800));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_forwarders_pages_go_from_server_to_server_and_over_crashes() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let forwarders = [Forwarder::start(), Forwarder::start()];
    let builder = Publisher::builder().endpoint(&forwarders[0].sub).unwrap();
    let publisher = builder.endpoint(&forwarders[1].sub).unwrap().build().unwrap();
    let mq_socket = format!("--mq_socket={},{}", forwarders[0].publ, forwarders[1].publ);
    let start = |at: usize| Server::of(kept_in(directories[at].path()).arguments([&mq_socket])).subscribed();
    let mut servers = [start(0), start(1)];
    let mut page = Page::open(&servers[0].websocket_url()).await;
    for round in 0..6_u64 {
        for number in round * 100..(round + 1) * 100 {
            publisher.notify_all(number).unwrap();
        }
        page.until(round * 100 + 50).await;
        let here = usize::try_from(round % 2).unwrap();
        servers[1 - here].process.kill();
        servers[1 - here] = start(1 - here);
        assert!(page.comes_back(&servers[1 - here].websocket_url()).await, "round {round}");
    }
    page.until(599).await;
    let had: Vec<u64> = page.had().collect();
    let jumps: Vec<_> = had.windows(2).filter(|two| two[1] != two[0] + 1).collect();
    assert!(had.iter().copied().eq(0..600), "{} of them, jumps {jumps:?}", had.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_and_a_start_keep_what_was_published_without_asking() {
    let directory = tempfile::tempdir().unwrap();
    let launch = kept_in(directory.path()).arguments(["--drain-deadline=1"]);
    let mut single = Single::of(launch.clone());
    let mut page = Page::open(&single.server.websocket_url()).await;
    let publisher = publisher(&single.endpoint);
    for number in 0..100 {
        publisher.notify_all(number).unwrap();
    }
    page.until(20).await;
    let mut witness = Page::open(&single.server.websocket_url()).await;
    publisher.notify_all(100).unwrap();
    witness.until(100).await;
    single.server.process.terminate();
    assert!(single.server.process.ended().success());
    let single = Single::of(launch);
    page.told.clear();
    assert!(page.comes_back(&single.server.websocket_url()).await);
    page.until(100).await;
    assert!(page.had().is_sorted() && page.gaps() == 0);
}

#[test]
fn a_file_that_is_broken_or_taken_is_named_when_the_server_starts() {
    let directory = tempfile::tempdir().unwrap();
    let single = Single::of(kept_in(directory.path()));
    let file = directory.path().join("pushnote.db");
    let start = || {
        let mut process = kept_in(directory.path())
            .arguments(["--single", "--mq_socket=tcp://127.0.0.1:0", "--port=0"])
            .start_logged();
        (process.ended().code(), process.log())
    };
    let (code, log) = start();
    assert_eq!(code, Some(69), "{log}");
    assert!(log.contains(&format!("{} is in use by another server", file.display())), "{log}");
    drop(single);
    for junk in ["pushnote.db-wal", "pushnote.db-shm"] {
        let _ = std::fs::remove_file(directory.path().join(junk));
    }
    std::fs::write(&file, "no database at all, and long enough to be taken for one".repeat(100)).unwrap();
    let (code, log) = start();
    assert_eq!(code, Some(65), "{log}");
    assert!(log.contains(&format!("--data-dir: {} is broken", file.display())), "{log}");
}

/// A file system of one megabyte, as long as this is there.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where nobody may mount one.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(directory.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(directory))
    }

    fn grow(&self) {
        let grown = Command::new("mount").args(["-o", "remount,size=50m"]).arg(self.0.path()).status();
        assert!(grown.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_all_else_goes_on() {
    let Some(disk) = SmallDisk::mount() else {
        pushnote_tests::skipped("no file system can be mounted here");
        return;
    };
    let ack = free_endpoint();
    let launch = kept_in(disk.0.path()).arguments([format!("--ack={ack}"), "--metrics=127.0.0.1:0".into()]);
    let mut single = Single::of(launch);
    let metrics = Metrics::of(&single.server.process);
    let mut page = Page::open(&single.server.websocket_url()).await;
    let builder = Publisher::builder().endpoint(&single.endpoint).unwrap().ack_endpoint(&ack).unwrap();
    let publisher = Arc::new(builder.build().unwrap());
    assert_eq!(health(&single.server.address), "ok\n");

    let filling = Arc::new(AtomicBool::new(true));
    let (filler, until) = (Arc::clone(&publisher), Arc::clone(&filling));
    let refused = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        while until.load(Relaxed) && started.elapsed() < PATIENCE {
            if let Err(error) = filler.notify_all_acked("x".repeat(50_000), PATIENCE) {
                return error.to_string();
            }
        }
        panic!("the disk does not fill");
    });
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while !refused.is_finished() {
        tokio::select! {
            _ = page.next() => {}
            _ = look.tick() => {}
        }
    }
    let error = refused.await.unwrap();
    filling.store(false, Relaxed);
    assert!(error.contains("not kept") && error.contains("pushnote.db"), "{error}");
    let told = health(&single.server.address);
    assert!(told.starts_with("ok\nlog not kept: ") && told.contains("disk is full"), "{told}");
    single.server.process.logged("the disk is full");

    publisher.notify_all(1).unwrap();
    page.until(1).await;
    metrics.until("pushnote_server_log_failed", |failed| failed > 0.0);
    metrics.until("pushnote_server_log_lost_messages_total", |lost| lost > 0.0);

    disk.grow();
    metrics.until("pushnote_server_log_failed", |failed| failed == 0.0);
    assert_eq!(health(&single.server.address), "ok\n");
    let asking = Arc::clone(&publisher);
    let receipt = tokio::task::spawn_blocking(move || asking.notify_all_acked(2, PATIENCE)).await.unwrap();
    assert_eq!(receipt.unwrap().servers, 1);
    let mut absent = Page::open(&single.server.websocket_url()).await;
    absent.cursor.clone_from(&page.cursor);
    single.crash_and_restart();
    assert!(absent.comes_back(&single.server.websocket_url()).await);
    absent.until(2).await;
    assert!(absent.had().eq([2]));
}

/// What `/health` says with 200.
fn health(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{answer}");
    body.to_owned()
}
