//! Peers that keep to the protocol, nearly or to excess.

use crate::gauge::MIB;
use crate::raw::{COMMAND, Door, command, frame, ready, subscribe};
use crate::target::{ANY_V4, Relay, Target};

/// Two peers with the same identity, two applications started from one configuration, are two peers.
#[tokio::test(flavor = "multi_thread")]
async fn peers_with_the_same_identity_are_both_served() {
    let relay = Relay::start(&[]);
    let witness = relay.witness().await;
    let identity: [(&str, &[u8]); 1] = [("Identity", b"the same")];
    let mut subscribers = Vec::new();
    let mut publishers = Vec::new();
    for _ in 0..2 {
        let mut subscriber = relay.pub_door().enter_as(&ready("SUB", &identity), 1).await;
        subscriber.say(&subscribe(b"twin")).await;
        subscriber.is_served("a subscriber").await;
        subscribers.push(subscriber);
        publishers.push(relay.sub_door().enter_as(&ready("PUB", &identity), 1).await);
    }
    for (number, publisher) in publishers.iter_mut().enumerate() {
        let text = format!("twin {number}");
        publisher.say(&frame(0, text.as_bytes())).await;
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.message().await.unwrap(), text.as_bytes());
        }
    }
    witness.noticed_nothing().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_million_subscriptions_end_their_connection() {
    for as_command in [false, true] {
        let target = Target::relay().await;
        let door = target.doors.iter().find(|door| door.kind == "SUB").unwrap();
        let mut greedy = door.enter().await;
        let mut wishes = Vec::new();
        for number in 0..500_000 {
            let prefix = format!("{number:06}");
            if as_command {
                wishes.extend(command(&[b"\x09SUBSCRIBE", prefix.as_bytes()].concat()));
            } else {
                wishes.extend(subscribe(prefix.as_bytes()));
            }
        }
        greedy.say(&wishes).await;
        greedy.is_ended("half a million subscriptions").await;
        // 16,000 are taken before that: a mebibyte as it is counted.
        target.survives(16 * MIB).await;
    }
}

/// PINGs without end, by one that never reads the answers: it gets no more of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_pings_takes_no_memory() {
    let (relay, single) = tokio::join!(Target::relay(), Target::single(ANY_V4));
    for target in [relay, single] {
        let flood = command(b"\x04PING\0\0sixteen bytes..").repeat(20_000);
        let mut peers = Vec::new();
        for door in &target.doors {
            let mut raw = door.enter().await;
            for _ in 0..10 {
                raw.say(&flood).await;
            }
            peers.push(raw);
        }
        // 28 MB of PINGs, read by the other side and mostly not answered.
        drop(peers);
        target.survives(16 * MIB).await;
    }
}

async fn is_polite(door: &Door) {
    let mut raw = door.enter_as(&ready(door.kind, &[]), 1).await;
    // A PONG that nobody asked for, commands and properties of another age, a subscription at a subscriber.
    raw.say(&command(b"\x04PONG")).await;
    raw.say(&command(b"\x04PONGnever asked for")).await;
    raw.say(&command(b"\x07UNKNOWN with data")).await;
    raw.say(&command(b"\x05READY")).await;
    raw.say(&command(b"\x09SUBSCRIBEx")).await;
    raw.say(&command(b"\x06CANCELy")).await;
    raw.is_served(&format!("odd commands at {}", door.endpoint)).await;
    let mut witness = door.enter().await;
    raw.say(&command(b"\x05ERROR\x05bored")).await;
    raw.is_ended(&format!("ERROR at {}", door.endpoint)).await;
    witness.is_served("beside one that gave up").await;
}

/// PING is answered, what is unknown ignored, and an ERROR ends the connection it came on.
#[tokio::test(flavor = "multi_thread")]
async fn commands_are_answered_ignored_or_final() {
    for target in Target::all().await {
        for door in &target.doors {
            is_polite(door).await;
        }
        target.survives(16 * MIB).await;
    }
}

/// Beside a peer that says nothing, one that answers each PING: who stays, and who does not.
async fn minds_heartbeats(door: &Door) {
    let mut answering = door.enter_as(&ready(door.kind, &[]), 1).await;
    let mut silent = door.enter_as(&ready(door.kind, &[]), 1).await;
    let pings = async {
        let mut pings = 0;
        while pings < 10 {
            let (flags, body) = answering.frame().await.unwrap();
            if flags == COMMAND && body.starts_with(b"\x04PING") {
                pings += 1;
                answering.say(&command(b"\x04PONG")).await;
            }
        }
    };
    // Ten intervals are five times as long as a silent peer lives.
    tokio::join!(pings, silent.is_ended_in_time("silent"));
}

/// It sends a PING of its own, and whoever answers stays.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_heartbeats_stays_and_whoever_does_not_is_closed() {
    // So long that a busy machine, too, lets a peer answer in time.
    let relay = Relay::start(&["--heartbeat-interval=1"]);
    let (subscribers, publishers) = (relay.pub_door(), relay.sub_door());
    tokio::join!(minds_heartbeats(&subscribers), minds_heartbeats(&publishers));
}
