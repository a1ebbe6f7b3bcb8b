//! Secrets change while tokens are verified.

use std::sync::{PoisonError, RwLock};

use super::access::Access;
use super::error::TokenError;
use super::verifier::{Verified, Verifier};
use crate::user::UserId;

/// The [`Verifier`] of the moment: it may be replaced while others verify with it.
#[derive(Debug)]
pub struct CurrentVerifier(RwLock<Verifier>);

impl CurrentVerifier {
    /// [`Verifier::verify`] by the verifier of the moment.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify(&self, token: &str, now: u64) -> Result<UserId, TokenError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).verify(token, now)
    }

    /// [`Verifier::verify_until`] by the verifier of the moment.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn verify_until(&self, token: &str, now: u64) -> Result<Verified, TokenError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).verify_until(token, now)
    }

    /// [`Verifier::access`] by the verifier of the moment.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn access(&self, token: &str, now: u64) -> Result<Access, TokenError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).access(token, now)
    }

    /// Tokens are verified by `verifier` from now on.
    pub fn replace(&self, verifier: Verifier) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = verifier;
    }
}

impl From<Verifier> for CurrentVerifier {
    fn from(verifier: Verifier) -> Self {
        Self(RwLock::new(verifier))
    }
}
