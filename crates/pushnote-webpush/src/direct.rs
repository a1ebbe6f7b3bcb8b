//! Sends past the queue: to subscriptions that need not be stored, once to each.

use std::sync::Arc;

use pushnote_store::TransactError;

use crate::answer::{Answer, Verdict};
use crate::client::Client;
use crate::counters::Counters;
use crate::job::Outcome;
use crate::key::KeyId;
use crate::message::Message;
use crate::service::Service;
use crate::subscription::Subscription;
use crate::subscriptions::Subscriptions;

/// Sends messages to subscriptions, stored or not, and says what push services have said: nothing is kept, and nothing tried
/// again. How many requests are under way at once is up to who sends.
#[derive(Clone, Debug)]
pub struct Direct {
    client: Arc<Client>,
    subscriptions: Subscriptions,
    /// Subscriptions that are not stored were made with this one, as far as anybody knows.
    key: KeyId,
    counters: Arc<Counters>,
}

impl Direct {
    /// Sends by `client`, and counts what came of it in `counters`. A subscription that is stored is sent to with the key that it
    /// was made with, any other with `key`.
    pub fn new(
        client: Arc<Client>,
        subscriptions: Subscriptions,
        key: KeyId,
        counters: Arc<Counters>,
    ) -> Self {
        Self { client, subscriptions, key, counters }
    }

    /// Sends a message once. If the service says that the subscription is none any more, it is not stored any more either.
    ///
    /// # Errors
    ///
    /// Nothing can be read.
    pub async fn send(
        &self,
        subscription: &Subscription,
        message: &Message,
    ) -> Result<Answer, TransactError> {
        let id = subscription.endpoint().id();
        let stored = self.subscriptions.find(id).await?;
        let key = stored.as_ref().map_or(self.key, |device| device.key);
        let answer = self.client.send(subscription, key, message).await;
        self.counters.done(Service::of(subscription.endpoint().origin()), outcome(answer.verdict));
        if stored.is_some() && answer.verdict == Verdict::Gone {
            self.subscriptions.remove_device(id).await?;
        }
        Ok(answer)
    }
}

/// What became of a message that is not tried again.
fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Accepted => Outcome::Accepted,
        Verdict::Gone => Outcome::Gone,
        Verdict::TooLarge => Outcome::TooLarge,
        Verdict::Unauthorized => Outcome::Unauthorized,
        Verdict::WrongKey => Outcome::WrongKey,
        Verdict::Refused => Outcome::Refused,
        Verdict::Paused(_) | Verdict::Later => Outcome::GaveUp,
    }
}
