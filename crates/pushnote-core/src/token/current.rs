//! Secrets change while tokens are verified.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::access::Access;
use super::error::TokenError;
use super::verifier::{Verified, Verifier};
use crate::user::UserId;

/// The [`Verifier`] of the moment: it may be replaced while others verify with it.
#[derive(Debug)]
pub struct CurrentVerifier {
    verifier: RwLock<Verifier>,
    /// Users of whom tokens are not good any more that were made until then, in Unix seconds.
    revoked: RwLock<HashMap<UserId, u64>>,
}

/// Users whose tokens may be revoked.
pub const REVOKED_MAX: usize = 100_000;

/// Too many users have revoked tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tokens of {REVOKED_MAX} users are revoked, and no more can be; with a new secret all old tokens end"
)]
pub struct TooManyRevoked;

impl CurrentVerifier {
    /// [`Verifier::verify`] by the verifier of the moment.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify(&self, token: &str, now: u64) -> Result<UserId, TokenError> {
        self.verifier().verify(token, now)
    }

    /// [`Verifier::verify_until`] by the verifier of the moment.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify_until(&self, token: &str, now: u64) -> Result<Verified, TokenError> {
        self.verifier().verify_until(token, now)
    }

    /// [`Verifier::access`] by the verifier of the moment; a token that was revoked is one that has expired.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn access(&self, token: &str, now: u64) -> Result<Access, TokenError> {
        let access = self.verifier().access(token, now)?;
        let user = access.user.as_ref();
        if user.is_some_and(|user| self.is_revoked(user, access.made_at)) {
            return Err(TokenError::Expired);
        }
        Ok(access)
    }

    /// Whether a token of `user` that was made then (in Unix seconds; `None`: it does not say when) is revoked.
    pub fn is_revoked(&self, user: &UserId, made_at: Option<u64>) -> bool {
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        // One that does not say when it was made may have been made before.
        revoked.get(user).is_some_and(|until| made_at.is_none_or(|made_at| made_at <= *until))
    }

    /// From now on, tokens of `user` that were made until `until` (Unix seconds) are not good. Gives the time that holds: an
    /// earlier call may have named a later one.
    ///
    /// # Errors
    ///
    /// [`TooManyRevoked`]: of [`REVOKED_MAX`] other users.
    pub fn revoke(&self, user: &UserId, until: u64) -> Result<u64, TooManyRevoked> {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        if revoked.len() >= REVOKED_MAX && !revoked.contains_key(user) {
            return Err(TooManyRevoked);
        }
        let known = revoked.entry(user.clone()).or_insert(until);
        *known = until.max(*known);
        Ok(*known)
    }

    fn verifier(&self) -> RwLockReadGuard<'_, Verifier> {
        self.verifier.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tokens are verified by `verifier` from now on.
    pub fn replace(&self, verifier: Verifier) {
        *self.verifier.write().unwrap_or_else(PoisonError::into_inner) = verifier;
    }
}

impl From<Verifier> for CurrentVerifier {
    fn from(verifier: Verifier) -> Self {
        Self { verifier: RwLock::new(verifier), revoked: RwLock::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keys, Tokenizer};

    #[test]
    fn revoked_are_those_that_were_made_before() {
        let keys = Keys::parse("a-secret-of-these-tests-0123456789abcdef").unwrap();
        let (tokenizer, current) = (Tokenizer::new(&keys), CurrentVerifier::from(Verifier::new(&keys)));
        let (user, other) = (UserId::new("42").unwrap(), UserId::new("43").unwrap());
        current.revoke(&user, 1000).unwrap();
        current.revoke(&user, 900).unwrap();
        for (token, good) in [
            (tokenizer.tokenize(&user, 1000, None), false),
            (tokenizer.tokenize(&user, 1001, None), true),
            (tokenizer.tokenize_unexpiring(&user), false),
            (tokenizer.tokenize(&other, 1000, None), true),
        ] {
            assert_eq!(current.access(&token, 1002).is_ok(), good, "{token}");
        }
    }
}
