//! Verifying tokens.

use std::fmt;

use super::access::Access;
use super::claims::{self, Claims};
use super::error::TokenError;
use super::keys::Keys;
use super::signer::Signer;
use super::timestamp::{self, Stamped};
use super::tokenizer::signer;
use super::{CHANNEL_SALT, CLAIMS_SALT, LEGACY_SALT, PLAIN_SALT, TIMESTAMPED_SALT};
use crate::limits::Limits;
use crate::subject::ChannelName;
use crate::user::UserId;

const DAY_S: u64 = 24 * 60 * 60;

/// Reduces tokens to what they allow; the server's side. The kinds it takes are those of [this module](super).
pub struct Verifier {
    claims: Signer,
    timestamped: Signer,
    channel: Signer,
    plain: Signer,
    legacy: Option<Signer>,
    age_max_s: Option<u64>,
    token_bytes_max: usize,
}

/// What a good token of a user says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub user: UserId,
    /// From when on it is not valid, in Unix seconds; `None` for never.
    pub expires_at: Option<u64>,
}

impl Verifier {
    /// Verifies with all of `keys`. Timestamped tokens and those of one channel live for 24 hours, plain ones for ever, legacy ones are
    /// refused.
    pub fn new(keys: &Keys) -> Self {
        Self {
            claims: signer(CLAIMS_SALT, keys),
            timestamped: signer(TIMESTAMPED_SALT, keys),
            channel: signer(CHANNEL_SALT, keys),
            plain: signer(PLAIN_SALT, keys),
            legacy: None,
            age_max_s: Some(DAY_S),
            token_bytes_max: Limits::default().token_bytes_max,
        }
    }

    /// How long a token lives that does not say it itself, in seconds; `None` for ever.
    #[must_use]
    pub fn with_age_max_s(mut self, age_max_s: Option<u64>) -> Self {
        self.age_max_s = age_max_s;
        self
    }

    /// Takes the original's tokens too, signed with `salt` (its setting `PUSHNOTE_SALT`) for a key.
    ///
    /// Whoever knows or guesses the salt is any user; its default, `pushnote_salt`, is published.
    #[must_use]
    pub fn with_legacy_salt(mut self, salt: &str) -> Self {
        self.legacy = Some(Signer::new(LEGACY_SALT, salt.as_bytes(), []));
        self
    }

    /// Longest token that is read, in bytes ([`Limits::token_bytes_max`]).
    #[must_use]
    pub fn with_token_bytes_max(mut self, token_bytes_max: usize) -> Self {
        self.token_bytes_max = token_bytes_max;
        self
    }

    /// Whose token it is, if it is valid `now` (Unix seconds).
    ///
    /// # Errors
    ///
    /// [`TokenError`] for any other text, also for tokens of channels alone. No text makes it panic.
    pub fn verify(&self, token: &str, now: u64) -> Result<UserId, TokenError> {
        self.verify_until(token, now).map(|verified| verified.user)
    }

    /// Whose token it is, if it is valid `now`, and for how long it will be.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub fn verify_until(&self, token: &str, now: u64) -> Result<Verified, TokenError> {
        let Access { user, expires_at, .. } = self.access(token, now)?;
        user.map(|user| Verified { user, expires_at }).ok_or(TokenError::Invalid)
    }

    /// What a token allows, if it is valid `now`, and for how long it will.
    ///
    /// # Errors
    ///
    /// [`TokenError`] for any other text. No text makes it panic.
    pub fn access(&self, token: &str, now: u64) -> Result<Access, TokenError> {
        if token.len() > self.token_bytes_max {
            return Err(TokenError::TooLong { len: token.len(), max: self.token_bytes_max });
        }
        if let Some(stamped) = timestamp::unsign(&self.claims, token) {
            return self.access_of_claims(&stamped, now);
        }
        if let Some(stamped) = timestamp::unsign(&self.timestamped, token) {
            return Ok(Access { expires_at: self.unexpired(&stamped, now)?, ..of_user(stamped.value)? });
        }
        if let Some(stamped) = timestamp::unsign(&self.channel, token) {
            return Ok(Access { expires_at: self.unexpired(&stamped, now)?, ..of_channel(stamped.value)? });
        }
        let value = std::iter::once(&self.plain).chain(&self.legacy).find_map(|signer| signer.unsign(token));
        value.ok_or(TokenError::Invalid).and_then(of_user)
    }

    /// An `exp` counts alone: whoever has the secret may let a token live longer than the maximum age.
    fn access_of_claims(&self, stamped: &Stamped<'_>, now: u64) -> Result<Access, TokenError> {
        stamped.check_not_in_future(now)?;
        let json = claims::decode(stamped.value).ok_or(TokenError::Invalid)?;
        let claims: Claims = serde_json::from_slice(&json).map_err(|_| TokenError::Invalid)?;
        let expires_at = claims.expires_at().or_else(|| stamped.expires_at(self.age_max_s));
        let access = claims.access()?;
        Ok(Access { expires_at: unexpired(expires_at, now)?, ..access })
    }

    /// Until when a stamped value is good, if it is `now`.
    fn unexpired(&self, stamped: &Stamped<'_>, now: u64) -> Result<Option<u64>, TokenError> {
        stamped.check_not_in_future(now)?;
        unexpired(stamped.expires_at(self.age_max_s), now)
    }
}

/// The same, unless it has come.
pub(super) fn unexpired(expires_at: Option<u64>, now: u64) -> Result<Option<u64>, TokenError> {
    match expires_at {
        Some(at) if at <= now => Err(TokenError::Expired),
        _ => Ok(expires_at),
    }
}

fn of_user(id: &str) -> Result<Access, TokenError> {
    let user = UserId::new(id).map_err(|_| TokenError::Invalid)?;
    Ok(Access { user: Some(user), channels: Vec::new(), expires_at: None })
}

fn of_channel(name: &str) -> Result<Access, TokenError> {
    let channel = ChannelName::new(name).map_err(|_| TokenError::Invalid)?;
    Ok(Access { user: None, channels: vec![channel.into()], expires_at: None })
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("legacy", &self.legacy.is_some())
            .field("age_max_s", &self.age_max_s)
            .field("token_bytes_max", &self.token_bytes_max)
            .finish_non_exhaustive()
    }
}
