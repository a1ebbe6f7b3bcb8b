//! Making tokens.

use std::fmt;
use std::time::Duration;

use super::claims::{self, Claims};
use super::keys::{Keys, Secret};
use super::signer::Signer;
use super::timestamp;
use super::{CHANNEL_SALT, CLAIMS_SALT, PLAIN_SALT, TIMESTAMPED_SALT};
use crate::subject::ChannelName;
use crate::user::UserId;

/// Makes tokens; the application's side.
pub struct Tokenizer {
    claims: Signer,
    timestamped: Signer,
    channel: Signer,
    plain: Signer,
}

impl Tokenizer {
    /// Signs with the first of `keys`.
    pub fn new(keys: &Keys) -> Self {
        Self {
            claims: signer(CLAIMS_SALT, keys),
            timestamped: signer(TIMESTAMPED_SALT, keys),
            channel: signer(CHANNEL_SALT, keys),
            plain: signer(PLAIN_SALT, keys),
        }
    }

    /// A token for `user`, made `now` (Unix seconds).
    ///
    /// With a `ttl` it expires after so many whole seconds, however long the server lets tokens live; without,
    /// at the server's maximum age.
    pub fn tokenize(&self, user: &UserId, now: u64, ttl: Option<Duration>) -> String {
        match ttl {
            None => timestamp::sign(&self.timestamped, user.as_str(), now),
            Some(ttl) => {
                let claims = Claims { user: Some(user.clone()), ..Claims::default() };
                self.claim(claims, now, ttl)
            }
        }
    }

    /// A token that allows whoever has it to subscribe to `channel`, made `now` (Unix seconds); a `ttl` as with
    /// [`Tokenizer::tokenize`].
    pub fn tokenize_channel(&self, channel: &ChannelName, now: u64, ttl: Option<Duration>) -> String {
        match ttl {
            None => timestamp::sign(&self.channel, channel.as_str(), now),
            Some(ttl) => {
                let claims = Claims { channels: Some(vec![channel.clone().into()]), ..Claims::default() };
                self.claim(claims, now, ttl)
            }
        }
    }

    fn claim(&self, claims: Claims, now: u64, ttl: Duration) -> String {
        let exp = now.saturating_add(ttl.as_secs());
        let claims = Claims { exp: Some(exp.into()), ..claims };
        let payload = claims::encode(&claims).expect("claims are plain JSON");
        timestamp::sign(&self.claims, &payload, now)
    }

    /// A token for `user` that never expires: it is good until the secret is replaced.
    pub fn tokenize_unexpiring(&self, user: &UserId) -> String {
        self.plain.sign(user.as_str())
    }
}

/// A Django signer of `keys`.
pub(super) fn signer(salt: &str, keys: &Keys) -> Signer {
    Signer::new(salt, keys.first.bytes(), keys.others.iter().map(Secret::bytes))
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokenizer(…)")
    }
}
