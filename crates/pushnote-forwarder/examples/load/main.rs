//! The load of `bench/relay`: one publisher and some subscribers around a relay that is already running.
//!
//! - `load saturate zmtp|tcp SUB PUB PID BYTES SUBSCRIBERS SECONDS fast|check`: as much as goes through
//! - `load latency zmtp|tcp SUB PUB SUBSCRIBERS SECONDS`: a thousand messages a second
//! - `load tcp SUB PUB`: is a relay: what one would like it to cost
//! - `load forwarder SUB PUB`: is the forwarder that loses nothing; its addresses begin with `tcp://`
//!
//! Other addresses are as in `127.0.0.1:8001`, results are one line of JSON. Peers speak ZMTP by hand, so that they cost
//! little and are independent of what they measure.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on may stop anyhow")]

mod latency;
mod peer;
mod relays;
mod saturate;

use peer::Target;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["saturate", protocol, sub, r#pub, pid, bytes, subscribers, time, mode] => {
            let load = saturate::Load {
                bytes: bytes.parse().unwrap(),
                subscribers: subscribers.parse().unwrap(),
                time: seconds(time),
                check: mode == "check",
            };
            saturate::run(&Target::new(protocol, sub, r#pub), pid, &load);
        }
        ["latency", protocol, sub, r#pub, subscribers, time] => {
            latency::run(&Target::new(protocol, sub, r#pub), subscribers.parse().unwrap(), seconds(time));
        }
        ["tcp", sub, r#pub] => relays::tcp(sub, r#pub),
        ["forwarder", sub, r#pub] => relays::forwarder(sub, r#pub),
        _ => panic!("see the head of this file"),
    }
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.parse().unwrap())
}
