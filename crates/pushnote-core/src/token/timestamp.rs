//! Django's `TimestampSigner`: a signed `value:stamp`, the stamp being Unix seconds in base 62.

use super::CLOCK_SKEW_S;
use super::base62;
use super::error::TokenError;
use super::signer::{SEPARATOR, Signer};

/// `value:stamp:signature`, stamped `now`.
pub(super) fn sign(signer: &Signer, value: &str, now: u64) -> String {
    signer.sign(&format!("{value}{SEPARATOR}{}", base62::encode(now)))
}

/// A value whose signature is good, with the moment it was made, in Unix seconds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamped<'a> {
    pub(super) value: &'a str,
    pub(super) stamp: u64,
}

/// The value and stamp of `signed`; `None` if it is not signed or has no stamp.
pub(super) fn unsign<'a>(signer: &Signer, signed: &'a str) -> Option<Stamped<'a>> {
    let (value, stamp) = signer.unsign(signed)?.rsplit_once(SEPARATOR)?;
    Some(Stamped { value, stamp: base62::decode(stamp)? })
}

impl Stamped<'_> {
    /// Refuses a stamp that cannot be true yet; Django would let it pass, and it would live so much longer.
    pub(super) fn check_not_in_future(&self, now: u64) -> Result<(), TokenError> {
        check_not_in_future(self.stamp, now)
    }

    /// The second at which it is older than `age_max_s` seconds; `None` for never.
    pub(super) fn expires_at(&self, age_max_s: Option<u64>) -> Option<u64> {
        age_max_s.map(|age_max_s| too_old_at(self.stamp, age_max_s))
    }
}

/// Refuses a moment that has not come yet, as far as clocks differ.
pub(super) fn check_not_in_future(moment: u64, now: u64) -> Result<(), TokenError> {
    match moment.saturating_sub(now) {
        ahead_s if ahead_s > CLOCK_SKEW_S => Err(TokenError::FromFuture { ahead_s }),
        _ => Ok(()),
    }
}

/// The same, unless it has come.
pub(super) fn unexpired(expires_at: Option<u64>, now: u64) -> Result<Option<u64>, TokenError> {
    match expires_at {
        Some(at) if at <= now => Err(TokenError::Expired),
        _ => Ok(expires_at),
    }
}

/// The second at which what was made at `moment` is more than `age_max_s` seconds old; exactly as old is young enough,
/// as in Django.
pub(super) fn too_old_at(moment: u64, age_max_s: u64) -> u64 {
    moment.saturating_add(age_max_s).saturating_add(1)
}
