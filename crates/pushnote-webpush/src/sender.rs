//! Sends what there is to send.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::client::Client;
use crate::counters::Counters;
use crate::jobs::Jobs;
use crate::round::Round;
use crate::sender_options::SenderOptions;

/// How long a sender that is to stop waits for what is under way: longer than any request takes.
const STOP_TIMEOUT: Duration = Duration::from_secs(35);

/// Sends jobs as they become due, until it is stopped. There is a queue for each push service, of which a few hundred jobs are in
/// memory; at one time, one request is under way to each subscription.
///
/// What was under way when a process is killed is sent once more by the next one: nobody knows whether the service had it. Nothing
/// else is.
#[derive(Debug)]
pub struct Sender {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    counters: Arc<Counters>,
}

impl Sender {
    /// Starts, on the runtime that this is called in.
    pub fn start(options: SenderOptions, client: impl Into<Arc<Client>>, jobs: Jobs) -> Self {
        let counters = Arc::new(Counters::default());
        let (stop, stopped) = oneshot::channel();
        let round = Round::new(options, client.into(), jobs, counters.clone());
        Self { stop: Some(stop), task: tokio::spawn(round.run(stopped)), counters }
    }

    /// What it has done.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Begins nothing more, and waits for what is under way.
    pub async fn stop(mut self) {
        // Without anybody to tell, it stops, too.
        drop(self.stop.take());
        if timeout(STOP_TIMEOUT, &mut self.task).await.is_err() {
            tracing::warn!("Web Push: what is under way does not end; it is sent again at the next start");
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.task.abort();
    }
}
