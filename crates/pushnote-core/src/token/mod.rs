//! How a browser proves whose it is, and what it may subscribe to.
//!
//! A token is a user id, or a channel's name, that the application signed with a secret it shares with the server, in the
//! formats of Django's `django.core.signing`, so that any Django can make one. The separator is `:`, the algorithm SHA-256
//! (what Django before 3.1 signed with SHA-1 is verified too, and never made).
//!
//! | kind | looks like | Django's name for it | expires |
//! |---|---|---|---|
//! | with claims | `eyJ1c2Vy…:1r31eq:In0t…` | `signing.dumps({"user": "42", "exp": …}, salt=CLAIMS_SALT)` | at its `exp`; without one, as the next |
//! | with claims, for channels | `eyJjaGFu…:1r31eq:In0t…` | `signing.dumps({"channels": ["news.*"]}, salt=CLAIMS_SALT)`, with or without a `user` | likewise |
//! | timestamped | `42:1r31eq:In0t…` | `TimestampSigner(salt=TIMESTAMPED_SALT).sign("42")` | when it is older than the server's maximum age |
//! | of one channel | `news:1r31eq:In0t…` | `TimestampSigner(salt=CHANNEL_SALT).sign("news")` | likewise |
//! | plain | `42:JAve…` | `Signer(salt=PLAIN_SALT).sign("42")` | never |
//! | legacy | `42:TAeF…` | `Signer("pushnote_salt")`: the original's, with its "salt" as the key | never |
//!
//! And JSON Web Tokens, which any language can make: HS256 with the same secret, or, by public keys that the server is
//! given ([`JwtKeys`]), RS256, ES256 and EdDSA. They have the claims `sub` (the user), `channels`, `exp`, `nbf`, `iat`, and
//! `aud`, which must name [`JWT_AUDIENCE`] if it is there. Without an `exp` they expire when they are older than the
//! server's maximum age, and need an `iat` for that. HS256's key is the secret's text as it is, in UTF-8. What a header says
//! besides `alg` does not count (a `kid`: all keys for the `alg` are tried), but for a `crit`, which is refused.
//!
//! Each kind has a salt of its own. With one for all, a timestamped token of user `42` would be a plain one of a
//! user `42:1r31eq`, and the token of a user who may choose an id could be read as claims.
//!
//! Legacy tokens are not verified unless [`Verifier::with_legacy_salt`] says so: whoever knows that salt (and it
//! has a published default) can make them for any user.

mod access;
mod base62;
mod claims;
mod current;
mod error;
mod jwt;
mod jwt_keys;
mod keys;
mod signer;
mod timestamp;
mod tokenizer;
mod verifier;

pub use access::{Access, ChannelPattern};
pub use current::{CurrentVerifier, REVOKED_MAX, TooManyRevoked};
pub use error::{TokenError, TokenFlaw};
pub use jwt_keys::{JwtKeys, JwtKeysError};
pub use keys::{Keys, SECRET_BYTES_MIN, Secret, SecretError};
pub use tokenizer::Tokenizer;
pub use verifier::{Verified, Verifier};

/// Django's `salt` for plain tokens.
pub const PLAIN_SALT: &str = "pushnote";

/// Django's `salt` for timestamped tokens.
pub const TIMESTAMPED_SALT: &str = "pushnote.timestamped";

/// Django's `salt` for tokens of one channel.
pub const CHANNEL_SALT: &str = "pushnote.channel";

/// Django's `salt` for tokens with claims.
pub const CLAIMS_SALT: &str = "pushnote.claims";

/// Who a token with claims is for, if it says so in `aud`.
pub const JWT_AUDIENCE: &str = "pushnote";

/// The salt of the original's tokens: Django's default for `Signer`, as its own went into the key's place.
pub const LEGACY_SALT: &str = "django.core.signing.Signer";

/// How far into the future a token's stamp may lie, in seconds: clocks of two machines differ.
pub const CLOCK_SKEW_S: u64 = 5 * 60;

#[cfg(test)]
mod jwt_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
