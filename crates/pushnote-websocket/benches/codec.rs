//! The codec's cost per message: a regression net.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput};
use pushnote_websocket::decode::{Decoder, Role};
use pushnote_websocket::encode::{self, Frame, Opcode};

const SIZES: [usize; 2] = [128, 16 * 1024];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    encode_text(&mut criterion);
    decode_masked(&mut criterion);
    criterion.final_summary();
}

fn encode_text(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode text");
    for size in SIZES {
        let payload = "x".repeat(size);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(size.to_string(), |bencher| bencher.iter(|| encode::text(black_box(&payload))));
    }
}

fn decode_masked(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode masked");
    for opcode in [Opcode::Text, Opcode::Binary] {
        for size in SIZES {
            let mut frame = BytesMut::new();
            Frame::new(opcode, &vec![b'x'; size]).append_masked(&mut frame, [0x37, 0xfa, 0x21, 0x3d]);
            let mut decoder = Decoder::new(Role::Server, size);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(format!("{opcode:?} {size}"), |bencher| {
                bencher.iter_batched_ref(
                    || frame.to_vec(),
                    |input| {
                        let (taken, event) = decoder.decode(black_box(input)).expect("a valid frame");
                        assert!(event.is_some() && taken == frame.len());
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
}
