//! Verifying tokens.

use std::fmt;

use super::access::Access;
use super::claims::{self, Claims};
use super::error::{TokenError, TokenFlaw};
use super::jwt::JwtVerifier;
use super::jwt_keys::JwtKeys;
use super::keys::Keys;
use super::signer::{SEPARATOR, Signer};
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
    jwt: JwtVerifier,
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
            jwt: JwtVerifier::new(keys),
            age_max_s: Some(DAY_S),
            token_bytes_max: Limits::default().token_bytes_max,
        }
    }

    /// Takes JWTs too that the owners of `keys` signed; those signed with the secrets are taken without it.
    #[must_use]
    pub fn with_jwt_keys(mut self, keys: JwtKeys) -> Self {
        self.jwt = self.jwt.with_keys(keys);
        self
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
        user.map(|user| Verified { user, expires_at }).ok_or(TokenFlaw::NoUser.into())
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
        // A JWT has no colon, and all others have one.
        if !token.contains(SEPARATOR) {
            return self.access_of_jwt(token, now);
        }
        if let Some(stamped) = timestamp::unsign(&self.claims, token) {
            return self.access_of_claims(&stamped, now);
        }
        if let Some(stamped) = timestamp::unsign(&self.timestamped, token) {
            return self.access_of_stamped(&stamped, of_user(stamped.value)?, now);
        }
        if let Some(stamped) = timestamp::unsign(&self.channel, token) {
            return self.access_of_stamped(&stamped, of_channel(stamped.value)?, now);
        }
        let value = std::iter::once(&self.plain).chain(&self.legacy).find_map(|signer| signer.unsign(token));
        of_user(value.ok_or(TokenFlaw::Signature)?)
    }

    /// An `exp` counts alone: whoever has the secret may let a token live longer than the maximum age.
    fn access_of_claims(&self, stamped: &Stamped<'_>, now: u64) -> Result<Access, TokenError> {
        stamped.check_not_in_future(now)?;
        let json = claims::decode(stamped.value).ok_or(TokenFlaw::Value)?;
        let access = Claims::parse(&json)?.access(now, stamped.expires_at(self.age_max_s))?;
        Ok(Access { made_at: Some(stamped.stamp), ..access })
    }

    /// One that says neither when it was made nor when it expires would live for ever: it is taken only where all may.
    fn access_of_jwt(&self, token: &str, now: u64) -> Result<Access, TokenError> {
        let claims = Claims::parse(&self.jwt.payload(token)?)?;
        let Some(age_max_s) = self.age_max_s else { return claims.access(now, None) };
        let too_old = claims.made_at().map(|made_at| timestamp::too_old_at(made_at, age_max_s));
        match claims.access(now, too_old)? {
            Access { expires_at: None, .. } => Err(TokenFlaw::Ageless.into()),
            access => Ok(access),
        }
    }

    /// What a stamped value allows, if it is good `now`.
    fn access_of_stamped(
        &self,
        stamped: &Stamped<'_>,
        access: Access,
        now: u64,
    ) -> Result<Access, TokenError> {
        stamped.check_not_in_future(now)?;
        let expires_at = timestamp::unexpired(stamped.expires_at(self.age_max_s), now)?;
        Ok(Access { made_at: Some(stamped.stamp), expires_at, ..access })
    }
}

fn of_user(id: &str) -> Result<Access, TokenError> {
    let user = UserId::new(id).map_err(|_| TokenFlaw::Value)?;
    Ok(Access { user: Some(user), channels: Vec::new(), made_at: None, expires_at: None })
}

fn of_channel(name: &str) -> Result<Access, TokenError> {
    let channel = ChannelName::new(name).map_err(|_| TokenFlaw::Value)?;
    Ok(Access { user: None, channels: vec![channel.into()], made_at: None, expires_at: None })
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
