//! The cost of reading what applications publish and what browsers say: a regression net.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use pushnote_core::{Audience, ChannelName, ClientCommand, Draft, Envelope, Limits, Tokenizer, UserId};

mod secret;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    envelope_parse(&mut criterion);
    command_parse(&mut criterion);
    criterion.final_summary();
}

fn envelope_parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope parse");
    let user = UserId::new("42").expect("an id");
    let users: Vec<_> = (0..100).map(|n| UserId::new(&n.to_string()).expect("an id")).collect();
    let small = "Hi all!";
    let channel: Audience = [ChannelName::new("news").expect("a name").into()].into_iter().collect();
    let cases = [
        ("notify_all small", Draft::notify_all(0, &small)),
        ("notify_all 1 KiB", Draft::notify_all(0, &"x".repeat(1024))),
        ("notify_all 60 KiB", Draft::notify_all(0, &"x".repeat(60 * 1024))),
        ("publish 1 channel small", Draft::publish(0, &small, &channel, Some("headline"))),
        ("notify 1 user small", Draft::notify(0, &small, &[user])),
        ("notify 100 users small", Draft::notify(0, &small, &users)),
    ];
    let data_bytes_max = Limits::default().message_bytes_max;
    for (name, envelope) in cases {
        let envelope = Bytes::from(envelope.expect("plain JSON").unnumbered());
        Envelope::parse(&envelope, data_bytes_max).expect("an envelope");
        group.throughput(Throughput::Bytes(envelope.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| Envelope::parse(black_box(&envelope), data_bytes_max))
        });
    }
}

fn command_parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("command parse");
    let user = UserId::new("42").expect("an id");
    let token = Tokenizer::new(&secret::keys()).tokenize(&user, secret::NOW, None);
    let cases = [
        ("subscribe, token in an object", format!(r#"{{"name":"subscribe","data":{{"token":"{token}"}}}}"#)),
        ("subscribe, bare token", format!(r#"{{"name":"subscribe","data":"{token}"}}"#)),
        ("ignored, 1 KiB", format!(r#"{{"name":"chat","data":"{}"}}"#, "x".repeat(1024))),
    ];
    for (name, text) in cases {
        ClientCommand::parse(&text).expect("the client protocol");
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| ClientCommand::parse(black_box(&text))));
    }
}
