//! Past the queue: to subscriptions that need not be stored, once to each, while whoever wants it waits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use pushnote_hub::Counter;
use pushnote_net::LogOnce;
use pushnote_store::TransactError;
use pushnote_webpush::{Answer, Direct, Message, Service, Subscription, Verdict};

use super::places::{Full, Places};

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

/// Sends so.
pub(crate) struct PastQueue {
    direct: Direct,
    /// Who may be sent to now.
    places: Arc<Places>,
    /// Who was not.
    pub(crate) not_sent: NotSent,
    log: LogOnce,
}

/// Why nothing was sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NothingSent {
    /// There is a place for none.
    #[error("nothing was sent, ask again soon: {0}")]
    Busy(Full),
    /// Nothing is stored at the moment. Some may have been sent.
    #[error("not kept: {0}")]
    NotKept(#[from] TransactError),
}

impl PastQueue {
    pub(super) fn new(direct: Direct) -> Self {
        Self { direct, places: Arc::default(), not_sent: NotSent::default(), log: LogOnce::new() }
    }

    /// Sends a push once to each of some subscriptions, stored or not, and says what their services have said. One for which there
    /// is no place is not sent to, and to be sent to later. `key` is the name of whose API key wants it. When this is dropped, what
    /// is under way ends.
    ///
    /// # Errors
    ///
    /// [`NothingSent`].
    pub(super) async fn send(
        &self,
        subscriptions: Vec<Subscription>,
        message: &Message,
        key: &Arc<str>,
    ) -> Result<Vec<Answer>, NothingSent> {
        let (mut sends, mut none, mut refused) = (Vec::with_capacity(subscriptions.len()), None, 0);
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
                return Err(NothingSent::Busy(full));
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

    /// Begins nothing more, and waits for what is under way.
    pub(super) async fn close(&self) {
        self.places.close().await;
    }
}

/// What becomes of a message for which there is no place.
fn later(full: &Full) -> Answer {
    Answer { verdict: Verdict::Paused(PAUSE), status: None, reason: format!("not asked: {full}") }
}
