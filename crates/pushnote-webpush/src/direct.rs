//! Sends past the queue: to subscriptions that need not be stored, once to each.

use std::sync::Arc;

use pushnote_store::TransactError;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

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
/// again. Clones share their places.
#[derive(Clone, Debug)]
pub struct Direct {
    client: Arc<Client>,
    subscriptions: Subscriptions,
    /// Subscriptions that are not stored were made with this one, as far as anybody knows.
    key: KeyId,
    counters: Arc<Counters>,
    places: Arc<Semaphore>,
}

impl Direct {
    /// Sends by `client`, and counts what came of it in `counters`; `in_flight_max` requests at once. A subscription that is
    /// stored is sent to with the key that it was made with, any other with `key`.
    pub fn new(
        client: Arc<Client>,
        subscriptions: Subscriptions,
        key: KeyId,
        counters: Arc<Counters>,
        in_flight_max: usize,
    ) -> Self {
        let places = Arc::new(Semaphore::new(in_flight_max.clamp(1, Semaphore::MAX_PERMITS)));
        Self { client, subscriptions, key, counters, places }
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

    /// Sends a message once to each, some at a time. The answers are in the order of the subscriptions.
    ///
    /// # Errors
    ///
    /// Nothing can be read. Some may have been sent.
    pub async fn send_all(
        &self,
        subscriptions: Vec<Subscription>,
        message: &Message,
    ) -> Result<Vec<Answer>, TransactError> {
        // What stays so is a request whose task has panicked, which the standard error tells of.
        let none = Answer::none(Verdict::Later, "a fault in pushnote", "");
        let mut answers = vec![none; subscriptions.len()];
        let mut sends = JoinSet::new();
        for (number, subscription) in subscriptions.into_iter().enumerate() {
            // It is never closed.
            let place = self.places.clone().acquire_owned().await.ok();
            let (direct, message) = (self.clone(), message.clone());
            sends.spawn(async move {
                let answer = direct.send(&subscription, &message).await;
                drop(place);
                (number, answer)
            });
        }
        while let Some(sent) = sends.join_next().await {
            if let Ok((number, answer)) = sent {
                answers[number] = answer?;
            }
        }
        Ok(answers)
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
