//! What ten releases of Django, from 1.4 to 6.1, made of the same inputs.

use hmac::Hmac;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::claims;
use super::keys::{Keys, Secret};
use super::signer::{Signer, keyed, signature};
use super::tests::kind;
use super::timestamp::{self, Stamped};
use super::{LEGACY_SALT, TokenError, Verifier, base62};

const FILE: &str = include_str!("../../tests/vectors/django_tokens.json");

/// How many vectors of each kind the file has; none may go untested because a name was changed.
const KINDS: [(&str, usize); 11] = [
    ("signer", 144),
    ("timestamp_signer", 28),
    ("dumps", 68),
    ("sign_object", 32),
    ("unsign", 24),
    ("timestamp_unsign", 19),
    ("pushnote_tokenize", 18),
    ("fallback", 3),
    ("legacy_sha1_token", 3),
    // What Django refuses as a separator, and its cookies: neither is ours.
    ("separator", 14),
    ("cookie_signer", 2),
];

struct Vector(Value);

impl Vector {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_else(|| panic!("no text {key} in {}", self.0))
    }

    fn signer(&self) -> Signer {
        Signer::new(self.text("salt"), self.text("key").as_bytes(), [])
    }

    fn is(&self, key: &str, value: &str) -> bool {
        self.0[key] == value
    }

    /// Unix seconds; fractions of a second have begun the next one.
    fn time(&self) -> u64 {
        self.0["time"].as_f64().unwrap().ceil() as u64
    }

    /// The value that Django found, or the name of its exception.
    fn result(&self) -> Result<&str, &str> {
        let result = &self.0["result"];
        result["ok"].as_str().ok_or_else(|| result["error"].as_str().unwrap())
    }
}

fn vectors(kind: &str) -> Vec<Vector> {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let all = file["django"]["vectors"].as_array().unwrap();
    let vectors: Vec<_> = all.iter().filter(|vector| vector["kind"] == kind).cloned().map(Vector).collect();
    let expected = KINDS.iter().find(|(name, _)| *name == kind).unwrap().1;
    assert_eq!(vectors.len(), expected, "{kind}");
    vectors
}

#[test]
fn every_vector_is_of_a_known_kind() {
    let file: Value = serde_json::from_str(FILE).unwrap();
    let all = file["django"]["vectors"].as_array().unwrap().len();
    assert_eq!(KINDS.iter().map(|(kind, _)| vectors(kind).len()).sum::<usize>(), all);
    assert_eq!(all, 355);
}

#[test]
fn signer() {
    let (mut signed, mut verified) = (0, 0);
    for vector in vectors("signer") {
        let (salt, key, value) = (vector.text("salt"), vector.text("key").as_bytes(), vector.text("value"));
        let ours = match vector.text("algorithm") {
            "sha1" => signature(&keyed::<Sha1, Hmac<Sha1>>(salt, key), value),
            "sha256" => signature(&keyed::<Sha256, Hmac<Sha256>>(salt, key), value),
            "sha512" => signature(&keyed::<Sha512, Hmac<Sha512>>(salt, key), value),
            other => panic!("{other}"),
        };
        assert_eq!(ours, vector.text("signature"));
        assert_eq!(format!("{value}{}{ours}", vector.text("sep")), vector.text("signed"));
        if !vector.is("sep", ":") {
            continue;
        }
        let unsigned = vector.signer().unsign(vector.text("signed")).map(str::to_owned);
        if vector.is("algorithm", "sha512") {
            assert_eq!(unsigned, None);
            continue;
        }
        assert_eq!(unsigned.as_deref(), Some(value));
        verified += 1;
        if vector.is("algorithm", "sha256") {
            assert_eq!(vector.signer().sign(value), vector.text("signed"));
            signed += 1;
        }
    }
    assert_eq!((signed, verified), (36, 72));
}

#[test]
fn timestamp_signer() {
    let mut signed = 0;
    for vector in vectors("timestamp_signer") {
        let (value, stamp) = (vector.text("value"), vector.time());
        assert_eq!(base62::encode(stamp), vector.text("timestamp"));
        let found = timestamp::unsign(&vector.signer(), vector.text("signed"));
        assert_eq!(found, Some(Stamped { value, stamp }));
        if vector.is("algorithm", "sha256") {
            assert_eq!(timestamp::sign(&vector.signer(), value, stamp), vector.text("signed"));
            signed += 1;
        }
    }
    assert_eq!(signed, 14);
}

