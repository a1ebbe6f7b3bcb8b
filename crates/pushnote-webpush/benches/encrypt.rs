//! What a message costs before it is sent: encryption for each, a signature for each push service every six hours.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pushnote_webpush::{Key, Keys, Subscription, Vapid, encrypt};

fn messages(criterion: &mut Criterion) {
    let json = r#"{"endpoint":"https://push.example/x","keys":{
        "p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth":"BTBZMqHH6r4Tts7J_aSIgg"}}"#;
    let subscription = Subscription::parse(json).unwrap();
    for bytes in [100, 1000, 3993] {
        let payload = vec![b'x'; bytes];
        criterion.bench_function(&format!("encrypt {bytes} bytes"), |bencher| {
            bencher.iter(|| encrypt(black_box(&subscription), black_box(&payload)).unwrap());
        });
    }
    criterion.bench_function("parse a subscription", |bencher| {
        bencher.iter(|| Subscription::parse(black_box(json)).unwrap())
    });

    let key = Key::generate().unwrap();
    let vapid = Vapid::new(Keys::new(key.clone(), Vec::new()), "mailto:ops@example.com".parse().unwrap());
    criterion.bench_function("sign a token", |bencher| {
        bencher.iter(|| {
            vapid.forget("https://push.example", key.id());
            vapid.authorization("https://push.example", key.id(), 1_800_000_000).unwrap()
        });
    });
    criterion.bench_function("a token that is kept", |bencher| {
        bencher.iter(|| {
            vapid.authorization(black_box("https://push.example"), key.id(), 1_800_000_000).unwrap()
        });
    });
}

criterion_group!(benches, messages);
criterion_main!(benches);
