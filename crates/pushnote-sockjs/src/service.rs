//! A service: one application, its options, its sessions.

use std::{fmt, net::IpAddr, sync::Arc};

use pushnote_net::LogOnce;
use pushnote_sockjs_proto::{Close, session::Settings};
use warp::{Filter, Rejection, reply::Response};

use crate::{
    builder::{Builder, Options},
    filter,
    handler::{Handler, SessionInfo},
    http_session::HttpSession,
    registry::{Found, HttpEntry, Refused, Registry},
    session::{Session, WebSocketOptions},
    transport::Transport,
};

/// A SockJS service. A clone is another handle to the same one.
pub struct SockJs<H: Handler>(Arc<Service<H>>);

impl<H: Handler> Clone for SockJs<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Handler> fmt::Debug for SockJs<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SockJs").field("session_count", &self.session_count()).finish_non_exhaustive()
    }
}

impl SockJs<fn(&Session, &SessionInfo) -> Result<fn(&str), Close>> {
    /// A builder with every option at its default. (The handler's type comes with [`Builder::build`].)
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl<H: Handler> SockJs<H> {
    #[cfg(test)]
    pub(crate) fn service(&self) -> &Arc<Service<H>> {
        &self.0
    }

    pub(crate) fn new(
        handler: H,
        options: Options,
        settings: Arc<Settings>,
        socket_options: WebSocketOptions,
    ) -> Self {
        let registry = Registry::new(&options.limits);
        let log = LogOnce::new();
        Self(Arc::new(Service { handler, options, settings, socket_options, registry, log }))
    }

    /// A filter that serves every URL under `prefix` (such as `/echo`; `/` serves from the root) and rejects every other.
    ///
    /// It matches the request's whole path, undecoded, so it does not go behind `warp::path`. The client's address is that
    /// of `warp::serve`; another accept loop puts it into the request's extensions, as a [`pushnote_net::Peer`].
    pub fn filter(
        &self,
        prefix: &str,
    ) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<H> {
        filter::filter(&self.0, prefix)
    }

    /// How many sessions there are. Closed ones count until they are forgotten, after the disconnect delay.
    pub fn session_count(&self) -> usize {
        self.0.registry.count()
    }

    /// Lets no new session in: requests for one get 503, and a WebSocket that is just opening is closed with this code
    /// and reason. Those that are there go on.
    pub fn refuse_new(&self, code: u16, reason: &str) {
        self.0.registry.start_closing(Close::new(code, reason.to_owned()));
    }

    /// Closes every session with a code and a reason, and lets no new one in.
    ///
    /// The closing begins with this call. The future only waits for its end, which comes when every client has been told
    /// or its time is over (disconnect delay, or 5 s for a WebSocket's closing handshake); give it a shorter time with
    /// [`tokio::time::timeout`]. Keep serving until then: a client that polls learns it from its next request.
    pub fn close_all(&self, code: u16, reason: &str) -> impl Future<Output = ()> + Send + use<H> {
        self.refuse_new(code, reason);
        let close = Close::new(code, reason.to_owned());
        for session in self.0.registry.sessions() {
            session.farewell(close.clone());
        }
        let service = Arc::clone(&self.0);
        async move { service.registry.wait_empty().await }
    }
}

pub(crate) struct Service<H: Handler> {
    pub(crate) handler: H,
    pub(crate) options: Options,
    settings: Arc<Settings>,
    pub(crate) socket_options: WebSocketOptions,
    pub(crate) registry: Registry<H::Connection>,
    /// Of what clients decide how often it happens.
    pub(crate) log: LogOnce,
}

impl<H: Handler> Service<H> {
    /// What `/info` says of it; a year fits.
    pub(crate) fn heartbeat_delay_ms(&self) -> u64 {
        u64::try_from(self.settings.heartbeat_delay.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn offers(&self, transport: Transport) -> bool {
        self.options.transports.contains(&transport)
    }

    /// The session of an id, if there is one that the client may use.
    pub(crate) fn find(&self, id: &str, client: Option<IpAddr>) -> Option<Arc<HttpEntry<H::Connection>>> {
        self.registry.find(id).filter(|entry| self.may_use(entry, client))
    }

    /// The session of an id, opened if there is none. Its clock is a task that ends with it.
    pub(crate) fn find_or_open(
        self: &Arc<Self>,
        id: &str,
        transport: Transport,
        client: Option<IpAddr>,
        info: impl FnOnce() -> SessionInfo,
    ) -> Result<Arc<HttpEntry<H::Connection>>, Refused> {
        let session = || HttpSession::new(transport, Arc::clone(&self.settings));
        let entry = match self.registry.find_or_add(id, client, session)? {
            Found::Known(entry) if self.may_use(&entry, client) => return Ok(entry),
            Found::Known(_) => return Err(Refused::Stranger),
            Found::New(entry) => entry,
        };
        let attendance = Attendance { service: Arc::clone(self), entry: Arc::clone(&entry) };
        let session = Session::from(Arc::clone(&entry.session));
        match self.handler.open(&session, &info()) {
            Ok(connection) => entry.connect(connection),
            Err(close) => session.close_with(close),
        }
        tokio::spawn(async move { attendance.entry.attend().await });
        Ok(entry)
    }

    fn may_use(&self, entry: &HttpEntry<H::Connection>, client: Option<IpAddr>) -> bool {
        !self.options.same_address || entry.client == client
    }
}

/// Forgets the session when its task ends, even if that is by a panic of the application.
struct Attendance<H: Handler> {
    service: Arc<Service<H>>,
    entry: Arc<HttpEntry<H::Connection>>,
}

impl<H: Handler> Drop for Attendance<H> {
    fn drop(&mut self) {
        self.service.registry.remove(&self.entry);
    }
}
