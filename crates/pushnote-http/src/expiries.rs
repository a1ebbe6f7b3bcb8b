//! Live connections whose tokens expire: each is asked for a new one when the time has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pushnote_core::{CloseCode, Verified};
use pushnote_net::unix_now;
use pushnote_sockjs::Session;

/// Between two looks at the clock; so much later than its token a connection may end.
const LOOK: Duration = Duration::from_secs(5);

/// Connections closed in one go, before others have their turn on this thread.
const CLOSED_AT_ONCE: usize = 64;

/// Every connection that has a token which expires, by the second at which the first one does.
#[derive(Debug, Default)]
pub(crate) struct Expiries(Mutex<Due>);

#[derive(Debug, Default)]
struct Due {
    sessions: BTreeMap<Place, Session>,
    placed: u64,
}

/// The second, and a number of the connection's own.
type Place = (u64, u64);

impl Expiries {
    /// Closes connections as their tokens expire, for ever.
    pub(crate) async fn watch(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            while self.close_expired(unix_now()) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Closes some of those whose token has expired `now`. `true`: there may be more.
    fn close_expired(&self, now: u64) -> bool {
        let mut expired = Vec::new();
        {
            let sessions = &mut self.lock().sessions;
            while expired.len() < CLOSED_AT_ONCE
                && let Some(first) = sessions.first_entry().filter(|first| first.key().0 <= now)
            {
                expired.push(first.remove());
            }
        }
        let code = CloseCode::TokenExpired;
        expired.iter().for_each(|session| session.close(code.code(), code.reason()));
        expired.len() == CLOSED_AT_ONCE
    }

    fn lock(&self) -> MutexGuard<'_, Due> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the tokens of one connection expire.
#[derive(Debug)]
pub(crate) struct Expiry {
    expiries: Arc<Expiries>,
    /// The last token of each user; few, as a connection has few users.
    tokens: Vec<Verified>,
    place: Option<Place>,
}

impl Expiry {
    pub(crate) fn new(expiries: Arc<Expiries>) -> Self {
        Self { expiries, tokens: Vec::new(), place: None }
    }

    /// The connection has shown a good token; one of the same user before it counts no more.
    pub(crate) fn renew(&mut self, token: Verified, session: &Session) {
        self.tokens.retain(|known| known.user != token.user);
        self.tokens.push(token);
        let mut due = self.expiries.lock();
        if let Some(place) = self.place.take() {
            due.sessions.remove(&place);
        }
        if let Some(first) = self.tokens.iter().filter_map(|token| token.expires_at).min() {
            due.placed += 1;
            let place = (first, due.placed);
            due.sessions.insert(place, session.clone());
            self.place = Some(place);
        }
    }
}

impl Drop for Expiry {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.expiries.lock().sessions.remove(&place);
        }
    }
}
