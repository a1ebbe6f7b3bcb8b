//! The sessions of one service. Ids belong to it alone: the same id under another service is another session.

use std::{
    collections::{HashMap, hash_map::Entry as MapEntry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pushnote_net::Rate;
use pushnote_sockjs_proto::{Close, input::Messages};
use slab::Slab;
use tokio::sync::Notify;

use crate::{
    handler::Connection,
    http_session::{HttpSession, News},
    options::Limits,
    session::Session,
    websocket_session::WebSocketSession,
};

/// Every session of a service, from its opening until it is forgotten.
#[derive(Debug)]
pub(crate) struct Registry<C> {
    /// A std lock, held for one look-up or change, never while the application runs.
    sessions: Mutex<Sessions<C>>,
    sessions_max: usize,
    /// New sessions over HTTP, which cost a client one small request each.
    openings: Rate,
    /// Look-ups of sessions that are not there.
    misses: Rate,
    /// The last session went.
    emptied: Notify,
}

#[derive(Debug)]
struct Sessions<C> {
    http: HashMap<Arc<str>, Arc<HttpEntry<C>>>,
    /// Outside the map: a WebSocket's session ends with it, and may share its id with another.
    websockets: Slab<Arc<WebSocketSession>>,
    /// Set once the service closes: nothing new comes in.
    closing: Option<Close>,
}

/// A session over HTTP, with the application's side of it.
#[derive(Debug)]
pub(crate) struct HttpEntry<C> {
    id: Arc<str>,
    /// Who opened it.
    pub(crate) client: Option<IpAddr>,
    pub(crate) session: Arc<HttpSession>,
    /// `None` before it opens, when it was refused, and after it was told of the close. A std lock: the application runs
    /// under it, and does not block.
    connection: Mutex<Option<C>>,
}

/// Why there is no new session.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The service closes.
    Closing(Close),
    /// There are as many as may be.
    Full,
    /// The client's address has opened too many within a second.
    TooFast,
    /// The session is another client's.
    Stranger,
}

/// Whether a session was there already.
pub(crate) enum Found<C> {
    Known(Arc<HttpEntry<C>>),
    New(Arc<HttpEntry<C>>),
}

/// A WebSocket session's place. 32 bits, as each idle connection holds one; file descriptors are no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WebSocketKey(u32);

impl<C> Registry<C> {
    pub(crate) fn new(limits: &Limits) -> Self {
        let sessions = Sessions { http: HashMap::new(), websockets: Slab::new(), closing: None };
        Self {
            sessions: Mutex::new(sessions),
            sessions_max: limits.sessions_max,
            openings: Rate::new(limits.address_sessions_per_second_max),
            misses: Rate::new(limits.address_misses_per_second_max),
            emptied: Notify::new(),
        }
    }

    /// Sessions now; closed ones count until they are forgotten.
    pub(crate) fn count(&self) -> usize {
        self.lock().count()
    }

    /// Whether a further WebSocket would be taken.
    pub(crate) fn check_room(&self) -> Result<(), Refused> {
        let sessions = self.lock();
        sessions.check_room(sessions.websockets.len(), self.sessions_max)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<HttpEntry<C>>> {
        self.lock().http.get(id).cloned()
    }

    /// Whether a client may go on after it looked for a session that is not there.
    pub(crate) fn may_miss(&self, client: Option<IpAddr>) -> bool {
        self.misses.admits(client)
    }

    pub(crate) fn find_or_add(
        &self,
        id: &str,
        client: Option<IpAddr>,
        session: impl FnOnce() -> HttpSession,
    ) -> Result<Found<C>, Refused> {
        let mut sessions = self.lock();
        if let Some(entry) = sessions.http.get(id) {
            return Ok(Found::Known(Arc::clone(entry)));
        }
        sessions.check_room(sessions.http.len(), self.sessions_max)?;
        if !self.openings.admits(client) {
            return Err(Refused::TooFast);
        }
        let id: Arc<str> = id.into();
        let session = Arc::new(session());
        let entry =
            Arc::new(HttpEntry { id: Arc::clone(&id), client, session, connection: Mutex::new(None) });
        sessions.http.insert(id, Arc::clone(&entry));
        Ok(Found::New(entry))
    }

    /// Forgets a session; nothing happens when its id is another session's by now.
    pub(crate) fn remove(&self, entry: &Arc<HttpEntry<C>>) {
        let mut sessions = self.lock();
        if let MapEntry::Occupied(occupied) = sessions.http.entry(Arc::clone(&entry.id))
            && Arc::ptr_eq(occupied.get(), entry)
        {
            occupied.remove();
            self.announce(&sessions);
        }
    }

    pub(crate) fn add_websocket(&self, session: Arc<WebSocketSession>) -> Result<WebSocketKey, Refused> {
        let mut sessions = self.lock();
        sessions.check_room(sessions.websockets.len(), self.sessions_max)?;
        Ok(WebSocketKey(sessions.websockets.insert(session) as u32))
    }

    pub(crate) fn remove_websocket(&self, key: WebSocketKey) {
        let mut sessions = self.lock();
        sessions.websockets.remove(key.0 as usize);
        self.announce(&sessions);
    }

    /// Lets nothing new in.
    pub(crate) fn start_closing(&self, close: Close) {
        self.lock().closing = Some(close);
    }

    /// Handles to all that is there.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        let sessions = self.lock();
        let http = sessions.http.values().map(|entry| Session::from(Arc::clone(&entry.session)));
        http.chain(sessions.websockets.iter().map(|(_, session)| Session::from(Arc::clone(session))))
            .collect()
    }

    /// Waits until there is no session.
    pub(crate) async fn wait_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn announce(&self, sessions: &Sessions<C>) {
        if sessions.count() == 0 {
            self.emptied.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sessions<C>> {
        // Nothing under this lock can panic half-way.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Sessions<C> {
    fn count(&self) -> usize {
        self.http.len() + self.websockets.len()
    }

    /// `of_its_kind` are there already: sessions over HTTP, which cost a client nothing, or WebSockets.
    fn check_room(&self, of_its_kind: usize, sessions_max: usize) -> Result<(), Refused> {
        match &self.closing {
            Some(close) => Err(Refused::Closing(close.clone())),
            None if of_its_kind >= sessions_max => Err(Refused::Full),
            None => Ok(()),
        }
    }
}

impl<C: Connection> HttpEntry<C> {
    /// The application has taken the session.
    pub(crate) fn connect(&self, connection: C) {
        *self.lock() = Some(connection);
    }

    /// Hands messages to the application, until it closes the session.
    pub(crate) fn deliver(&self, messages: &Messages<'_>) {
        let mut connection = self.lock();
        let Some(connection) = connection.as_mut() else { return };
        for message in messages.iter() {
            if !self.session.is_open() {
                return;
            }
            connection.message(&message);
        }
    }

    /// The session's clock, and whoever tells the application of its end. Runs until the session is gone.
    pub(crate) async fn run_clock(&self) {
        while !self.session.is_gone() {
            match self.session.tick().await {
                Some(News::Room) => {
                    if let Some(connection) = self.lock().as_mut() {
                        connection.room();
                    }
                }
                Some(News::Ended(reason)) => {
                    let connection = self.lock().take();
                    if let Some(mut connection) = connection {
                        connection.closed(&reason);
                    }
                }
                None => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<C>> {
        // If the application panicked in here, its state is its own affair.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
