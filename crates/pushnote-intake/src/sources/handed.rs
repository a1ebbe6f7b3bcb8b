//! Messages that are handed over within the process: what came in over HTTP, from Redis.

use pushnote_core::{Answer, Audience, Body, Push};
use pushnote_hub::Publication;
use tokio::sync::{mpsc, oneshot};

use crate::source::{Incoming, Reply, Sender, Sent, Source};

/// Messages that may wait to be taken in; who has one more waits with it.
const WAITING_MAX: usize = 1024;

/// A message, parsed and within its limits.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it carries.
    pub body: Body,
    /// What the application calls it, as core's `event_name` takes it.
    pub event: Option<Box<str>>,
    /// Who is to get it.
    pub audience: Audience,
    /// What follows if no page acknowledges it, with its id.
    pub push: Option<Box<Push>>,
}

/// The end that messages are handed to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handing {
    messages: mpsc::Sender<(Message, oneshot::Sender<Result<u64, String>>)>,
}

/// The end that an intake takes them from.
#[derive(Debug)]
pub struct Handed {
    messages: mpsc::Receiver<(Message, oneshot::Sender<Result<u64, String>>)>,
}

/// Why a message is not in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandingError {
    /// It has been delivered, but is not on disk.
    #[error("{0}")]
    NotKept(String),
    /// The server ends.
    #[error("the server takes no more messages: it is about to end")]
    Closed,
}

/// Both ends.
pub fn handed() -> (Handing, Handed) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (Handing { messages: sender }, Handed { messages: receiver })
}

/// A message that has been handed over.
#[derive(Debug)]
pub struct Answering(Option<oneshot::Receiver<Result<u64, String>>>);

impl Answering {
    /// Its offset in the log; one that is for nobody has none.
    ///
    /// # Errors
    ///
    /// [`HandingError`]: it is not in the log, or not on disk where it should be.
    pub async fn offset(self) -> Result<Option<u64>, HandingError> {
        let Some(answer) = self.0 else { return Ok(None) };
        let taken = answer.await.map_err(|_| HandingError::Closed)?;
        taken.map(Some).map_err(HandingError::NotKept)
    }
}

impl Handing {
    /// Publishes a message, and gives its offset in the log; one that is for nobody has none.
    ///
    /// # Errors
    ///
    /// [`HandingError`]: it is not in the log, or not on disk where it should be.
    pub async fn publish(&self, message: Message) -> Result<Option<u64>, HandingError> {
        self.hand(message).await?.offset().await
    }

    /// Hands a message over: it comes before all that are handed over later.
    ///
    /// # Errors
    ///
    /// [`HandingError::Closed`].
    pub async fn hand(&self, message: Message) -> Result<Answering, HandingError> {
        if message.audience.is_empty() {
            return Ok(Answering(None));
        }
        let (reply, answer) = oneshot::channel();
        self.messages.send((message, reply)).await.map_err(|_| HandingError::Closed)?;
        Ok(Answering(Some(answer)))
    }
}

impl Source for Handed {
    type Reply = oneshot::Sender<Result<u64, String>>;

    async fn next(&mut self) -> Option<Incoming<Self::Reply>> {
        let (Message { body, event, audience, push }, reply) = self.messages.recv().await?;
        let publication = Publication::new(body, event, audience).with_push(push);
        Some(Incoming {
            sender: Sender::Anybody,
            message: Ok(Sent::Publication(publication)),
            reply: Some(reply),
            position: None,
            old: false,
        })
    }
}

impl Reply for oneshot::Sender<Result<u64, String>> {
    fn wants_offset(&self) -> bool {
        true
    }

    fn answer(self, answer: &Answer, offset: Option<u64>) {
        let outcome = match (answer, offset) {
            (Answer::Refused { error, .. }, _) => Err(error.clone()),
            (Answer::Receipt(_), Some(offset)) => Ok(offset),
            (Answer::Receipt(_), None) => Err("nothing tells where it is in the log".to_owned()),
        };
        // Whoever asked may be gone.
        let _ = self.send(outcome);
    }
}
