//! Messages whose publisher waits to hear who has them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pushnote_core::{Answer, Draft, Receipt};
use pushnote_net::timeout_awake;
use pushnote_zmtp::{Options, Reply, Requester, Security};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::error::{AckError, Endpoints, Obstacle, PublishError};
use crate::process::Process;

/// The best answer so far, if there is one.
type Best = Result<Option<Receipt>, AckError>;

/// Asks every endpoint: a message goes to each, and servers take it once.
#[derive(Debug)]
pub(crate) struct Acks {
    requesters: Vec<Requester>,
    pub(crate) endpoints: Endpoints,
    /// A publisher of its own to the servers: these messages do not wait in the queue with the others.
    publisher: String,
    /// Messages so far. Held while one is handed over, so that numbers leave in order.
    sent: Mutex<u64>,
    security: Security,
    runtime: Handle,
    /// Where the runtime's thread is.
    process: Process,
}

impl Acks {
    /// Connects, in `runtime`.
    pub(crate) fn new(endpoints: Endpoints, publisher: String, options: &Options, runtime: &Handle) -> Self {
        let _inside = runtime.enter();
        let connect = |endpoint: &_| Requester::connect(Clone::clone(endpoint), options.clone());
        let requesters = endpoints.0.iter().map(connect).collect();
        let (security, runtime) = (options.security.clone(), runtime.clone());
        Self {
            requesters,
            endpoints,
            publisher,
            sent: Mutex::default(),
            security,
            runtime,
            process: Process::this(),
        }
    }

    /// Sends an envelope and blocks until it is answered, for `patience` at most.
    pub(crate) fn send(self: &Arc<Self>, draft: Draft, patience: Duration) -> Result<Receipt, AckError> {
        let (answer, answered) = std::sync::mpsc::sync_channel(1);
        self.begin(draft, patience, move |best| drop(answer.send(best)))?;
        self.judged(answered.recv().unwrap_or(Ok(None)), patience)
    }

    /// The same for async code, on whatever executor: the clock and the sockets are the publisher's own.
    pub(crate) async fn send_async(
        self: Arc<Self>,
        draft: Draft,
        patience: Duration,
    ) -> Result<Receipt, AckError> {
        let (answer, answered) = oneshot::channel();
        self.begin(draft, patience, move |best| drop(answer.send(best)))?;
        self.judged(answered.await.unwrap_or(Ok(None)), patience)
    }

    /// Sends it. What comes of it is told from the publisher's thread.
    fn begin(
        self: &Arc<Self>,
        draft: Draft,
        patience: Duration,
        tell: impl FnOnce(Best) + Send + 'static,
    ) -> Result<(), AckError> {
        let replies = self.ask(draft)?;
        let acks = Arc::clone(self);
        self.runtime.spawn(async move { tell(acks.best(replies, patience).await) });
        Ok(())
    }

    fn judged(&self, best: Best, patience: Duration) -> Result<Receipt, AckError> {
        best?.ok_or_else(|| AckError::NoAnswer {
            within: patience,
            obstacle: self.obstacle(),
            endpoints: self.endpoints.clone(),
        })
    }

    /// Why nobody can be asked, if nobody can.
    fn obstacle(&self) -> Option<Obstacle> {
        if self.requesters.iter().any(Requester::is_connected) {
            return None;
        }
        let mut obstacles =
            self.requesters.iter().map(|one| Obstacle::to_connect(&one.stats(), &self.security));
        let first = obstacles.next();
        obstacles.find(|obstacle| *obstacle != Obstacle::NotConnected).or(first)
    }

    fn ask(&self, draft: Draft) -> Result<Vec<Reply>, AckError> {
        if self.requesters.is_empty() {
            return Err(AckError::NotConfigured);
        }
        if !self.process.is_this() {
            return Err(PublishError::Forked.into());
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let envelope = draft.numbered(&self.publisher, *sent);
        // One that has no room holds up nobody: the others bring the message. Once one has it, its number is used up.
        let asked = |requester: &Requester| requester.request(&envelope).ok();
        let replies: Vec<_> = self.requesters.iter().filter_map(asked).collect();
        if replies.is_empty() {
            return Err(AckError::TooMany);
        }
        *sent += 1;
        Ok(replies)
    }

    /// The receipt of most servers, once all that are connected have answered.
    async fn best(&self, replies: Vec<Reply>, patience: Duration) -> Best {
        let (mut waiting, asked) = (JoinSet::new(), replies.len());
        replies.into_iter().for_each(|reply| drop(waiting.spawn(reply)));
        let mut best: Best = Ok(None);
        let collect = async {
            while let Some(Ok(answer)) = waiting.join_next().await {
                best = better(std::mem::replace(&mut best, Ok(None)), &answer);
                let connected = self.requesters.iter().filter(|requester| requester.is_connected()).count();
                if asked - waiting.len() >= connected.min(asked) && matches!(best, Ok(Some(_))) {
                    break;
                }
            }
        };
        // What has come by then is what there is.
        let _ = timeout_awake(patience, collect).await;
        best
    }
}

fn better(best: Best, answer: &[u8]) -> Best {
    match (serde_json::from_slice(answer), best) {
        (Ok(Answer::Receipt(new)), Ok(Some(best))) if best.servers >= new.servers => Ok(Some(best)),
        (Ok(Answer::Receipt(new)), _) => Ok(Some(new)),
        (_, Ok(Some(best))) => Ok(Some(best)),
        (Ok(Answer::Refused { error, retry: true }), _) => Err(AckError::NotTaken(error)),
        (Ok(Answer::Refused { error, retry: false }), _) => Err(AckError::Refused(error)),
        (Err(error), _) => Err(AckError::Refused(format!("the answer is none ({error})"))),
    }
}
