//! What a log takes is what it counts: alone in this process, so that its memory can be read from outside.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pushnote_core::{Audience, ChannelName, CloseCode, Cursor, Position, Subject, UserId};
use pushnote_hub::{Batch, Delivery, Hub, HubOptions, LogOptions, Origin, Place, Publication, Receiver};

const BYTES_MAX: usize = 32 << 20;

struct Nobody;

impl Receiver for Nobody {
    type Encodings = ();
    type Notice = ();

    fn deliver(&self, _: &Batch<()>) -> Delivery {
        Delivery::Accepted
    }

    fn tell(&self, (): &(), _: &Place) -> Delivery {
        Delivery::Accepted
    }

    fn place(&self, _: &Cursor) {}

    fn gap(&self, _: Option<&ChannelName>, _: &Cursor) -> Option<Delivery> {
        None
    }

    fn close(&self, _: CloseCode) {}

    fn abort(&self, _: CloseCode) {}
}

fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Publishes until the log has forgotten as much as it holds. Gives what the process takes then.
async fn fill(subject: impl Fn(u64) -> Subject, data_len: usize) -> usize {
    let hub: Hub<Nobody> = Hub::start(HubOptions {
        shards: 1,
        coalescing_window: Duration::ZERO,
        users_per_connection_max: 1,
        channels_per_connection_max: 1,
        connections_per_user_max: 1,
        rules: Arc::default(),
        log: LogOptions {
            epoch: 1,
            bytes_max: BYTES_MAX,
            count_max: usize::MAX,
            age_max: Duration::from_secs(3600),
        },
    })
    .unwrap();
    let (mut number, mut kept) = (0, 0);
    while number < 2 * kept + 1000 {
        let audience: Audience = [subject(number)].into_iter().collect();
        // A slice of something larger, as what is received is.
        let data = Bytes::from(vec![b'1'; 4 * data_len]).slice(..data_len);
        let position = Position { epoch: 7, sequence: number };
        let marks = [Position { sequence: number + 1, ..position }].into();
        let origin = Origin { position: Some(position), marks, ..Origin::default() };
        hub.publish(Publication::new(data, None, audience), origin).await.unwrap();
        number += 1;
        if number.is_multiple_of(512) {
            tokio::task::yield_now().await;
            kept = kept.max(hub.log_size().0 as u64);
            assert!(hub.log_size().1 <= BYTES_MAX + data_len + 2000);
        }
    }
    assert!(hub.log_size().1 > BYTES_MAX - (1 << 20), "it is used");
    resident()
}

/// One case, in a process of its own: what another has freed would stand in for what this one takes.
async fn case(name: &str) {
    let before = resident();
    let user = |number: u64| Subject::User(UserId::new(&format!("user {number}")).unwrap());
    let taken = match name {
        "small messages for everyone" => fill(|_| Subject::Everyone, 20).await,
        "messages for everyone" => fill(|_| Subject::Everyone, 200).await,
        "large ones" => fill(|_| Subject::Everyone, 60_000).await,
        "a user for each" => fill(user, 200).await,
        unknown => panic!("{unknown}"),
    };
    let grown = taken - before;
    println!("{name}: {} KiB", grown >> 10);
    assert!(grown < BYTES_MAX + BYTES_MAX / 10, "{name}: {} KiB", grown >> 10);
}

#[tokio::test]
async fn what_a_log_takes_is_what_it_counts() {
    if let Ok(name) = std::env::var("CASE") {
        return case(&name).await;
    }
    for name in ["small messages for everyone", "messages for everyone", "large ones", "a user for each"] {
        let ended =
            Command::new(std::env::current_exe().unwrap()).arg("--nocapture").env("CASE", name).output();
        let ended = ended.unwrap();
        print!("{}", String::from_utf8_lossy(&ended.stdout));
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}
