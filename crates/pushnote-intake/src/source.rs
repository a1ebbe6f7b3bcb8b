//! What an intake takes messages from.

use std::sync::Arc;

use bytes::Bytes;
use pushnote_core::Answer;
use pushnote_zmtp::curve::PublicKey;

/// Who sent a message, as its source has proved it. Publishers' names are a sender's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Sender {
    /// Anybody: nothing is proved, or a forwarder brings what others have sent.
    #[default]
    Anybody,
    /// The holder of a CURVE key.
    Key(Arc<PublicKey>),
}

/// What a source yields.
#[derive(Debug)]
pub struct Incoming<R> {
    /// Who sent it.
    pub sender: Sender,
    /// One envelope, or why it is none before anybody has looked into it.
    pub envelope: Result<Bytes, Rejected>,
    /// Where the answer goes, if somebody waits for one.
    pub reply: Option<R>,
}

/// A message that has no envelope.
#[derive(Debug)]
pub struct Rejected {
    /// The fault in a word, for the log and its limits.
    pub kind: &'static str,
    /// What is wrong, and with which values.
    pub why: String,
}

/// Where an answer goes.
pub trait Reply: Send {
    /// Answers. Whoever is gone does not get it.
    fn answer(self, answer: &Answer);
}

/// Yields what applications publish. It knows of bytes and connections, and nothing of envelopes.
pub trait Source: Send {
    /// Where the answers of those go who wait for one.
    type Reply: Reply;

    /// The next message; `None` when there will be none. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<Incoming<Self::Reply>>> + Send;
}
