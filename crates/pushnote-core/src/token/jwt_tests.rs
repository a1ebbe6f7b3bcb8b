//! JWTs: what PyJWT made, and what nobody may.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::tests::kind;
use super::*;
use crate::subject::ChannelName;
use crate::user::UserId;

const FILE: &str = include_str!("../../tests/vectors/django_tokens.json");
const NOW: u64 = 1_700_000_000;

fn file() -> Value {
    serde_json::from_str::<Value>(FILE).unwrap()["jwt"].take()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

fn pem(alg: &str) -> String {
    text(&file()["keys"][alg], "public_pem").to_owned()
}

fn secret() -> String {
    text(&file()["keys"]["hs256"], "secret").to_owned()
}

fn verifier() -> Verifier {
    Verifier::new(&Keys::parse(&secret()).unwrap())
}

fn verifier_of(pems: &str) -> Verifier {
    verifier().with_jwt_keys(JwtKeys::parse(pems).unwrap())
}

/// A token of any header and payload, signed with `secret` by HS256.
fn signed(header: &Value, payload: &str, secret: &[u8]) -> String {
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&signed).finalize();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.into_bytes()))
}

fn of(claims: &Value) -> String {
    signed(&json!({"alg": "HS256"}), &claims.to_string(), secret().as_bytes())
}

