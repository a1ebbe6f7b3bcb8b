//! What the first receiver of a message pays for its encoding, and what all others pay: a regression net.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput};
use pushnote_sockjs::{Frames, Message};

/// How many elements, of how many bytes each.
const BATCHES: [(usize, usize); 3] = [(1, 128), (16, 128), (1, 16 * 1024)];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    first(&mut criterion, "websocket, first", Message::websocket);
    cached(&mut criterion, "websocket, cached", Message::websocket);
    first(&mut criterion, "raw websocket, first", Message::raw_websocket);
    cached(&mut criterion, "raw websocket, cached", Message::raw_websocket);
    criterion.final_summary();
}

fn first(criterion: &mut Criterion, name: &str, encoding: fn(&Message) -> &Frames) {
    let mut group = criterion.benchmark_group(name);
    for (count, size) in BATCHES {
        let elements = elements(count, size);
        group.throughput(Throughput::Bytes((count * size) as u64));
        group.bench_function(format!("{count} × {size} B"), |bencher| {
            bencher.iter_batched_ref(
                || Message::batch(elements.iter().cloned()),
                |message| encoding(black_box(message)).len(),
                BatchSize::SmallInput,
            );
        });
    }
}

/// The size is of no account: no byte of the message is touched.
fn cached(criterion: &mut Criterion, name: &str, encoding: fn(&Message) -> &Frames) {
    let mut group = criterion.benchmark_group(name);
    for (count, size) in BATCHES {
        let message = Message::batch(elements(count, size));
        encoding(&message);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("{count} × {size} B"), |bencher| {
            bencher.iter(|| encoding(black_box(&message)).len());
        });
    }
}

fn elements(count: usize, size: usize) -> Vec<Bytes> {
    vec![Bytes::from(format!(r#"{{"msg":"{}"}}"#, "x".repeat(size - r#"{"msg":""}"#.len()))); count]
}
