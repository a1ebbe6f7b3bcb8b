//! A socket as seen by whoever watches it.

use crate::stats::{Counters, Stats};
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// Reads a socket's counters and gauges from anywhere, also after the socket is gone. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Monitor(Arc<dyn Watched>);

/// What a socket shows of itself.
pub(crate) trait Watched: fmt::Debug + Send + Sync {
    fn counters(&self) -> &Counters;

    fn peers(&self) -> Vec<PeerStats> {
        Vec::new()
    }

    /// Endpoints whose publishers have had the socket's subscription.
    fn subscribed(&self) -> Option<watch::Receiver<Vec<String>>> {
        None
    }

    fn history(&self) -> Option<HistoryStats> {
        None
    }
}

/// One of a publisher's peers now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStats {
    /// Its address and port, or the endpoint that is connected to, or `local process` and its id.
    pub peer: String,
    /// Bytes that wait for it, counted as the memory they keep alive: what
    /// [`Options::queue_bytes_max`](crate::Options::queue_bytes_max) bounds.
    pub queued_bytes: u64,
    /// Messages it has still to get from the history, besides those queued; `None` when it does not read from there.
    pub behind: Option<u64>,
}

/// What a publisher keeps of its last messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryStats {
    /// Another one after each start of the publisher.
    pub epoch: u64,
    /// The number of the oldest message it has; that of the next when it has none.
    pub first: u64,
    /// The number of the next message.
    pub next: u64,
    /// Bytes it holds, counted as the memory they keep alive.
    pub bytes: u64,
}

impl Monitor {
    pub(crate) fn of(socket: Arc<dyn Watched>) -> Self {
        Monitor(socket)
    }

    /// Counters since the socket was made.
    pub fn stats(&self) -> Stats {
        self.0.counters().snapshot()
    }

    /// The peers a publisher has a queue for, in the order they came; none for other sockets. It takes 0.1 ms for 1000
    /// peers, of which publishing waits for a small part.
    pub fn peers(&self) -> Vec<PeerStats> {
        self.0.peers()
    }

    /// The endpoints that a subscriber connects to and whose publishers have had its subscription, in that order, as soon
    /// as they are more than `known`. Waits for ever for other sockets.
    pub async fn subscribed(&self, known: usize) -> Vec<String> {
        if let Some(mut subscribed) = self.0.subscribed()
            && let Ok(endpoints) = subscribed.wait_for(|all| all.len() > known).await
        {
            return endpoints.clone();
        }
        std::future::pending().await
    }

    /// What a publisher keeps; `None` for other sockets, and when
    /// [`Options::history_bytes_max`](crate::Options::history_bytes_max) is 0.
    pub fn history(&self) -> Option<HistoryStats> {
        self.0.history()
    }
}
