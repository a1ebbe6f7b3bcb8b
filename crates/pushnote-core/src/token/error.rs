//! Why a token is refused.

/// Why a token is refused. What exactly is wrong with an invalid one is nobody's business: the answer to a
/// forger is always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good once. The page can get a new one and go on.
    #[error("token has expired, get a new one")]
    Expired,
    /// Not made with a secret that is known here, of a kind that is not taken, or damaged.
    #[error("token is invalid; is it whole, and made with this server's secret?")]
    Invalid,
    /// Made with a known secret, by a clock that is more than [`CLOCK_SKEW_S`](super::CLOCK_SKEW_S) ahead. It is good
    /// when the clocks agree.
    #[error("token was made {ahead_s} s in the future; do the clocks of server and application agree?")]
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
            Self::Invalid => "invalid",
            Self::FromFuture { .. } => "from_future",
            Self::TooLong { .. } => "too_long",
        }
    }
}
