//! A service: one application, its options, its sessions.

use std::{net::IpAddr, sync::Arc};

use pushnote_net::LogOnce;
use pushnote_sockjs_proto::session::Settings;

use crate::{
    handler::{Handler, SessionInfo},
    http_session::HttpSession,
    options::Options,
    registry::{Found, HttpEntry, Refused, Registry},
    session::Session,
    transport::Transport,
    websocket_session::WebSocketOptions,
};

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
    pub(crate) fn new(
        handler: H,
        options: Options,
        settings: Arc<Settings>,
        socket_options: WebSocketOptions,
    ) -> Self {
        let registry = Registry::new(&options.limits);
        Self { handler, options, settings, socket_options, registry, log: LogOnce::new() }
    }

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
        tokio::spawn(async move { attendance.entry.run_clock().await });
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
