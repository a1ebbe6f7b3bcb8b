//! The cost of what goes out in frames and of what comes in with the send requests: a regression net.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use pushnote_sockjs_proto::callback::Callback;
use pushnote_sockjs_proto::escape;
use pushnote_sockjs_proto::frame::{self, Framing};
use pushnote_sockjs_proto::input::{self, Messages};

/// Two bytes, three bytes, and beyond the BMP, which goes out as an escaped pair.
const INTERNATIONAL: &str = "Grüße, 世界 😀 ";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    escaping(&mut criterion);
    messages(&mut criterion);
    wrapping(&mut criterion);
    parsing(&mut criterion);
    criterion.final_summary();
}

fn escaping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("escape");
    let texts = [
        ("ASCII 128 B", "x".repeat(128)),
        ("ASCII 16 KiB", "x".repeat(16 * 1024)),
        ("non-BMP 128 B", sized(INTERNATIONAL, 128)),
        ("non-BMP 16 KiB", sized(INTERNATIONAL, 16 * 1024)),
    ];
    for (name, text) in texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("text {name}"), |bencher| {
            let mut out = Vec::new();
            bencher.iter(|| {
                out.clear();
                escape::text(black_box(&text), &mut out);
                black_box(&out);
            });
        });
        // What stands between the quotes has nothing else to escape: it does for JSON too.
        group.bench_function(format!("raw JSON {name}"), |bencher| {
            bencher.iter(|| escape::raw_json(black_box(&text)));
        });
    }
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a[…] of");
    for count in [1, 16] {
        let elements = vec![element(128); count];
        group.throughput(Throughput::Bytes(elements.concat().len() as u64));
        group.bench_function(format!("{count} × 128 B"), |bencher| {
            bencher.iter(|| frame::messages(black_box(&elements).iter()));
        });
    }
}

fn wrapping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wrap");
    let callback = Callback::from_query("c=_jp.abc", 32).expect("a name");
    let framings = [
        ("xhr", Framing::Xhr),
        ("eventsource", Framing::EventSource),
        ("htmlfile", Framing::HtmlFile),
        ("jsonp", Framing::Jsonp(callback)),
    ];
    for (name, framing) in framings {
        for size in [128, 16 * 1024] {
            let frame = frame::messages(std::iter::once(element(size)));
            group.throughput(Throughput::Bytes(frame.len() as u64));
            group.bench_function(format!("{name} {size} B"), |bencher| {
                bencher.iter(|| framing.wrap(black_box(&frame)));
            });
        }
    }
}

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    let plain = format!("[{}]", element(128));
    let escaped = format!(r#"["{}"]"#, sized(r"\ud83d\ude00\u00e9\n ", 128));
    let many = format!("[{}]", vec![element(128); 128].join(","));
    for (name, body) in [("128 B", &plain), ("128 B of escapes", &escaped), ("128 × 128 B", &many)] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("xhr_send {name}"), |bencher| {
            bencher.iter(|| decoded_len(&Messages::from_body(black_box(body)).expect("an array")));
        });
        group.bench_function(format!("websocket {name}"), |bencher| {
            bencher.iter(|| decoded_len(&Messages::from_websocket(black_box(body)).expect("JSON")));
        });
        let form = form(body);
        group.throughput(Throughput::Bytes(form.len() as u64));
        group.bench_function(format!("jsonp_send {name}"), |bencher| {
            bencher.iter(|| {
                let body = input::form_field(black_box(&form));
                decoded_len(&Messages::from_body(&body).expect("an array"))
            });
        });
    }
}

/// As browsers send it: everything but the unreserved percent-encoded.
fn form(body: &str) -> Vec<u8> {
    let encoded = percent_encoding::utf8_percent_encode(body, percent_encoding::NON_ALPHANUMERIC);
    format!("d={encoded}").into_bytes()
}

fn decoded_len(messages: &Messages<'_>) -> usize {
    messages.iter().map(|message| message.len()).sum()
}

/// An object that is so long, as an application would send it.
fn element(size: usize) -> String {
    format!(r#"{{"msg":"{}"}}"#, "x".repeat(size - r#"{"msg":""}"#.len()))
}

/// `piece` over and over: at least so many bytes, never half a piece.
fn sized(piece: &str, size: usize) -> String {
    piece.repeat(size.div_ceil(piece.len()))
}
