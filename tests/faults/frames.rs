//! Frames that no peer may send, and large ones that it may.

use std::time::Duration;

use pushnote_tests::Metrics;

use crate::gauge::MIB;
use crate::raw::{COMMAND, Door, LONG, MORE, command, frame, greeting, head, ready};
use crate::target::{Relay, Target};

/// What one peer may have unfinished, twice over, and what the allocator keeps of it.
const GROWTH_MAX: u64 = 24 * MIB;
/// The largest frame, and the largest message.
const FRAME_BYTES_MAX: u64 = 1 << 20;

/// Lengths beyond the limit, up to those that overflow.
fn giant_lengths() -> impl Iterator<Item = u64> {
    let powers = (21..64).map(|exponent| 1_u64 << exponent);
    powers.chain([FRAME_BYTES_MAX + 1, (1 << 34) + 1, i64::MAX as u64, u64::MAX])
}

/// What ends a connection after its handshake.
fn forbidden() -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for length in giant_lengths() {
        for flags in [0, MORE, COMMAND] {
            all.push((format!("{length} bytes, flags {flags}"), head(flags, length)));
        }
    }
    for bit in [8, 16, 32, 64, 128] {
        all.push((format!("reserved flag {bit}"), vec![bit, 0]));
        all.push((format!("reserved flag {bit}, long"), head(bit, 5)));
    }
    let ping = command(b"\x04PING\0\0");
    all.push(("command inside a message".into(), [frame(MORE, b"a"), ping].concat()));
    all.push(("command with more to follow".into(), frame(COMMAND | MORE, b"\x04PING\0\0")));
    all.push(("command without a name".into(), command(b"")));
    all.push(("command with a name that overruns it".into(), command(b"\xffPING")));
    all.push(("PING without a TTL".into(), command(b"\x04PING\0")));
    all.push(("PING with a context too long".into(), command(b"\x04PING\0\0seventeen bytes..")));
    all.push(("endless multipart of small frames".into(), frame(MORE, b"x").repeat(5000)));
    all.push(("endless multipart of large frames".into(), frame(MORE, &[0; 100_000]).repeat(40)));
    all
}

/// What ends a connection in the place of READY.
fn forbidden_ready(kind: &str) -> Vec<(String, Vec<u8>)> {
    let lengths = (16..64).map(|exponent| 1_u64 << exponent).chain([4097, i64::MAX as u64, u64::MAX]);
    let mut all: Vec<_> = lengths
        .flat_map(|length| [0, MORE, COMMAND].map(|flags| (length, flags)))
        .map(|(length, flags)| (format!("READY of {length} bytes, flags {flags}"), head(flags, length)))
        .collect();
    all.push(("message instead of READY".into(), frame(0, b"hello")));
    all.push(("other command".into(), command(b"\x04PING\0\0")));
    all.push(("socket type REP".into(), ready("REP", &[])));
    all.push(("no socket type".into(), command(b"\x05READY")));
    let mut overrun = ready(kind, &[]);
    let value_length = overrun.len() - kind.len() - 4;
    overrun[value_length] = 0x7f;
    all.push(("a property of 2 GiB".into(), overrun));
    all
}

async fn is_forbidden_at(door: &Door) {
    for (what, bytes) in forbidden() {
        let mut raw = door.enter().await;
        raw.say(&bytes).await;
        raw.is_ended(&format!("{what} at {}", door.endpoint)).await;
    }
    for (what, bytes) in forbidden_ready(door.kind) {
        let mut raw = door.open().await;
        raw.say(&[greeting(0), bytes].concat()).await;
        raw.is_ended(&format!("{what} at {}", door.endpoint)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forbidden_frames_end_their_connection_and_no_other() {
    for target in Target::all().await {
        for door in &target.doors {
            is_forbidden_at(door).await;
        }
        target.survives(GROWTH_MAX).await;
    }
}

/// A gibibyte is announced, and does come.
#[tokio::test(flavor = "multi_thread")]
async fn a_gibibyte_is_refused_at_its_announcement() {
    for target in Target::all().await {
        for door in &target.doors {
            let mut raw = door.enter().await;
            raw.say(&head(0, 1 << 30)).await;
            let block = vec![0; 64 << 10];
            // The first writes may still find room in the kernel; a gibibyte does not.
            let sent = tokio::time::timeout(Duration::from_secs(10), async {
                for _ in 0..(1 << 30) / block.len() {
                    tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &block).await?;
                }
                std::io::Result::Ok(())
            });
            assert!(sent.await.expect("an end").is_err(), "{} took a gibibyte", door.endpoint);
        }
        target.survives(GROWTH_MAX).await;
    }
}

/// A head alone makes nobody reserve room for the body.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_and_does_not_come_takes_no_memory() {
    const PEERS: usize = 200;
    let target = Target::relay().await;
    let mut waiting = Vec::new();
    for number in 0..PEERS {
        let mut raw = target.doors[number % target.doors.len()].enter().await;
        raw.say(&[head(0, FRAME_BYTES_MAX), vec![0; 10]].concat()).await;
        waiting.push(raw);
    }
    // 200 MiB are announced. What each peer gets is a buffer for one read.
    for raw in &mut waiting {
        raw.say(&[0]).await;
    }
    target.gauge.reserved_less_than(100 * MIB);
    drop(waiting);
    target.survives(32 * MIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_a_mebibyte_is_still_taken() {
    let relay = crate::target::Relay::start(&[]);
    let mut subscriber = relay.pub_door().enter().await;
    subscriber.say(&crate::raw::subscribe(b"\x07")).await;
    subscriber.is_served("the subscriber").await;
    let mut publisher = relay.sub_door().enter().await;
    let largest = vec![7; FRAME_BYTES_MAX as usize];
    publisher.say(&frame(0, &largest)).await;
    assert!(subscriber.message().await.unwrap() == largest);
    publisher.say(&frame(LONG, &[7; 300])).await;
    assert_eq!(subscriber.message().await.unwrap(), [7; 300]);
    publisher.say(&[head(0, FRAME_BYTES_MAX + 1), largest].concat()).await;
    publisher.is_ended("a byte more").await;
}

/// Messages behind a frame that ends the connection are lost, and of a publisher that does not number them nobody else
/// could tell.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_unread_when_a_connection_is_closed_is_logged_and_counted() {
    let relay = Relay::start(&["--metrics=127.0.0.1:0"]);
    let metrics = Metrics::of(&relay.process);
    let mut raw = relay.sub_door().enter().await;
    let bytes = [frame(0, b"heard"), head(0, 2 << 20), frame(0, b"lost")].concat();
    raw.say(&bytes).await;
    raw.is_ended("a frame of 2 MiB").await;
    let unread = (bytes.len() - frame(0, b"heard").len()) as f64;
    let count = |bytes| bytes == unread;
    tokio::task::block_in_place(|| metrics.until("pushnote_mq_unread_bytes_total{end=\"sub\"}", count));
    let line = relay.process.logged("bytes unread");
    assert!(line.contains("WARN") && line.contains(&format!("bytes={unread}")), "{line}");
    assert!(line.contains("peer=\"127.0.0.1:"), "{line}");
}
