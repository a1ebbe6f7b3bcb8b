//! Who may subscribe to what.

use std::sync::Arc;

use http::StatusCode;
use pushnote_core::rules::{ChannelRule, ChannelRules};
use pushnote_core::{CurrentVerifier, Subject, TokenError, TokenFlaw, UserId, Wanted};
use pushnote_hub::{Counters, SubscribeError};
use pushnote_net::{LogOnce, unix_now};

use crate::problem::Problem;

/// What decides it, for all clients.
pub(crate) struct Rights {
    verifier: Arc<CurrentVerifier>,
    rules: Arc<ChannelRules>,
    counters: Arc<Counters>,
    /// By code, and by what is wrong with an invalid token.
    log: LogOnce<(&'static str, Option<TokenFlaw>)>,
}

/// A subscription that is allowed.
pub(crate) struct Allowed {
    pub(crate) subject: Subject,
    /// Whose token it is, if one was shown and it says so.
    pub(crate) user: Option<UserId>,
    /// In Unix seconds; `None` for as long as the connection lives.
    pub(crate) until: Option<u64>,
    /// When that token was made, in Unix seconds, if it says so.
    made_at: Option<u64>,
}

/// Why one is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the channel is not public: it takes a token")]
    TokenMissing,
    #[error("the token does not allow this")]
    NotAllowed,
    #[error(transparent)]
    Limit(#[from] SubscribeError),
}

impl Refusal {
    /// The answer over HTTP. A browser does not come back after it: the same would happen again.
    pub(crate) fn problem(&self) -> Problem {
        let status = match self {
            Self::Token(_) | Self::TokenMissing => StatusCode::UNAUTHORIZED,
            Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::Limit(_) => StatusCode::TOO_MANY_REQUESTS,
        };
        Problem::new(status, self.code(), self.to_string())
    }

    /// Its code in the client protocol.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Token(TokenError::Expired) => "token_expired",
            Self::Token(TokenError::FromFuture { .. }) => "token_from_future",
            Self::Token(TokenError::Invalid(_) | TokenError::TooLong { .. }) => "token_invalid",
            Self::TokenMissing => "token_missing",
            Self::NotAllowed => "not_allowed",
            Self::Limit(_) => "limit",
        }
    }
}

impl Rights {
    pub(crate) fn new(
        verifier: Arc<CurrentVerifier>,
        rules: Arc<ChannelRules>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { verifier, rules, counters, log: LogOnce::new() }
    }

    /// What holds for a channel.
    pub(crate) fn rule(&self, channel: &pushnote_core::ChannelName) -> &ChannelRule {
        self.rules.of(channel)
    }

    /// Whether a client may subscribe.
    pub(crate) fn allow(&self, wanted: &Wanted) -> Result<Allowed, Refusal> {
        let public = wanted.channel.as_ref().filter(|channel| self.rule(channel).public);
        if let (Some(channel), None) = (public, &wanted.token) {
            return Ok(Allowed { subject: channel.clone().into(), user: None, until: None, made_at: None });
        }
        let access = self.verifier.access(wanted.token.as_ref().ok_or(Refusal::TokenMissing)?, unix_now())?;
        let subject = match &wanted.channel {
            None => access.user.clone().map(Subject::User),
            Some(channel) if public.is_some() || access.allows(channel) => Some(channel.clone().into()),
            Some(_) => None,
        };
        let subject = subject.ok_or(Refusal::NotAllowed)?;
        Ok(Allowed { subject, user: access.user, until: access.expires_at, made_at: access.made_at })
    }

    /// Whether it is still allowed, asked when the hub knows of the subscription: a revocation that came between the look at
    /// the token and that has not found it.
    ///
    /// # Errors
    ///
    /// It is allowed no more, and the subscription is to end.
    pub(crate) fn still(&self, allowed: &Allowed) -> Result<(), Refusal> {
        let revoked = |user| self.verifier.is_revoked(user, allowed.made_at);
        if allowed.user.as_ref().is_some_and(revoked) { Err(TokenError::Expired.into()) } else { Ok(()) }
    }

    /// Counts and logs, limited, that a client was refused something.
    pub(crate) fn note(&self, refusal: &Refusal) {
        match refusal {
            Refusal::Token(_) => self.counters.tokens_refused.add(1),
            _ => self.counters.subscriptions_refused.add(1),
        }
        let flaw = match refusal {
            Refusal::Token(TokenError::Invalid(flaw)) => Some(*flaw),
            _ => None,
        };
        let Some(unlogged) = self.log.due((refusal.code(), flaw)) else { return };
        match (refusal, flaw) {
            (Refusal::Token(error), Some(flaw)) => {
                tracing::info!(%error, %flaw, unlogged, "token refused");
            }
            (Refusal::Token(error), None) => tracing::info!(%error, unlogged, "token refused"),
            (error, _) => tracing::info!(%error, unlogged, "subscription refused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use pushnote_core::{Keys, Tokenizer, Verifier};

    use super::*;

    #[test]
    fn what_is_revoked_after_it_was_allowed_is_allowed_no_more() {
        let keys = Keys::parse("a-secret-of-these-tests-0123456789abcdef").unwrap();
        let verifier = Arc::new(CurrentVerifier::from(Verifier::new(&keys)));
        let rights = Rights::new(Arc::clone(&verifier), Arc::default(), Arc::default());
        let (user, now) = (UserId::new("42").unwrap(), unix_now());
        let token = Some(Tokenizer::new(&keys).tokenize(&user, now - 2, None));
        let allowed = rights.allow(&Wanted { channel: None, token }).unwrap();
        assert_eq!(rights.still(&allowed), Ok(()));
        verifier.revoke(&user, now - 3).unwrap();
        assert_eq!(rights.still(&allowed), Ok(()), "it is newer");
        verifier.revoke(&user, now - 1).unwrap();
        assert_eq!(rights.still(&allowed), Err(Refusal::Token(TokenError::Expired)));
    }
}
