//! The thread that writes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pushnote_net::{LogOnce, harmless, timeout_awake};
use pushnote_zmtp::{Options, Publisher as Socket};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::error::{Endpoints, Obstacle};
use crate::queue::{Queue, Queued};

/// Envelopes are handed to the socket in runs of about this size, and the next one when the last is written: so that
/// what waits, waits in the queue, where it is counted.
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// How long those that are slower than the first are waited for, once: one that stands still holds up nobody.
const GRACE: Duration = Duration::from_millis(100);

/// What the thread and the publisher's handle share.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) queue: Queue,
    pub(crate) endpoints: Endpoints,
    /// How long nothing may be written before messages are given up.
    pub(crate) patience: Duration,
    pub(crate) stop: Notify,
    options: Options,
    socket: Mutex<Arc<Socket>>,
    log: LogOnce,
}

impl Driver {
    /// Connects, in `runtime`.
    pub(crate) fn new(
        queue: Queue,
        endpoints: Endpoints,
        options: Options,
        patience: Duration,
        runtime: &Runtime,
    ) -> Self {
        let _inside = runtime.enter();
        let socket = Mutex::new(Arc::new(connect(&endpoints, &options)));
        Self { queue, endpoints, patience, stop: Notify::new(), options, socket, log: LogOnce::new() }
    }

    fn socket(&self) -> Arc<Socket> {
        Arc::clone(&self.socket.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is in the way, if anything is.
    pub(crate) fn obstacle(&self) -> Obstacle {
        let socket = self.socket();
        let stats = socket.stats();
        if socket.is_subscribed() {
            Obstacle::Slow
        } else if stats.peers > 0 {
            Obstacle::NotSubscribed
        } else {
            Obstacle::to_connect(&stats, &self.options.security)
        }
    }

    /// Writes what comes, until told to stop.
    pub(crate) async fn run(&self) {
        tokio::select! {
            () = self.stop.notified() => {}
            () = self.write_all() => {}
        }
    }

    async fn write_all(&self) {
        let mut last_written = Instant::now();
        let mut lagging = false;
        loop {
            let since = self.queue.waiting_since().await.max(last_written);
            let deadline = since + self.patience;
            let (batch, obstacle) = self.write_some(deadline, &mut lagging).await;
            match obstacle {
                None => {
                    self.queue.written(&batch);
                    last_written = Instant::now();
                }
                Some(obstacle) => {
                    self.queue.given_up(&batch, obstacle);
                    if let Some(unlogged) = self.log.due("given up") {
                        let why = obstacle.at(&self.endpoints);
                        harmless(
                            || tracing::warn!(%why, unlogged, "messages given up; more in the next minute are only counted"),
                        );
                    }
                }
            }
        }
    }

    /// Takes some messages and writes them, or takes some and fails at `deadline`. Of several endpoints one has to take
    /// them; whether others are `lagging` is known from the last time.
    async fn write_some(&self, deadline: Instant, lagging: &mut bool) -> (Vec<Queued>, Option<Obstacle>) {
        let socket = self.socket();
        let left = deadline.saturating_duration_since(Instant::now());
        if timeout_awake(left, socket.subscribed()).await.is_err() {
            let obstacle = self.obstacle();
            return (self.queue.take(0), Some(obstacle));
        }
        let batch = self.queue.take(BATCH_BYTES_MAX);
        let write = async {
            for queued in &batch {
                // Never too large: that was checked before it was queued.
                let _ = socket.send(&queued.envelope).await;
            }
            socket.flush_one().await;
        };
        // A run may begin just before the deadline; the other side gets its time for it.
        if timeout_awake(self.patience, write).await.is_ok() {
            let grace = if *lagging { Duration::ZERO } else { GRACE };
            *lagging = timeout_awake(grace, socket.flush()).await.is_err();
            return (batch, None);
        }
        let obstacle = self.obstacle();
        self.connect_anew();
        (batch, Some(obstacle))
    }

    /// A socket that forgets what the last one could not write: those messages are counted as given up, and must not
    /// arrive later all the same.
    fn connect_anew(&self) {
        let socket = Arc::new(connect(&self.endpoints, &self.options));
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = socket;
    }
}

/// One socket to all of them: each gets every message.
fn connect(endpoints: &Endpoints, options: &Options) -> Socket {
    let mut socket = Socket::new(options.clone());
    endpoints.0.iter().for_each(|endpoint| socket.connect_also(endpoint.clone()));
    socket
}
