//! Subscribers that do not keep up: what becomes of them, and that nobody else notices unless that was asked for.

use std::time::{Duration, Instant};

use pushnote::{PublishError, Publisher};
use pushnote_tests::PATIENCE;
use serde_json::Value;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::gauge::{Gauge, MIB};
use crate::raw::{Raw, subscribe};
use crate::target::Relay;
use crate::witness::{Ear, publisher};

/// Messages of a kilobyte that a fast subscriber takes before more are published: less than its queue holds.
const ROUND: u64 = 1000;
const ROUNDS: u64 = 40;
/// Messages that all queues between a publisher and a stalled subscriber hold, those of the kernel included, with
/// plenty to spare.
const HELD_MAX: u64 = 100_000;
/// Beginnings of the envelopes of [`publish`], for everyone and for a user.
const EVERYONE: &[u8] = br#"{"name":"notify_all""#;
const USER: &[u8] = br#"{"name":"notify","#;
/// The user of the messages behind all others.
const LAST: &str = "the last";

async fn subscriber(relay: &Relay, prefix: &[u8]) -> Raw {
    let mut raw = relay.pub_door().enter().await;
    raw.say(&subscribe(prefix)).await;
    raw.is_served("a subscriber").await;
    raw
}

/// One message for everyone, or for a user.
fn publish(publisher: &Publisher, number: u64) -> Result<(), PublishError> {
    let data = (number, "x".repeat(1000));
    if number.is_multiple_of(2) { publisher.notify_all(data) } else { publisher.notify(data, [42]) }
}

/// Publishes rounds of messages; the fast subscriber gets each of them, in order, before the next round begins.
/// Returns how many there were.
async fn flood(publisher: &Publisher, fast: &mut Ear, rounds: u64, mut enough: impl FnMut() -> bool) -> u64 {
    let mut number = 0;
    for _ in 0..rounds {
        let started = Instant::now();
        let end = number + ROUND;
        for number in number..end {
            publish(publisher, number).expect("a publisher that is not held up");
        }
        for number in number..end {
            let data = timeout(PATIENCE, fast.next()).await.expect("the fast one misses messages");
            assert_eq!(data[0], number);
        }
        number = end;
        assert!(started.elapsed() < PATIENCE / 4, "a round took {:?}", started.elapsed());
        if enough() {
            break;
        }
    }
    number
}

/// A forwarder, a publisher, and a fast subscriber that hears it.
async fn set_up(arguments: &[&str]) -> (Relay, Publisher, Ear) {
    let relay = Relay::start(arguments);
    let publisher = publisher(&relay.sub[0]);
    let mut fast = Ear::subscriber(&relay.publ[0]);
    let mut knock = tokio::time::interval(Duration::from_millis(50));
    let mut knocks = 0;
    // Up to the last knock, so that none is left for the test.
    let hears = async {
        loop {
            tokio::select! {
                data = fast.next() => if data == knocks { return },
                _ = knock.tick() => {
                    knocks += 1;
                    publisher.notify_all(knocks).unwrap();
                }
            }
        }
    };
    timeout(PATIENCE, hears).await.expect("the fast one hears");
    (relay, publisher, fast)
}

/// Reads up to a message for [`LAST`], says so, and reads on to the end of the connection; returns how many came.
async fn count(mut raw: Raw, reached: oneshot::Sender<()>) -> u64 {
    let (mut messages, mut reached) = (0, Some(reached));
    while let Ok(message) = raw.message().await {
        messages += 1;
        if message.windows(LAST.len()).any(|part| part == LAST.as_bytes())
            && let Some(reached) = reached.take()
        {
            reached.send(()).expect("the test waits for it");
        }
    }
    messages
}

