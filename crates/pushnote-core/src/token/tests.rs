use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use std::io::Write;

use super::signer::Signer;
use super::*;
use crate::subject::ChannelName;
use crate::user::UserId;

const NOW: u64 = 1_700_000_000;
const OLD: &str = "old secret, 0123456789abcdefghij";
const NEW: &str = "new secret, 0123456789abcdefghij";

/// An error by its kind alone.
pub(super) fn kind<T>(found: Result<T, TokenError>) -> Result<T, &'static str> {
    found.map_err(|error| error.kind())
}

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn keys() -> Keys {
    Keys::new(secret(NEW)).and(secret(OLD))
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

/// A token as Django's `dumps(object, key=NEW, salt=CLAIMS_SALT)` makes it.
fn dumps(payload: &str, stamp: u64) -> String {
    timestamp::sign(&Signer::new(CLAIMS_SALT, NEW.as_bytes(), []), payload, stamp)
}

fn dumps_json(json: &str) -> String {
    dumps(&URL_SAFE_NO_PAD.encode(json), NOW)
}

fn compressed(json: &[u8]) -> String {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(json).unwrap();
    dumps(&format!(".{}", URL_SAFE_NO_PAD.encode(zlib.finish().unwrap())), NOW)
}

#[test]
fn a_secret_is_long_and_hidden() {
    assert_eq!(Secret::new(&"x".repeat(31)).unwrap_err(), SecretError::TooShort { len: 31 });
    let text = Secret::new("").unwrap_err().to_string();
    assert_eq!(text, "secret has 0 bytes, at least 32 are needed; make one with: openssl rand -base64 32");
    let shown = format!("{:?} {:?} {:?}", keys(), Tokenizer::new(&keys()), Verifier::new(&keys()));
    assert!(!shown.contains("secret") && !shown.contains("0123"), "{shown}");
}

#[test]
fn secrets_are_read_one_a_line() {
    let keys = Keys::parse(&format!("\n  {NEW}\r\n\n{OLD}\n")).unwrap();
    assert_eq!(keys.first.bytes(), NEW.as_bytes());
    assert_eq!(keys.others.iter().map(Secret::bytes).collect::<Vec<_>>(), [OLD.as_bytes()]);
    assert_eq!(Keys::parse(" \n\n").unwrap_err(), SecretError::Missing);
    assert_eq!(Keys::parse(&format!("{NEW}\nshort")).unwrap_err(), SecretError::TooShort { len: 5 });
}

#[test]
fn a_timestamped_token_lives_as_long_as_the_server_lets_it() {
    let token = Tokenizer::new(&keys()).tokenize(&user("42"), NOW, None);
    assert!(token.starts_with("42:1r31eq:"), "{token}");
    let verifier = Verifier::new(&keys()).with_age_max_s(Some(10));
    assert_eq!(verifier.verify(&token, NOW), Ok(user("42")));
    assert_eq!(verifier.verify(&token, NOW + 10), Ok(user("42")));
    assert_eq!(verifier.verify(&token, NOW + 11), Err(TokenError::Expired));
    assert_eq!(verifier.with_age_max_s(None).verify(&token, u64::MAX), Ok(user("42")));
    let day = Verifier::new(&keys());
    assert_eq!(day.verify(&token, NOW + 86_400), Ok(user("42")));
    assert_eq!(day.verify(&token, NOW + 86_401), Err(TokenError::Expired));
}

#[test]
fn a_token_with_a_ttl_lives_that_long_whatever_the_server_says() {
    let token = Tokenizer::new(&keys()).tokenize(&user("42"), NOW, Some(Duration::from_secs(3600)));
    for age_max_s in [Some(1), Some(1_000_000), None] {
        let verifier = Verifier::new(&keys()).with_age_max_s(age_max_s);
        assert_eq!(verifier.verify(&token, NOW + 3599), Ok(user("42")));
        assert_eq!(verifier.verify(&token, NOW + 3600), Err(TokenError::Expired));
    }
    let at_once = Tokenizer::new(&keys()).tokenize(&user("42"), NOW, Some(Duration::ZERO));
    assert_eq!(Verifier::new(&keys()).verify(&at_once, NOW), Err(TokenError::Expired));
    let for_ever = Tokenizer::new(&keys()).tokenize(&user("42"), NOW, Some(Duration::MAX));
    assert_eq!(Verifier::new(&keys()).verify(&for_ever, NOW + 1), Ok(user("42")));
}

#[test]
fn a_plain_token_never_expires() {
    let token = Tokenizer::new(&keys()).tokenize_unexpiring(&user("42"));
    assert_eq!(Verifier::new(&keys()).verify(&token, u64::MAX), Ok(user("42")));
}

#[test]
fn ids_with_separators_and_letters_of_all_kinds_pass() {
    let (tokenizer, verifier) = (Tokenizer::new(&keys()), Verifier::new(&keys()));
    for id in ["user:42", ":", "a:1r31eq", "ünï✓", "\u{1f600}", "a b\"\\/"] {
        let user = user(id);
        for token in [
            tokenizer.tokenize(&user, NOW, None),
            tokenizer.tokenize(&user, NOW, Some(Duration::from_secs(1))),
            tokenizer.tokenize_unexpiring(&user),
        ] {
            assert_eq!(verifier.verify(&token, NOW), Ok(user.clone()), "{token}");
        }
    }
}

#[test]
fn a_token_from_the_future_is_good_as_far_as_clocks_differ() {
    let tokenizer = Tokenizer::new(&keys());
    let verifier = Verifier::new(&keys()).with_age_max_s(None);
    for ttl in [None, Some(Duration::from_secs(86_400))] {
        let token = tokenizer.tokenize(&user("42"), NOW, ttl);
        assert_eq!(verifier.verify(&token, NOW - 300), Ok(user("42")));
        assert_eq!(verifier.verify(&token, NOW - 301), Err(TokenError::FromFuture { ahead_s: 301 }));
    }
}

#[test]
fn all_secrets_verify_and_the_first_signs() {
    let tokens = |text| {
        let tokenizer = Tokenizer::new(&Keys::new(secret(text)));
        let ttl = Some(Duration::from_secs(60));
        [
            tokenizer.tokenize(&user("42"), NOW, None),
            tokenizer.tokenize(&user("42"), NOW, ttl),
            tokenizer.tokenize_unexpiring(&user("42")),
        ]
    };
    let both = Verifier::new(&keys());
    let only_new = Verifier::new(&Keys::new(secret(NEW)));
    for token in tokens(OLD) {
        assert_eq!(both.verify(&token, NOW), Ok(user("42")));
        assert_eq!(kind(only_new.verify(&token, NOW)), Err("invalid"));
    }
    for token in tokens(NEW) {
        assert_eq!(only_new.verify(&token, NOW), Ok(user("42")));
    }
    assert_eq!(Tokenizer::new(&keys()).tokenize_unexpiring(&user("42")), tokens(NEW)[2]);
}

#[test]
fn no_kind_passes_for_another() {
    let salts = [CLAIMS_SALT, TIMESTAMPED_SALT, CHANNEL_SALT, PLAIN_SALT, LEGACY_SALT];
    let signers = salts.map(|salt| Signer::new(salt, NEW.as_bytes(), []));
    for (at, one) in signers.iter().enumerate() {
        let signed = one.sign("42");
        for (other_at, other) in signers.iter().enumerate() {
            assert_eq!(other.unsign(&signed).is_some(), at == other_at);
        }
    }
    // A user who may choose an id cannot choose claims.
    let chosen = user("eyJ1c2VyIjoiYWRtaW4ifQ");
    let token = Tokenizer::new(&keys()).tokenize(&chosen, NOW, None);
    assert_eq!(Verifier::new(&keys()).verify(&token, NOW), Ok(chosen));
}

#[test]
fn claims_of_other_programs() {
    let verifier = Verifier::new(&keys());
    for json in [
        r#"{"user":"42"}"#,
        r#"{"user":42}"#,
        r#"{"sub":"42"}"#,
        r#"{"sub":42,"exp":1700000001,"channels":["news"]}"#,
        r#"{"user":"42","exp":1700000000.5}"#,
        r#"{"user":"42","exp":null}"#,
    ] {
        assert_eq!(verifier.verify(&dumps_json(json), NOW), Ok(user("42")), "{json}");
        assert_eq!(verifier.verify(&compressed(json.as_bytes()), NOW), Ok(user("42")), "{json}");
    }
    for json in
        [r#"{"user":"42","exp":1700000000}"#, r#"{"user":"42","exp":0}"#, r#"{"user":"42","exp":-1e9}"#]
    {
        assert_eq!(verifier.verify(&dumps_json(json), NOW), Err(TokenError::Expired), "{json}");
    }
    assert_eq!(verifier.verify(&dumps_json(r#"{"user":"42"}"#), NOW + 86_401), Err(TokenError::Expired));
}

#[test]
fn signed_nonsense_is_refused() {
    let verifier = Verifier::new(&keys());
    for json in [
        "",
        "42",
        "null",
        "{}",
        r#"{"exp":1}"#,
        r#"{"user":null}"#,
        r#"{"user":""}"#,
        r#"{"user":["42"]}"#,
        r#"{"user":1.5}"#,
        r#"{"user":100000000000000000000}"#,
        r#"{"user":"a\nb"}"#,
        r#"{"user":"42","exp":"1800000000"}"#,
        r#"{"user":"42","sub":"43"}"#,
        r#"{"user":"42"} x"#,
        &format!(r#"{{"user":{}1{}}}"#, "[".repeat(500), "]".repeat(500)),
    ] {
        assert_eq!(kind(verifier.verify(&dumps_json(json), NOW)), Err("invalid"), "{json}");
    }
    for payload in ["", ".", "=", "eyJ1c2VyIjoiNDIifQ==", ".AAAA", "ü"] {
        assert_eq!(kind(verifier.verify(&dumps(payload, NOW), NOW)), Err("invalid"), "{payload}");
    }
    let no_stamp = Signer::new(TIMESTAMPED_SALT, NEW.as_bytes(), []).sign("42");
    assert_eq!(kind(verifier.verify(&no_stamp, NOW)), Err("invalid"));
    let no_user = Signer::new(PLAIN_SALT, NEW.as_bytes(), []).sign("");
    assert_eq!(kind(verifier.verify(&no_user, NOW)), Err("invalid"));
}

#[test]
fn what_unfolds_to_too_much_is_refused() {
    let verifier = Verifier::new(&keys());
    let padded = |len: usize| {
        let mut json = br#"{"user":"42"}"#.to_vec();
        json.resize(len, b' ');
        json
    };
    let most = usize::try_from(claims::UNFOLDED_BYTES_MAX).unwrap();
    let token = compressed(&padded(most));
    assert!(token.len() < 300, "{}", token.len());
    assert_eq!(verifier.verify(&token, NOW), Ok(user("42")));
    assert_eq!(kind(verifier.verify(&compressed(&padded(most + 1)), NOW)), Err("invalid"));
}

#[test]
fn any_change_to_a_token_spoils_it() {
    let verifier = Verifier::new(&keys()).with_legacy_salt("pushnote_salt");
    let tokenizer = Tokenizer::new(&keys());
    for token in [
        tokenizer.tokenize(&user("42"), NOW, None),
        tokenizer.tokenize(&user("42"), NOW, Some(Duration::from_secs(60))),
        tokenizer.tokenize_unexpiring(&user("42")),
        "42:uDUs1oFXzu61hu69utSBkli0ZXU".to_owned(),
    ] {
        assert_eq!(verifier.verify(&token, NOW), Ok(user("42")));
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(kind(verifier.verify(&changed, NOW)), Err("invalid"), "{changed}");
            assert_eq!(kind(verifier.verify(&token[..at], NOW)), Err("invalid"), "{}", &token[..at]);
        }
        for added in [" ", "=", ":", "A", "\n"] {
            assert_eq!(kind(verifier.verify(&format!("{token}{added}"), NOW)), Err("invalid"));
            assert_eq!(kind(verifier.verify(&format!("{added}{token}"), NOW)), Err("invalid"));
        }
    }
}

#[test]
fn legacy_tokens_need_the_salt() {
    let tokens = ["42:uDUs1oFXzu61hu69utSBkli0ZXU", "42:TAeFR5ZQDEv222UHsx35qL16IDe4It5Jugca26SxPqc"];
    for token in tokens {
        assert_eq!(kind(Verifier::new(&keys()).verify(token, NOW)), Err("invalid"));
        let legacy = Verifier::new(&keys()).with_legacy_salt("pushnote_salt");
        assert_eq!(legacy.verify(token, NOW), Ok(user("42")));
        let other = Verifier::new(&keys()).with_legacy_salt("another");
        assert_eq!(kind(other.verify(token, NOW)), Err("invalid"));
    }
}

#[test]
fn a_long_token_is_refused_unread() {
    let verifier = Verifier::new(&keys()).with_token_bytes_max(60);
    let token = Tokenizer::new(&keys()).tokenize_unexpiring(&user(&"x".repeat(16)));
    assert_eq!(token.len(), 60);
    assert!(verifier.verify(&token, NOW).is_ok());
    let error = verifier.verify(&format!("x{token}"), NOW).unwrap_err();
    assert_eq!(error, TokenError::TooLong { len: 61, max: 60 });
    assert_eq!(error.kind(), "too_long");
    let error = Verifier::new(&keys()).verify(&"x".repeat(4097), NOW).unwrap_err();
    assert_eq!(error, TokenError::TooLong { len: 4097, max: 4096 });
}

fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

#[test]
fn a_token_of_one_channel_is_nobodys_and_for_nothing_else() {
    let verifier = Verifier::new(&keys()).with_age_max_s(Some(10));
    let tokenizer = Tokenizer::new(&keys());
    let channels = vec![ChannelPattern::Exactly(channel("news"))];
    for (ttl, expires_at) in [(None, NOW + 11), (Some(Duration::from_secs(60)), NOW + 60)] {
        let token = tokenizer.tokenize_channel(&channel("news"), NOW, ttl);
        let access = verifier.access(&token, NOW).unwrap();
        assert_eq!(
            access,
            Access {
                user: None,
                channels: channels.clone(),
                made_at: access.made_at,
                expires_at: Some(expires_at)
            }
        );
        assert!(access.allows(&channel("news")) && !access.allows(&channel("news.a")));
        assert_eq!(verifier.access(&token, expires_at), Err(TokenError::Expired));
        assert_eq!(verifier.access(&token, NOW - 301), Err(TokenError::FromFuture { ahead_s: 301 }));
        assert_eq!(kind(verifier.verify(&token, NOW)), Err("invalid"), "it makes nobody a user");
    }
    assert_eq!(tokenizer.tokenize_channel(&channel("news"), NOW, None).split(':').next(), Some("news"));
    // What ends in * is a pattern, and Django signs any text.
    let pattern = timestamp::sign(&Signer::new(CHANNEL_SALT, NEW.as_bytes(), []), "news*", NOW);
    assert_eq!(kind(verifier.access(&pattern, NOW)), Err("invalid"));
}

#[test]
fn a_users_token_allows_no_channels_but_those_of_its_claims() {
    let verifier = Verifier::new(&keys());
    let tokenizer = Tokenizer::new(&keys());
    for token in [tokenizer.tokenize(&user("42"), NOW, None), tokenizer.tokenize_unexpiring(&user("42"))] {
        let access = verifier.access(&token, NOW).unwrap();
        assert_eq!((access.user, access.channels), (Some(user("42")), vec![]));
    }
    let access = verifier.access(&dumps_json(r#"{"user":"42","channels":["news.*","sport"]}"#), NOW).unwrap();
    assert_eq!(access.user, Some(user("42")));
    for (name, allowed) in [("news.a", true), ("sport", true), ("news", false), ("sport.a", false)] {
        assert_eq!(access.allows(&channel(name)), allowed, "{name}");
    }
    let nobodys = verifier.access(&dumps_json(r#"{"channels":["*"]}"#), NOW).unwrap();
    assert!(nobodys.user.is_none() && nobodys.allows(&channel("anything")));
    for json in
        [r#"{"channels":null}"#, r#"{"user":"42","channels":"news"}"#, r#"{"user":"42","channels":[""]}"#]
    {
        assert_eq!(kind(verifier.access(&dumps_json(json), NOW)), Err("invalid"), "{json}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(token in ".{0,80}") {
        let verifier = Verifier::new(&keys()).with_legacy_salt("pushnote_salt");
        prop_assert_eq!(kind(verifier.verify(&token, NOW)), Err("invalid"));
    }

    #[test]
    fn what_is_made_is_verified(id in "[^\\p{Cc}]{1,32}", ttl in prop::option::of(1..1_000_000u64)) {
        let token = Tokenizer::new(&keys()).tokenize(&user(&id), NOW, ttl.map(Duration::from_secs));
        prop_assert_eq!(Verifier::new(&keys()).verify(&token, NOW), Ok(user(&id)));
    }
}
