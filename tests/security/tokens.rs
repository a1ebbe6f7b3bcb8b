//! Tokens that Django and PyJWT make.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pushnote_core::{Access, ChannelName, JwtKeys, Keys, TokenError, Tokenizer, Verifier};
use pushnote_tests::SECRET;
use serde_json::Value;

/// Tokens by their kind, made now; the public keys that go with them are in `folder`. See `python/tokens.py`.
pub(crate) fn made(folder: &Path) -> Value {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tests.join(".venv/bin/python");
    assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
    let tokenizer = Tokenizer::new(&Keys::parse(SECRET).unwrap());
    let news = ChannelName::new("news").unwrap();
    let ours = [None, Some(Duration::from_secs(60))].map(|ttl| tokenizer.tokenize_channel(&news, now(), ttl));
    let mut command = Command::new(python);
    let output =
        command.arg(tests.join("python/tokens.py")).arg(SECRET).arg(folder).args(ours).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn keys(folder: &Path, file: &str) -> JwtKeys {
    JwtKeys::parse(&fs::read_to_string(folder.join(file)).unwrap()).unwrap()
}

#[test]
fn tokens_of_django_and_pyjwt_allow_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = made(folder.path());
    let verifier = Verifier::new(&Keys::parse(SECRET).unwrap());
    let access = |verifier: &Verifier, kind: &str| {
        let token = tokens[kind].as_str().unwrap_or_else(|| panic!("no {kind}"));
        verifier.access(token, now())
    };
    let is_invalid = |found: Result<Access, TokenError>| matches!(found, Err(TokenError::Invalid(_)));
    let allows = |verifier: &Verifier, kind: &str| {
        let access = access(verifier, kind).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let names = ["news.a", "sport", "news", "Straße", "channel number 199"];
        let allowed = names.map(|name| access.allows(&ChannelName::new(name).unwrap()));
        (access.user.map(|user| user.to_string()), allowed)
    };
    let user = Some("42".to_owned());
    for kind in ["timestamped", "plain"] {
        assert_eq!(allows(&verifier, kind), (user.clone(), [false; 5]), "{kind}");
    }
    for kind in ["claims", "HS256"] {
        assert_eq!(allows(&verifier, kind), (user.clone(), [true, true, false, false, false]), "{kind}");
    }
    assert_eq!(allows(&verifier, "compressed"), (user.clone(), [true, true, false, false, true]));
    assert_eq!(allows(&verifier, "channel"), (None, [false, false, false, true, false]));

    for file in ["keys.pem", "keys.json"] {
        let verifier = Verifier::new(&Keys::parse(SECRET).unwrap()).with_jwt_keys(keys(folder.path(), file));
        for kind in ["RS256", "ES256", "EdDSA"] {
            let expected = (user.clone(), [true, true, false, false, false]);
            assert_eq!(allows(&verifier, kind), expected, "{kind} {file}");
        }
        for kind in ["none", "HS512", "stranger", "for another"] {
            assert!(is_invalid(access(&verifier, kind)), "{kind} {file}");
        }
        assert_eq!(access(&verifier, "expired"), Err(TokenError::Expired));
    }
    for kind in ["RS256", "ES256", "EdDSA"] {
        let with = |file: &str| {
            Verifier::new(&Keys::parse(SECRET).unwrap()).with_jwt_keys(keys(folder.path(), file))
        };
        assert!(is_invalid(access(&verifier, kind)), "{kind} without its key");
        assert!(access(&with(&format!("{kind}.pem")), kind).is_ok(), "{kind} with its key alone");
        assert!(is_invalid(access(&with("stranger.pem"), kind)), "{kind} with another key");
    }
}
