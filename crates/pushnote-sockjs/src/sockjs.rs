//! The handle to a service.

use std::{fmt, sync::Arc};

use pushnote_sockjs_proto::Close;

use crate::{handler::Handler, mount::Mount, service::Service};

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

impl<H: Handler> SockJs<H> {
    #[cfg(test)]
    pub(crate) fn service(&self) -> &Arc<Service<H>> {
        &self.0
    }

    pub(crate) fn new(service: Service<H>) -> Self {
        Self(Arc::new(service))
    }

    /// The service under `prefix`, such as `/echo`; `/` is the root.
    pub fn mount(&self, prefix: &str) -> Mount<H> {
        Mount::new(&self.0, prefix)
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
            session.drain(close.clone());
        }
        let service = Arc::clone(&self.0);
        async move { service.registry.wait_empty().await }
    }
}
