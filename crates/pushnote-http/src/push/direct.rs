//! Past the queue: to subscriptions that need not be stored, once to each, while whoever wants it waits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use pushnote_hub::Counter;
use pushnote_webpush::{Answer, Message, Service, Subscription, Verdict};

use super::places::Full;
use super::{Push, PushError};

/// Until there may be a place again.
const PAUSE: Duration = Duration::from_secs(1);

/// Subscriptions that were not sent to for want of a place, of each service, by cause.
#[derive(Debug, Default)]
pub(crate) struct NotSent([[Counter; Full::CAUSES.len()]; Service::ALL.len()]);

impl NotSent {
    /// Each number, with its labels.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Service, &'static str, u64)> {
        Service::ALL.into_iter().zip(&self.0).flat_map(|(service, causes)| {
            Full::CAUSES.into_iter().zip(causes).map(move |(cause, count)| (service, cause, count.total()))
        })
    }

    fn add(&self, subscription: &Subscription, full: &Full) {
        let service = Service::of(subscription.endpoint().origin());
        self.0[service as usize][full.cause()].add(1);
    }
}

impl Push {
    /// Sends a push once to each of some subscriptions, stored or not, and says what their services have said. Each is to be
    /// [checked](Self::check). One for which there is no place is not sent to, and to be sent to later. `key` is the name of
    /// whose API key wants it. When this is dropped, what is under way ends.
    ///
    /// # Errors
    ///
    /// There is a place for none, or nothing is stored at the moment.
    pub(crate) async fn send_directly(
        &self,
        subscriptions: Vec<Subscription>,
        message: &Message,
        key: &Arc<str>,
    ) -> Result<Vec<Answer>, PushError> {
        let (mut sends, mut none) = (Vec::with_capacity(subscriptions.len()), None);
        let mut refused = 0;
        for subscription in subscriptions {
            let place = self.places.take(subscription.endpoint(), key);
            if let Err(full) = &place {
                self.not_sent.add(&subscription, full);
                refused += 1;
                none.get_or_insert_with(|| full.clone());
            }
            sends.push((subscription, place));
        }
        if let Some(full) = none {
            if let Some(unlogged) = self.log.due("busy") {
                tracing::warn!(api_key = %key, %full, refused, unlogged, "pushes to subscriptions of a request were not sent; more of this kind in the next minute are not logged");
            }
            if refused == sends.len() {
                return Err(PushError::Busy(full));
            }
        }
        let sends = sends.into_iter().map(|(subscription, place)| async move {
            match place {
                Ok(_until_the_answer) => self.direct.send(&subscription, message).await,
                Err(full) => Ok(later(&full)),
            }
        });
        Ok(try_join_all(sends).await?)
    }
}

/// What becomes of a message for which there is no place.
fn later(full: &Full) -> Answer {
    Answer { verdict: Verdict::Paused(PAUSE), status: None, reason: format!("not asked: {full}") }
}
