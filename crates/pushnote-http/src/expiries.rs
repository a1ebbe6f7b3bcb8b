//! Live subscriptions whose tokens expire: each ends when its time has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pushnote_core::{CloseCode, Subject};
use pushnote_hub::Remote;
use pushnote_net::unix_now;
use pushnote_sockjs::Session;

use crate::notice::Notice;
use crate::presence::Presence;
use crate::receiver::AnyReceiver;

/// Between two looks at the clock; so much later than its token a subscription may end.
const LOOK: Duration = Duration::from_secs(5);

/// Subscriptions ended in one go, before others have their turn on this thread.
const ENDED_AT_ONCE: usize = 64;

/// Every subscription that has a token which expires, by the second at which it does.
pub(crate) struct Expiries {
    due: Mutex<Due>,
    /// Whose subscription to a channel ends is there no more, and whose as a user ends is that no more.
    presence: Arc<Presence>,
}

#[derive(Default)]
struct Due {
    endings: BTreeMap<Place, (Subject, Ending)>,
    placed: u64,
}

/// What ends with a token.
pub(crate) enum Ending {
    /// The whole session: its page cannot be told anything else.
    Session(Session),
    /// The subscription alone.
    Subscription(Remote<AnyReceiver>),
}

/// The second, and a number of the subscription's own.
type Place = (u64, u64);

impl Expiries {
    pub(crate) fn new(presence: Arc<Presence>) -> Self {
        Self { due: Mutex::default(), presence }
    }

    /// Ends subscriptions as their tokens expire, for ever.
    pub(crate) async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            while self.end_expired(unix_now()) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Ends some of those whose token has expired `now`. `true`: there may be more.
    fn end_expired(&self, now: u64) -> bool {
        let mut expired = Vec::new();
        {
            let endings = &mut self.lock().endings;
            while expired.len() < ENDED_AT_ONCE
                && let Some(first) = endings.first_entry().filter(|first| first.key().0 <= now)
            {
                expired.push(first.remove());
            }
        }
        let (more, code) = (expired.len() == ENDED_AT_ONCE, CloseCode::TokenExpired);
        for (subject, ending) in expired {
            match ending {
                Ending::Session(session) => session.close(code.code(), code.reason()),
                Ending::Subscription(remote) => {
                    match &subject {
                        Subject::Channel(channel) if self.presence.left(remote.id(), channel) => {
                            remote.unsubscribe(Subject::Presence(channel.clone()), None);
                        }
                        Subject::User(user) => self.presence.unnamed(remote.id(), user),
                        _ => {}
                    }
                    remote.unsubscribe(subject.clone(), Some(Notice::Expired { subject }));
                }
            }
        }
        more
    }

    fn lock(&self) -> MutexGuard<'_, Due> {
        // Nothing under this lock can panic half-way.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the tokens of one connection expire.
pub(crate) struct Expiry {
    expiries: Arc<Expiries>,
    /// Of each subject; few, as a connection has few.
    places: Vec<(Subject, Place)>,
}

impl Expiry {
    pub(crate) fn new(expiries: Arc<Expiries>) -> Self {
        Self { expiries, places: Vec::new() }
    }

    /// The connection has shown a good token; one for the same before it counts no more.
    pub(crate) fn renew(&mut self, subject: Subject, until: Option<u64>, ending: Ending) {
        self.forget(&subject);
        let Some(until) = until else { return };
        let mut due = self.expiries.lock();
        due.placed += 1;
        let place = (until, due.placed);
        due.endings.insert(place, (subject.clone(), ending));
        drop(due);
        self.places.push((subject, place));
    }

    /// Whether the token for that has expired, and was not renewed.
    pub(crate) fn has_expired(&self, subject: &Subject) -> bool {
        let place = self.places.iter().find(|(known, _)| known == subject).map(|(_, place)| place);
        place.is_some_and(|place| !self.expiries.lock().endings.contains_key(place))
    }

    /// The connection is subscribed to that no more.
    pub(crate) fn forget(&mut self, subject: &Subject) {
        if let Some(at) = self.places.iter().position(|(known, _)| known == subject) {
            let (_, place) = self.places.swap_remove(at);
            self.expiries.lock().endings.remove(&place);
        }
    }
}

impl Drop for Expiry {
    fn drop(&mut self) {
        let endings = &mut self.expiries.lock().endings;
        for (_, place) in &self.places {
            endings.remove(place);
        }
    }
}
