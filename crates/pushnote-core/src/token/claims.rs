//! Django's `sign_object` and `dumps`: JSON in base64url, perhaps compressed, then signed and stamped.

use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::ZlibDecoder;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Number, Value};

use super::JWT_AUDIENCE;
use super::access::{Access, ChannelPattern};
use super::error::{TokenError, TokenFlaw};
use super::timestamp::{check_not_in_future, unexpired};
use crate::json;
use crate::user::UserId;

/// Most bytes that a compressed object may grow to. A few hundred bytes of zlib can unfold to a thousand times
/// their size.
pub(super) const UNFOLDED_BYTES_MAX: u64 = 64 * 1024;

/// What a token says. Claims that are not known here are skipped.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Claims {
    /// Whose it is.
    #[serde(alias = "sub", skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<UserId>,
    /// What it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channels: Option<Vec<ChannelPattern>>,
    /// From when on it is not valid, in Unix seconds; programs write whole numbers and fractions.
    pub(super) exp: Option<Number>,
    /// Before when it is not valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nbf: Option<Number>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) iat: Option<Number>,
    /// Whom it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aud: Option<Audiences>,
}

/// RFC 7519 has one without a list.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl Audiences {
    fn have(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(all) => all.iter().any(|one| one == audience),
        }
    }
}

impl Claims {
    /// What `json` says.
    pub(super) fn parse(json: &[u8]) -> Result<Self, TokenError> {
        json::object(json).map_err(|_| flaw(json).into())
    }

    /// When it was made, in Unix seconds, if it says so.
    pub(super) fn made_at(&self) -> Option<u64> {
        self.iat.as_ref().and_then(seconds)
    }

    /// What they allow `now`; without an `exp`, until `otherwise`.
    pub(super) fn access(self, now: u64, otherwise: Option<u64>) -> Result<Access, TokenError> {
        if self.user.is_none() && self.channels.is_none() {
            return Err(TokenFlaw::Empty.into());
        }
        if self.aud.is_some_and(|aud| !aud.have(JWT_AUDIENCE)) {
            return Err(TokenFlaw::Audience.into());
        }
        for from in [&self.nbf, &self.iat].into_iter().flatten().filter_map(seconds) {
            check_not_in_future(from, now)?;
        }
        let expires_at = unexpired(self.exp.as_ref().and_then(seconds).or(otherwise), now)?;
        let made_at = self.iat.as_ref().and_then(seconds);
        Ok(Access { user: self.user, channels: self.channels.unwrap_or_default(), made_at, expires_at })
    }
}

const USER_WANTED: &str = "a user's id, a text of 1 to 128 bytes or a whole number";

/// A claim, what it must be, and whether it is.
type Check = (&'static str, &'static str, fn(Value) -> bool);

/// What is wrong with claims that cannot be read. In our words: serde's quote the value.
fn flaw(json: &[u8]) -> TokenFlaw {
    let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(json) else { return TokenFlaw::Claims };
    let checks: [Check; 7] = [
        ("sub", USER_WANTED, is::<Option<UserId>>),
        ("user", USER_WANTED, is::<Option<UserId>>),
        ("channels", r#"a list of texts, as in ["news", "sport.*"]"#, is::<Option<Vec<ChannelPattern>>>),
        ("exp", "a number, of Unix seconds", is::<Option<Number>>),
        ("nbf", "a number, of Unix seconds", is::<Option<Number>>),
        ("iat", "a number, of Unix seconds", is::<Option<Number>>),
        ("aud", "a text or a list of texts", is::<Option<Audiences>>),
    ];
    let wrong =
        checks.into_iter().find(|(name, _, is)| claims.get(*name).is_some_and(|value| !is(value.clone())));
    wrong.map_or(TokenFlaw::Claims, |(name, wanted, _)| TokenFlaw::Claim { name, wanted })
}

fn is<T: DeserializeOwned>(value: Value) -> bool {
    T::deserialize(value).is_ok()
}

/// The first whole second that is not before `moment`.
fn seconds(moment: &Number) -> Option<u64> {
    // Saturates where it is negative, or too large.
    moment.as_f64().map(|moment| moment.ceil() as u64)
}

/// The payload of `object`, as Django's `dumps` has it before signing.
pub(super) fn encode(object: &impl Serialize) -> serde_json::Result<String> {
    let mut json = Vec::new();
    object.serialize(&mut Serializer::with_formatter(&mut json, Ascii))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

/// The JSON in `payload`, whose signature is good; `None` if there is none or if it unfolds to too much.
pub(super) fn decode(payload: &str) -> Option<Vec<u8>> {
    match payload.strip_prefix('.') {
        None => URL_SAFE_NO_PAD.decode(payload).ok(),
        Some(payload) => {
            let folded = URL_SAFE_NO_PAD.decode(payload).ok()?;
            let mut json = Vec::new();
            let read =
                ZlibDecoder::new(&folded[..]).take(UNFOLDED_BYTES_MAX + 1).read_to_end(&mut json).ok()?;
            (read as u64 <= UNFOLDED_BYTES_MAX).then_some(json)
        }
    }
}

/// JSON as Python writes it: Django reads it as Latin-1, so what is not ASCII has to be escaped.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if c.is_ascii() {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}
