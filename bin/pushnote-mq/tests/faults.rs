//! What hostile, broken and slow peers do to a running `pushnote-mq`: nothing to the others, and nothing to its memory.

mod support;

use pushnote_zmtp::{Options, Subscriber};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{Flow, Mq, PATIENCE, SIGNATURE, closes, dial, greeted, ready, reset};

/// More than it needs with a full queue of 8 MiB, less than any of these faults would cost unnoticed.
const RSS_MIB_MAX: u64 = 48;

#[tokio::test]
async fn a_subscriber_that_never_reads_costs_others_nothing() {
    let mq = Mq::start();
    let mut flow = Flow::through(&mq).await;
    let mut stalled = greeted(&mq.r#pub, "SUB");
    stalled.write_all(&[0, 1, 1]).unwrap();
    let mut other_topic = greeted(&mq.r#pub, "SUB");
    other_topic.write_all(&[0, 2, 1, b'x']).unwrap();
    for _ in 0..60 {
        flow.check(1000, 1000).await;
    }
    let mut late = Flow::through(&mq).await;
    late.check(100, 1000).await;
    assert!(mq.rss_mib() < RSS_MIB_MAX, "{} MiB", mq.rss_mib());
}

#[tokio::test]
async fn giant_heads_make_no_room() {
    let mq = Mq::start();
    let mut flow = Flow::through(&mq).await;
    for announced in [1_u64 << 21, 1 << 30, 1 << 34, 1 << 36, 1 << 62, (1 << 63) - 1, u64::MAX] {
        for (endpoint, kind) in [(&mq.sub, "PUB"), (&mq.r#pub, "SUB")] {
            let head = [&[2][..], &announced.to_be_bytes()].concat();
            for flags in [0, 1, 4] {
                let mut stream = greeted(endpoint, kind);
                stream.write_all(&[head[0] | flags]).unwrap();
                stream.write_all(&head[1..]).unwrap();
                assert!(closes(stream), "after READY: {announced}");
            }
            let mut stream = dial(endpoint);
            stream.write_all(&[SIGNATURE, &[3, 0], b"NULL", &[0; 48], &[6], &head[1..]].concat()).unwrap();
            assert!(closes(stream), "as READY: {announced}");
        }
    }
    flow.check(100, 100).await;
    assert!(mq.rss_mib() < RSS_MIB_MAX, "{} MiB", mq.rss_mib());
}

#[tokio::test]
async fn endless_messages_are_cut_off() {
    let mq = Mq::start();
    let mut flow = Flow::through(&mq).await;
    let frames = [&[1, 255][..], &[b'x'; 255]].concat();
    let sound = [&[3, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff][..], &[b'x'; 0x0f_ffff]].concat();
    for endless in [&frames[..], &[1, 0], &sound] {
        let mut stream = greeted(&mq.sub, "PUB");
        let mut sent = 0;
        while sent < (1 << 30) && stream.write_all(endless).is_ok() {
            sent += endless.len();
        }
        assert!(sent < 64 << 20, "{sent} bytes of one message were taken");
    }
    flow.check(100, 100).await;
    assert!(mq.rss_mib() < RSS_MIB_MAX, "{} MiB", mq.rss_mib());
}

#[tokio::test]
async fn garbage_is_refused() {
    let mq = Mq::start();
    let mut flow = Flow::through(&mq).await;
    let mut noise = Noise(7);
    let fixed: [&[u8]; 8] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\r\n\r\n",
        &[0; 100],
        &[0xff; 100],
        &[SIGNATURE, &[3, 0], b"CURVE", &[0; 47]].concat(),
        &[SIGNATURE, &[3, 0], b"NULL", &[0; 48], &[4, 3], b"\x05RE"].concat(),
        &[SIGNATURE, &[0, 0]].concat(),
    ];
    for round in 0..40 {
        for (endpoint, kind) in [(&mq.sub, "PUB"), (&mq.r#pub, "SUB")] {
            let _ = dial(endpoint).write_all(fixed[round % fixed.len()]);
            let _ = dial(endpoint).write_all(&noise.bytes(300));
            let _ = dial(endpoint).write_all(&[SIGNATURE, &[3, 0], &noise.bytes(300)].concat());
            let _ = dial(endpoint).write_all(&[&[1, 0][..], &noise.bytes(300)].concat());
            let _ = greeted(endpoint, kind).write_all(&noise.bytes(300));
            // Empty messages, empty commands, unknown commands.
            let _ = greeted(endpoint, kind).write_all(&[0, 0, 0, 0, 4, 3, 2, b'N', b'O']);
            let _ = greeted(endpoint, kind).write_all(&[4, 0]);
        }
    }
    flow.heal().await; // noise may have been a sound message: it is none of ours
    flow.check(100, 100).await;
    assert!(mq.rss_mib() < RSS_MIB_MAX, "{} MiB", mq.rss_mib());
}

#[tokio::test]
async fn resets_end_one_connection_each() {
    let mq = Mq::start();
    let mut flow = Flow::through(&mq).await;
    let before = mq.open_files();
    for round in 0..250 {
        let mut subscriber = greeted(&mq.r#pub, "SUB");
        subscriber.write_all(&[0, 1, 1]).unwrap();
        let mut publisher = greeted(&mq.sub, "PUB");
        publisher.write_all(&[0, 200, b'x']).unwrap();
        reset(subscriber);
        reset(publisher);
        reset(dial(&mq.sub));
        if round % 50 == 0 {
            flow.check(10, 10_000).await;
        }
    }
    flow.check(100, 100).await;
    let start = Instant::now();
    while mq.open_files() > before && start.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(mq.open_files(), before, "every connection was given back");
}

#[tokio::test]
async fn a_thousand_that_never_greet_are_closed() {
    let mq = Mq::start_with("ulimit -n 4096", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0");
    let mut flow = Flow::through(&mq).await;
    let idle: Vec<TcpStream> = (0..500).flat_map(|_| [dial(&mq.sub), dial(&mq.r#pub)]).collect();
    flow.check(1000, 100).await;
    assert!(mq.rss_mib() < RSS_MIB_MAX, "{} MiB", mq.rss_mib());
    assert!(idle.into_iter().all(closes), "after the handshake timeout");
    flow.check(100, 100).await;
}

#[tokio::test]
async fn running_out_of_files_stops_nothing_that_runs() {
    let mq = Mq::start_with("ulimit -n 40", "tcp://127.0.0.1:0", "tcp://127.0.0.1:0");
    let mut flow = Flow::through(&mq).await;
    let crowd: Vec<TcpStream> = (0..60).map(|_| dial(&mq.r#pub)).collect();
    flow.check(1000, 100).await;
    let before = mq.cpu();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(mq.cpu() - before < Duration::from_millis(100), "it must not try again and again");
    drop(crowd);
    Flow::through(&mq).await.check(100, 100).await;
}

#[tokio::test]
async fn half_a_million_subscriptions_are_too_many() {
    let mq = Mq::start();
    let mut flow = Flow::through(&mq).await;
    let mut greedy = greeted(&mq.r#pub, "SUB");
    let refused = (0..500_000_u32).any(|number| {
        let topic = number.to_be_bytes();
        greedy.write_all(&[&[0, 5, 1][..], &topic].concat()).is_err()
    });
    assert!(refused || closes(greedy));
    flow.check(100, 100).await;
    assert!(mq.rss_mib() < RSS_MIB_MAX, "{} MiB", mq.rss_mib());
}

#[tokio::test]
async fn one_peers_unsubscribing_is_its_own_affair() {
    let mq = Mq::start();
    let flow = Flow::through(&mq).await;
    let topics = vec!["a".into()];
    let mut first = Subscriber::connect(mq.r#pub.clone(), Options { topics, ..Options::default() });
    let mut second = greeted(&mq.r#pub, "SUB");
    second.write_all(&[0, 2, 1, b'a', 0, 2, 1, b'a', 0, 2, 0, b'a']).unwrap();
    let start = Instant::now();
    while tokio::time::timeout(Duration::from_millis(20), first.recv()).await.is_err() {
        assert!(start.elapsed() < PATIENCE);
        flow.publisher.send("a?").await.unwrap();
    }
    second.write_all(&[0, 2, 0, b'a']).unwrap();
    flow.publisher.send("a!").await.unwrap();
    loop {
        let message = tokio::time::timeout(PATIENCE, first.recv()).await.unwrap().unwrap();
        if &*message.into_single().unwrap() == b"a!" {
            break;
        }
    }
}

#[tokio::test]
async fn peers_with_one_identity_are_both_served() {
    let mq = Mq::start();
    let mut flow = Flow::through(&mq).await;
    let mut twins: Vec<TcpStream> = (0..2).map(|_| dial(&mq.r#pub)).collect();
    for twin in &mut twins {
        let greeting = [SIGNATURE, &[3, 0], b"NULL", &[0; 48]].concat();
        twin.write_all(&[greeting, ready("SUB", "twin"), vec![0, 1, 1]].concat()).unwrap();
        twin.read_exact(&mut [0; 64 + 27]).unwrap();
    }
    for twin in &mut twins {
        twin.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let start = Instant::now();
        while twin.read(&mut [0]).is_err() {
            assert!(start.elapsed() < PATIENCE);
            flow.heal().await;
        }
    }
}

/// Bytes that follow no pattern and are the same in each run.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as u8
        };
        (0..count).map(|_| next()).collect()
    }
}
