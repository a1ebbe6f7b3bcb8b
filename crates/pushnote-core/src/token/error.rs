//! Why a token is refused.

use super::{CLAIMS_SALT, JWT_AUDIENCE};

/// Why a token is refused. What exactly is wrong with an invalid one is the application's business, and not a
/// browser's: its text is always the same, and the [`TokenFlaw`] is for logs and tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once. The page can get a new one and go on.
    #[error("token has expired, get a new one")]
    Expired,
    /// Not made with a secret that is known here, of a kind that is not taken, or damaged.
    #[error("token is invalid; is it whole, and made with this server's secret? The server's log says more")]
    Invalid(TokenFlaw),
    /// Made with a known secret, and good from a later moment on: by a clock that is more than
    /// [`CLOCK_SKEW_S`](super::CLOCK_SKEW_S) ahead, or by its `nbf`.
    #[error(
        "token is good in {ahead_s} s only: by its nbf, or by an application's clock that is ahead of the server's"
    )]
    FromFuture {
        /// How far, in seconds.
        ahead_s: u64,
    },
    /// Refused unread.
    #[error("token of {len} bytes is too long, {max} are allowed")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
        /// What is allowed, in bytes.
        max: usize,
    },
}

impl TokenError {
    /// A short name of the kind, for counters.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Invalid(_) => "invalid",
            Self::FromFuture { .. } => "from_future",
            Self::TooLong { .. } => "too_long",
        }
    }
}

/// What is wrong with an invalid token, for whoever makes tokens. The texts quote nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenFlaw {
    /// Something else, or half of it.
    #[error(
        "it has no colon, as what Django signs has, and not the three parts in base64url, with dots between them, of a JWT"
    )]
    NoToken,
    /// The place of the token, with no token in it.
    #[error(
        "it is empty: the page's template printed nothing where the token is to be, or a variable is not set"
    )]
    Nothing,
    /// What a language writes for no value.
    #[error("it is the text {text:?}, {meaning}")]
    Placeholder {
        /// The text.
        text: &'static str,
        /// Where that comes from.
        meaning: &'static str,
    },
    /// Of what Django signs.
    #[error(
        "no secret of this server has signed it, with a salt of ours: \"pushnote.timestamped\" for a user"
    )]
    Signature,
    /// Signed, and not what its salt says.
    #[error("what is signed is no user's id, no channel's name, or no object that signing.dumps made")]
    Value,
    /// RFC 7515 section 4.1.11.
    #[error("its header has a \"crit\", and no extension is known here")]
    Critical,
    /// RFC 7515 section 4.1.1.
    #[error("its \"alg\" is none of HS256, RS256, ES256 and EdDSA")]
    Algorithm,
    /// Of a JWT by one of the secrets.
    #[error(
        "no secret of this server has signed it: the key of HS256 is the secret's text as it is, not decoded from base64"
    )]
    SecretSignature,
    /// Of a JWT by a public key.
    #[error("no public key of --jwt-keys for its \"alg\" fits its signature, whatever its \"kid\" is")]
    KeySignature,
    /// A claim that cannot be read.
    #[error("its \"{name}\" is not {wanted}")]
    Claim {
        /// Which.
        name: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// A list, a text, or no JSON.
    #[error("its claims are no JSON object, or have one of them twice")]
    Claims,
    /// It would allow nothing.
    #[error("it has neither a \"sub\" (the user; \"user\" with the salt {CLAIMS_SALT:?}) nor \"channels\"")]
    Empty,
    /// It is for a user, where one is needed.
    #[error("it is of no user")]
    NoUser,
    /// Made for somebody else.
    #[error("its \"aud\" is not {JWT_AUDIENCE:?}; a token may do without one")]
    Audience,
    /// A JWT that would never expire.
    #[error("it has neither an \"exp\" nor an \"iat\": without them only --token-max-age=0 takes it")]
    Ageless,
}

/// What stands in the place of a token that is not there, and where it comes from.
const PLACEHOLDERS: [(&str, &str); 5] = [
    ("undefined", "JavaScript's for a variable without a value: is it set before the page subscribes?"),
    ("null", "JavaScript's for nothing: the page has no token, as where nobody is signed in"),
    ("None", "Python's for nothing: the template has no token, as where nobody is signed in"),
    ("[object Promise]", "JavaScript's for a promise: await it"),
    ("[object Object]", "JavaScript's for an object: the token is in one of its properties"),
];

impl TokenFlaw {
    /// Of a text that has not the form of any token.
    pub(super) fn of_no_token(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Nothing;
        }
        let known = PLACEHOLDERS.into_iter().find(|&(known, _)| known == text);
        known.map_or(Self::NoToken, |(text, meaning)| Self::Placeholder { text, meaning })
    }
}

impl From<TokenFlaw> for TokenError {
    fn from(flaw: TokenFlaw) -> Self {
        Self::Invalid(flaw)
    }
}