/// How many objects were read, how many of those were compressed, and how many payloads were made anew.
fn objects(kind: &str) -> (usize, usize, usize) {
    let (mut read, mut compressed, mut made) = (0, 0, 0);
    for vector in vectors(kind) {
        let signed = vector.text("signed");
        let payload = if vector.is("cls", "Signer") {
            vector.signer().unsign(signed).unwrap()
        } else {
            let Stamped { value, stamp } = timestamp::unsign(&vector.signer(), signed).unwrap();
            assert_eq!(stamp, vector.time());
            value
        };
        let json = claims::decode(payload).unwrap();
        let object = &vector.0["obj"];
        assert_eq!(&serde_json::from_slice::<Value>(&json).unwrap(), object);
        read += 1;
        if payload.starts_with('.') {
            compressed += 1;
        } else if object.as_object().is_none_or(|object| object.len() == 1) {
            // The order of several keys is Python's own.
            assert_eq!(claims::encode(object).unwrap(), payload);
            made += 1;
        }
    }
    (read, compressed, made)
}

#[test]
fn dumps() {
    assert_eq!(objects("dumps"), (68, 4, 52));
}

#[test]
fn sign_object() {
    assert_eq!(objects("sign_object"), (32, 2, 26));
}

#[test]
fn unsign() {
    for vector in vectors("unsign") {
        let found = vector.signer();
        assert_eq!(found.unsign(vector.text("token")), vector.result().ok(), "{}", vector.text("why"));
    }
}

#[test]
fn timestamp_unsign() {
    let (mut ok, mut expired, mut future, mut unstamped) = (0, 0, 0, 0);
    for vector in vectors("timestamp_unsign") {
        let (signer, now, age_max_s) = (vector.signer(), vector.time(), vector.0["max_age"].as_u64());
        let found = timestamp::unsign(&signer, vector.text("token"));
        let checked = found.as_ref().map(|stamped| {
            stamped.check_not_in_future(now)?;
            timestamp::unexpired(stamped.expires_at(age_max_s), now).map(drop)
        });
        match (vector.result(), checked) {
            (Ok(value), Some(Ok(()))) => {
                assert_eq!(found.unwrap().value, value);
                ok += 1;
            }
            (Err("SignatureExpired"), Some(Err(TokenError::Expired))) => expired += 1,
            // Django takes any token from the future; we do not.
            (Ok(_), Some(Err(TokenError::FromFuture { .. }))) => future += 1,
            // Django stumbles over a token without a stamp; we refuse it.
            (Err("ValueError"), None) => unstamped += 1,
            (django, ours) => panic!("{django:?} {ours:?} {}", vector.0),
        }
    }
    assert_eq!((ok, expired, future, unstamped), (10, 6, 0, 3));
}

#[test]
fn pushnote_tokenize() {
    let keys = Keys::new(Secret::new(&"x".repeat(32)).unwrap());
    let mut verified = 0;
    for vector in vectors("pushnote_tokenize") {
        // From Django 5.1 on, the original cannot make tokens at all.
        let Some(token) = vector.0["signed"].as_str() else {
            assert!(vector.text("error").starts_with("TypeError"));
            continue;
        };
        assert_eq!(vector.text("salt"), LEGACY_SALT);
        let strict = Verifier::new(&keys);
        assert_eq!(kind(strict.verify(token, 0)), Err("invalid"));
        let lenient = Verifier::new(&keys).with_legacy_salt(vector.text("pushnote_salt"));
        assert_eq!(lenient.verify(token, 0).unwrap().as_str(), vector.0["user_id"].to_string());
        verified += 1;
    }
    assert_eq!(verified, 12);
}

#[test]
fn fallback() {
    for vector in vectors("fallback") {
        let others = vector.0["fallback_keys"].as_array().unwrap();
        let others = others.iter().map(|key| key.as_str().unwrap().as_bytes());
        let signer = Signer::new(vector.text("salt"), vector.text("key").as_bytes(), others);
        assert_eq!(signer.unsign(vector.text("token")), vector.result().ok());
    }
}

#[test]
fn legacy_sha1_token() {
    for vector in vectors("legacy_sha1_token") {
        // Django stopped to take them with 4.0; pages and applications outlive that.
        assert_eq!(vector.signer().unsign(vector.text("token")), Some("42"));
    }
}
