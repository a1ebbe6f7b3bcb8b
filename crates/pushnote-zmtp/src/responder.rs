//! The ROUTER socket: answers questions, in any order.

pub(crate) mod desk;
mod request;

use crate::monitor::Monitor;
use crate::options::Options;
use crate::roads::{accept, failed};
use crate::transport::{self, BindError};
use desk::Desk;
use pushnote_zmtp_proto::endpoint::Endpoint;
pub use request::Request;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Requests that may wait to be taken. When they do, connections are not read.
const REQUESTS_MAX: usize = 64;

/// Listens for REQ and DEALER sockets and hands out what they ask. Dropping it closes all connections.
#[derive(Debug)]
pub struct Responder {
    desk: Arc<Desk>,
    requests: mpsc::Receiver<Request>,
    listening: Vec<Endpoint>,
    tasks: JoinSet<()>,
}

impl Responder {
    /// A socket without endpoints: give it some with `bind_also`.
    pub fn new(options: Options) -> Self {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let (counters, outboxes) = Default::default();
        let desk = Arc::new(Desk { requests: sender, options, counters, outboxes });
        Responder { desk, requests, listening: Vec::new(), tasks: JoinSet::new() }
    }

    /// Listens on an endpoint. It does so when this returns.
    ///
    /// # Errors
    /// [`BindError`]: the port is in use, the address is not this machine's, the path cannot be made.
    pub async fn bind_also(&mut self, endpoint: &Endpoint) -> Result<(), BindError> {
        let (listener, endpoint) = transport::listen(endpoint).await?;
        self.listening.push(endpoint);
        self.tasks.spawn(accept(listener, Arc::clone(&self.desk)));
        Ok(())
    }

    /// All endpoints it listens on, with their real ports.
    pub fn local_endpoints(&self) -> &[Endpoint] {
        &self.listening
    }

    /// The next request, of any peer. Cancel-safe. Waits for ever on a socket without endpoints.
    ///
    /// # Panics
    /// When a task of the socket did.
    pub async fn recv(&mut self) -> Request {
        let request = tokio::select! {
            biased;
            request = self.requests.recv() => request,
            never = failed(&mut self.tasks) => match never {},
        };
        match request {
            Some(request) => request,
            None => std::future::pending().await, // the desk holds a sender: this does not happen
        }
    }

    /// Waits until the answers given so far are written, or those who asked are gone.
    pub async fn flush(&self) {
        let outboxes = self.desk.outboxes().clone();
        for outbox in outboxes {
            outbox.flushed(outbox.accepted()).await;
        }
    }

    /// A view of the socket for whoever watches it.
    pub fn monitor(&self) -> Monitor {
        Monitor::of_responder(&self.desk)
    }
}