#[test]
fn what_pyjwt_makes_is_taken_and_what_is_wrong_is_not() {
    let verifier = verifier_of(&[pem("rs256"), pem("es256"), pem("eddsa")].concat());
    let vectors = file()["vectors"].as_array().unwrap().clone();
    assert_eq!(vectors.len(), 18);
    for vector in &vectors {
        let found = verifier.access(text(vector, "token"), NOW);
        let name = format!("{} {}", text(vector, "name"), text(vector, "alg"));
        match text(vector, "name") {
            "valid" | "aud list" | "no exp" => {
                let access = found.unwrap();
                assert_eq!(access.user, Some(UserId::new("42").unwrap()), "{name}");
                let expires_at = if text(vector, "name") == "no exp" { NOW + 86_401 } else { NOW + 3600 };
                assert_eq!(access.expires_at, Some(expires_at), "{name}");
                for (channel, allowed) in [("news", true), ("chat:7", true), ("news.a", false)] {
                    assert_eq!(access.allows(&ChannelName::new(channel).unwrap()), allowed, "{name}");
                }
            }
            "no sub (anonymous)" => assert_eq!(found.unwrap().user, None),
            // Its claim `channel` is none of ours.
            "Centrifugo subscription token" => assert_eq!(found.unwrap().channels, []),
            "expired" => assert_eq!(found, Err(TokenError::Expired), "{name}"),
            "nbf future" => assert_eq!(found, Err(TokenError::FromFuture { ahead_s: 500 })),
            "wrong aud"
            | "numeric sub"
            | "empty sub (anonymous, Centrifugo style)"
            | "alg none"
            | "RS256 public PEM used as HS256 secret (key confusion)" => {
                assert_eq!(kind(found), Err("invalid"), "{name}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn each_key_has_one_algorithm_and_verifies_nothing_else() {
    let vectors = file()["vectors"].as_array().unwrap().clone();
    let keys = ["rs256", "es256", "eddsa"];
    for vector in vectors.iter().filter(|vector| vector["name"] == "valid" && vector["alg"] != "HS256") {
        for key in keys {
            let found = verifier_of(&pem(key)).access(text(vector, "token"), NOW);
            assert_eq!(found.is_ok(), text(vector, "alg").eq_ignore_ascii_case(key), "{key} {vector}");
        }
        assert_eq!(kind(verifier().access(text(vector, "token"), NOW)), Err("invalid"));
    }
    // A public key as a secret, whole or as PEM without its last line break.
    for key in keys {
        for secret in [pem(key).as_bytes(), pem(key).trim_end().as_bytes()] {
            let forged = signed(&json!({"alg": "HS256"}), r#"{"sub":"42","exp":1800000000}"#, secret);
            assert_eq!(kind(verifier_of(&pem(key)).access(&forged, NOW)), Err("invalid"));
        }
    }
}

#[test]
fn headers_that_are_refused() {
    let claims = r#"{"sub":"42","exp":1800000000}"#;
    let made = |header: &Value| signed(header, claims, secret().as_bytes());
    assert!(verifier().access(&made(&json!({"alg": "HS256", "typ": "JWT", "kid": "7"})), NOW).is_ok());
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": ""}),
        json!({"alg": "hs256"}),
        json!({"alg": "HS384"}),
        json!({"alg": "RS256"}),
        json!({"alg": ["HS256"]}),
        json!({"typ": "JWT"}),
        json!({"alg": "HS256", "crit": ["b64"], "b64": false}),
        json!(["HS256"]),
        json!("HS256"),
    ] {
        assert_eq!(kind(verifier().access(&made(&header), NOW)), Err("invalid"), "{header}");
    }
    let good = made(&json!({"alg": "HS256"}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    for token in
        [signed.to_owned(), format!("{signed}."), format!(".{good}"), format!("{good}."), format!("{good}=")]
    {
        assert_eq!(kind(verifier().access(&token, NOW)), Err("invalid"), "{token}");
    }
}

#[test]
fn any_change_to_a_jwt_spoils_it() {
    let verifier = verifier_of(&[pem("rs256"), pem("es256"), pem("eddsa")].concat());
    let vectors = file()["vectors"].as_array().unwrap().clone();
    for vector in vectors.iter().filter(|vector| vector["name"] == "valid") {
        let token = text(vector, "token");
        for at in (0..token.len()).step_by(3) {
            let mut bytes = token.to_owned().into_bytes();
            bytes[at] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(kind(verifier.access(&changed, NOW)), Err("invalid"), "{changed}");
        }
    }
}

#[test]
fn times_of_claims() {
    let day = verifier();
    let for_ever = verifier().with_age_max_s(None);
    let invalid = Err(TokenError::Invalid(TokenFlaw::Ageless));
    let access = |claims: &Value, verifier: &Verifier| {
        verifier.access(&of(claims), NOW).map(|access| access.expires_at)
    };
    // An exp counts alone.
    assert_eq!(access(&json!({"sub": "42", "exp": NOW + 1, "iat": 5}), &day), Ok(Some(NOW + 1)));
    assert_eq!(access(&json!({"sub": "42", "exp": NOW + 1}), &for_ever), Ok(Some(NOW + 1)));
    assert_eq!(access(&json!({"sub": "42", "exp": NOW as f64 + 0.5}), &day), Ok(Some(NOW + 1)));
    assert_eq!(access(&json!({"sub": "42", "exp": NOW}), &day), Err(TokenError::Expired));
    // Without one, the maximum age counts; what is of no age lives where all do for ever.
    assert_eq!(access(&json!({"sub": "42", "iat": NOW - 10}), &day), Ok(Some(NOW + 86_391)));
    assert_eq!(access(&json!({"sub": "42", "iat": NOW - 86_401}), &day), Err(TokenError::Expired));
    assert_eq!(access(&json!({"sub": "42"}), &day), invalid);
    assert_eq!(access(&json!({"sub": "42"}), &for_ever), Ok(None));
    for claim in ["nbf", "iat"] {
        assert!(access(&json!({"sub": "42", claim: NOW + 300, "exp": NOW + 900}), &day).is_ok());
        let ahead = access(&json!({"sub": "42", claim: NOW + 301, "exp": NOW + 900}), &day);
        assert_eq!(ahead, Err(TokenError::FromFuture { ahead_s: 301 }));
    }
}

#[test]
fn claims_that_are_refused() {
    for claims in [
        json!({"exp": NOW + 1}),
        json!({"sub": null, "exp": NOW + 1}),
        json!({"sub": "a\nb", "exp": NOW + 1}),
        json!({"sub": "42", "exp": "1800000000"}),
        json!({"sub": "42", "exp": NOW + 1, "channels": "news"}),
        json!({"sub": "42", "exp": NOW + 1, "channels": [7]}),
        json!({"sub": "42", "exp": NOW + 1, "aud": []}),
        json!({"sub": "42", "exp": NOW + 1, "aud": "Pushnote"}),
        json!("42"),
        json!(null),
    ] {
        assert_eq!(kind(verifier().access(&of(&claims), NOW)), Err("invalid"), "{claims}");
    }
    let patterns = of(&json!({"channels": ["news.*"], "exp": NOW + 1}));
    let access = verifier().access(&patterns, NOW).unwrap();
    assert!(access.user.is_none() && access.allows(&ChannelName::new("news.a").unwrap()));
}

/// Whoever makes tokens reads it in the log, and it quotes nothing of a token.
#[test]
fn what_is_wrong_with_a_jwt_is_said() {
    let claim = |name, wanted: &str, flaw: TokenFlaw| {
        assert!(matches!(flaw, TokenFlaw::Claim { name: found, .. } if found == name), "{flaw}");
        assert!(flaw.to_string().contains(wanted), "{flaw}");
    };
    let flaw = |token: &str| match verifier_of(&pem("rs256")).access(token, NOW) {
        Err(error @ TokenError::Invalid(flaw)) => {
            assert!(error.to_string().starts_with("token is invalid; is it whole"), "{error}");
            flaw
        }
        other => panic!("{other:?}"),
    };
    let of_header = |header: Value| flaw(&signed(&header, r#"{"sub":"42"}"#, b"another secret"));
    assert_eq!(of_header(json!({"alg": "HS256", "kid": "7"})), TokenFlaw::SecretSignature);
    assert_eq!(of_header(json!({"alg": "RS256"})), TokenFlaw::KeySignature);
    assert_eq!(of_header(json!({"alg": "ES256"})), TokenFlaw::KeySignature);
    assert_eq!(of_header(json!({"alg": "HS512"})), TokenFlaw::Algorithm);
    assert_eq!(of_header(json!({"alg": "HS256", "crit": []})), TokenFlaw::Critical);
    for nothing in ["", " \n"] {
        assert_eq!(flaw(nothing), TokenFlaw::Nothing, "{nothing:?}");
    }
    for word in ["undefined", "null", "None", "[object Promise]", "[object Object]"] {
        assert!(matches!(flaw(word), TokenFlaw::Placeholder { text, .. } if text == word), "{word}");
    }
    for cut in
        ["undefined1", "42", "a.b", "eyJhbGciOiJIUzI1NiJ9.e30", "eyJhbGciOiJIUzI1NiJ9.e30.=", "W10.e30.AA"]
    {
        assert_eq!(flaw(cut), TokenFlaw::NoToken, "{cut}");
    }
    assert_eq!(flaw("42:abc"), TokenFlaw::Signature);
    assert_eq!(flaw(&of(&json!({"sub": "42"}))), TokenFlaw::Ageless);
    assert_eq!(flaw(&of(&json!({"sub": "42", "exp": NOW + 1, "aud": "shop"}))), TokenFlaw::Audience);
    assert_eq!(flaw(&of(&json!({"user_id": "42", "exp": NOW + 1}))), TokenFlaw::Empty);
    assert_eq!(flaw(&of(&json!(["sub"]))), TokenFlaw::Claims);
    assert_eq!(flaw(&of(&json!({"sub": "1", "user": "1"}))), TokenFlaw::Claims);
    claim("sub", "1 to 128 bytes", flaw(&of(&json!({"sub": "", "exp": NOW + 1}))));
    claim("sub", "a whole number", flaw(&of(&json!({"sub": 4.2, "exp": NOW + 1}))));
    claim("channels", "a list of texts", flaw(&of(&json!({"sub": "42", "channels": "news"}))));
    claim("exp", "a number", flaw(&of(&json!({"sub": "42", "exp": "1800000000"}))));
    claim("aud", "a text or a list", flaw(&of(&json!({"sub": "42", "aud": 7}))));
}

#[test]
fn keys_are_pem_or_a_jwk_set() {
    let (rsa, ec) = (file()["keys"]["rs256"]["jwk"].take(), file()["keys"]["es256"]["jwk"].take());
    let with = |jwk: &Value, key: &str, value: &str| {
        let mut jwk = jwk.clone();
        jwk[key] = value.into();
        jwk
    };
    let eddsa: Value =
        json!({"kty": "OKP", "crv": "Ed25519", "x": "e_xtfx57qF52n0w_jE_7pqjzMDeHJkWj2Ss5yHykLZQ"});
    let others = [with(&rsa, "use", "enc"), with(&rsa, "alg", "RS512"), json!({"kty": "EC", "crv": "P-384"})];
    let set = |keys: &[Value]| json!({"keys": keys}).to_string();
    let vectors = file()["vectors"].as_array().unwrap().clone();
    let all = verifier_of(&set(&[&[rsa.clone(), ec.clone(), eddsa], &others[..]].concat()));
    for vector in vectors.iter().filter(|vector| vector["name"] == "valid") {
        assert!(all.access(text(vector, "token"), NOW).is_ok(), "{vector}");
    }
    let refused = |text: &str| JwtKeys::parse(text).unwrap_err();
    assert_eq!(refused(&set(&others)), JwtKeysError::NoneForUs { len: 3 });
    assert_eq!(refused(&set(&[rsa.clone(), with(&ec, "d", "AA")])), JwtKeysError::Private { at: 2 });
    assert_eq!(refused(&set(&[with(&ec, "x", "AA")])), JwtKeysError::NotAKey { at: 1 });
    assert_eq!(refused(&set(&[with(&rsa, "n", &"x".repeat(170))])), JwtKeysError::NotAKey { at: 1 });
    for text in ["", "ssh-ed25519 AAAA", "{}", "[]", r#"{"keys":7}"#] {
        assert_eq!(refused(text), JwtKeysError::NotKeys, "{text}");
    }
    let private = text(&file()["keys"]["eddsa"], "private_pem").to_owned();
    assert_eq!(refused(&format!("{}{private}", pem("rs256"))), JwtKeysError::Private { at: 2 });
    assert_eq!(
        refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
        JwtKeysError::NotAKey { at: 1 }
    );
    assert_eq!(refused(&pem("es256")[..60]), JwtKeysError::NotAKey { at: 1 });
}
