//! The cost of verifying a token of each kind: a regression net.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use pushnote_core::{Tokenizer, UserId, Verifier};

mod secret;

/// `dumps(…, compress=True)` of some 440 bytes of claims, which nothing here makes.
const COMPRESSED: &str = ".eJyrViotTi1SslIyMVLSUUqtKFCyMjQ3AAJjMwMDHaX0ovzSgmIlq2ilotTElNSiYqCiUdbAs2JrASvMkQ4\
                          :1r31eq:1NWQf4Wkb_WOzkcsuuxsyOy0Tdki2F0Ll2rsWiK0FqM";

/// The original's salt, and its tokens of user 42 as Django before and since 3.1 makes them.
const LEGACY_SALT: &str = "pushnote_salt";
const LEGACY_SHA1: &str = "42:uDUs1oFXzu61hu69utSBkli0ZXU";
const LEGACY_SHA256: &str = "42:TAeFR5ZQDEv222UHsx35qL16IDe4It5Jugca26SxPqc";

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    verify(&mut criterion);
    criterion.final_summary();
}

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("token verify");
    let user = UserId::new("42").expect("an id");
    let tokenizer = Tokenizer::new(&secret::keys());
    let verifier = Verifier::new(&secret::keys()).with_legacy_salt(LEGACY_SALT);
    let plain = tokenizer.tokenize_unexpiring(&user);
    let forged = plain.replacen("42:", "43:", 1);
    let cases = [
        ("claims", tokenizer.tokenize(&user, secret::NOW, Some(Duration::from_secs(3600))), true),
        ("compressed claims", COMPRESSED.to_owned(), true),
        ("timestamped", tokenizer.tokenize(&user, secret::NOW, None), true),
        ("plain", plain, true),
        ("legacy SHA-1", LEGACY_SHA1.to_owned(), true),
        ("legacy SHA-256", LEGACY_SHA256.to_owned(), true),
        ("forged", forged, false),
    ];
    for (name, token, good) in cases {
        assert_eq!(verifier.verify(&token, secret::NOW).is_ok(), good, "{name}");
        group
            .bench_function(name, |bencher| bencher.iter(|| verifier.verify(black_box(&token), secret::NOW)));
    }
}