/// By default a stalled subscriber misses messages, which are counted, and nobody else notices.
#[tokio::test(flavor = "multi_thread")]
async fn dropped_messages_are_the_stalled_subscribers_loss_alone() {
    let (mut relay, publisher, mut fast) = set_up(&[]).await;
    let witness_gauge = Gauge::of(relay.process.id());
    let stalled = [subscriber(&relay, b"").await, subscriber(&relay, USER).await];
    let elsewhere = subscriber(&relay, b"another topic").await;
    let sent = flood(&publisher, &mut fast, ROUNDS, || false).await;
    // Two queues of 8 MiB, and as much again for the reads and what the allocator keeps.
    witness_gauge.grew_less_than(32 * MIB);

    let mut reached = Vec::new();
    let [everything, user] = stalled.map(|raw| {
        let (at_end, is_reached) = oneshot::channel();
        reached.push(is_reached);
        tokio::spawn(count(raw, at_end))
    });
    // They have all that waited for them when they have what is published last; a full queue takes that neither.
    let mut more = 0;
    for mut reached in reached {
        let published = async {
            while reached.try_recv().is_err() {
                more += 1;
                publisher.notify(more, [LAST]).unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, published).await.expect("who reads again gets what is new");
    }
    // What the forwarder has not read when it is told to end is not its loss.
    let read = async { while fast.next().await != more {} };
    timeout(PATIENCE, read).await.expect("the fast one misses messages");
    relay.process.terminate();
    assert!(relay.process.ended().success());
    let (everything, user) = (everything.await.unwrap(), user.await.unwrap());
    assert_eq!(count(elsewhere, oneshot::channel().0).await, 0);
    assert!(everything < sent, "40 MB fit in no queue");
    // Whatever one of them did not get is counted.
    assert_eq!(relay.total("dropped"), (sent + more - everything) + (sent / 2 + more - user));
    relay.process.logged("messages dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_stays_stalled_is_disconnected_if_so_told() {
    let (relay, publisher, mut fast) = set_up(&["--slow-subscriber=disconnect:0.5"]).await;
    let gauge = Gauge::of(relay.process.id());
    let mut stalled = subscriber(&relay, EVERYONE).await;
    let started = Instant::now();
    let is_disconnected = || relay.log().contains("slow_subscriber");
    flood(&publisher, &mut fast, u64::MAX, || is_disconnected() || started.elapsed() > PATIENCE).await;
    assert!(is_disconnected(), "still there");
    stalled.is_ended("a subscriber that stays stalled").await;
    flood(&publisher, &mut fast, 3, || false).await;
    gauge.grew_less_than(32 * MIB);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_everybody_waits_if_so_told() {
    let (mut relay, publisher, mut fast) = set_up(&["--slow-subscriber=wait"]).await;
    let gauge = Gauge::of(relay.process.id());
    let mut stalled = subscriber(&relay, b"").await;
    let (heard_in, mut heard) = watch::channel(0);
    let hearing = tokio::spawn(async move {
        for number in 0_u64.. {
            assert_eq!(fast.next().await[0], number);
            heard_in.send_replace(number + 1);
        }
    });
    let mut sent = 0;
    // Full, and for longer than a busy machine takes to move a message: it is held up.
    let held_up = async {
        let mut full_since = None;
        while full_since.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(1)) {
            if publish(&publisher, sent).is_ok() {
                (sent, full_since) = (sent + 1, None);
                assert!(sent < HELD_MAX, "nobody waits for the stalled one");
                tokio::task::yield_now().await;
            } else {
                full_since.get_or_insert_with(Instant::now);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    timeout(2 * PATIENCE, held_up).await.expect("a stalled subscriber holds everybody up");
    gauge.grew_less_than(32 * MIB);

    for number in 0..sent {
        let message = stalled.message().await.unwrap();
        let envelope: Value = serde_json::from_slice(&message).unwrap();
        assert_eq!(envelope["data"][0], number);
    }
    let all = timeout(PATIENCE, heard.wait_for(|heard| *heard == sent)).await;
    assert!(all.is_ok_and(|all| all.is_ok()), "the fast one misses messages");
    hearing.abort();
    relay.process.terminate();
    assert!(relay.process.ended().success());
    assert_eq!(relay.total("dropped"), 0);
}
