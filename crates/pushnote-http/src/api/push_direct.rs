//! `POST /v1/push` with `subscriptions`: browsers that the application keeps by itself.

use std::fmt;
use std::marker::PhantomData;

use pushnote_webpush::{Answer, Subscription, Verdict};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::push::Push;

/// Subscriptions in one request: each is a request of this server's, and whoever asks waits for all of them.
pub(super) const SUBSCRIPTIONS_MAX: usize = 100;

/// What became of a push, in the order of the subscriptions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sent {
    /// The message's own id, or one that was given to it.
    id: String,
    outcomes: Vec<OutcomeView>,
}

/// What a push service has made of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutcomeView {
    /// What it comes to.
    outcome: Outcome,
    /// The status of the service's answer, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// What the service said, or why it was not asked, unless it has taken the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// For how many seconds the service wants to be left alone; or so many requests wait for it that it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
}

/// What a request to a push service comes to.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The service has it.
    Accepted,
    /// There is no such subscription any more: forget it.
    Gone,
    /// The service takes no message of this size.
    TooLarge,
    /// It was not taken now, and may be another time.
    Later,
    /// The service does not believe this server's signature.
    Unauthorized,
    /// The browser has subscribed to another key than this server's: it has to subscribe anew.
    WrongKey,
    /// It is not taken, and would not be another time.
    Refused,
}

/// The subscriptions of a request, checked, and their services as well.
///
/// # Errors
///
/// One of them is none, or may not be sent to; which, the problem says.
pub(super) fn checked(push: &Push, given: &[&RawValue]) -> Result<Vec<Subscription>, Problem> {
    if given.is_empty() {
        return Err(Problem::malformed("subscriptions: there is none"));
    }
    let check = |(number, json): (usize, &&RawValue)| {
        let part = format!("subscriptions[{number}]");
        let subscription = Subscription::parse(json.get())
            .map_err(|error| Problem::malformed(error.to_string()).within(&part))?;
        push.check(subscription.endpoint()).map_err(|error| Problem::from(error).within(&part))?;
        Ok(subscription)
    };
    given.iter().enumerate().map(check).collect()
}

impl Sent {
    pub(super) fn new(id: String, answers: Vec<Answer>) -> Self {
        Self { id, outcomes: answers.into_iter().map(OutcomeView::from).collect() }
    }
}

impl From<Answer> for OutcomeView {
    fn from(Answer { verdict, status, reason }: Answer) -> Self {
        let retry_after_s = match verdict {
            Verdict::Paused(pause) => Some(pause.as_secs()),
            _ => None,
        };
        let outcome = match verdict {
            Verdict::Accepted => Outcome::Accepted,
            Verdict::Gone => Outcome::Gone,
            Verdict::TooLarge => Outcome::TooLarge,
            Verdict::Paused(_) | Verdict::Later => Outcome::Later,
            Verdict::Unauthorized => Outcome::Unauthorized,
            Verdict::WrongKey => Outcome::WrongKey,
            Verdict::Refused => Outcome::Refused,
        };
        let reason = (verdict != Verdict::Accepted && !reason.is_empty()).then_some(reason);
        Self { outcome, status: status.map(|status| status.as_u16()), reason, retry_after_s }
    }
}

/// Reads a list that may be missing, and no more of it than is allowed.
pub(super) fn list<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct List<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Option<Vec<T>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("subscriptions to be a list")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(one) = all.next_element()? {
                if list.len() == SUBSCRIPTIONS_MAX {
                    return Err(A::Error::custom(format!(
                        "there are more than {SUBSCRIPTIONS_MAX} subscriptions, ask for the others in further requests"
                    )));
                }
                list.push(one);
            }
            Ok(Some(list))
        }
    }

    from.deserialize_any(List(PhantomData))
}
