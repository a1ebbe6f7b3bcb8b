//! What an intake takes messages from.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use pushnote_core::{Answer, Position};
use pushnote_hub::Publication;
use pushnote_zmtp::Beginning;
use pushnote_zmtp::curve::PublicKey;
use tokio::sync::watch;

/// Who sent a message, as its source has proved it. Publishers' names are a sender's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Sender {
    /// Anybody: nothing is proved, or a forwarder brings what others have sent.
    #[default]
    Anybody,
    /// The holder of a CURVE key.
    Key(Arc<PublicKey>),
}

impl Sender {
    /// The key's bytes, if there is one.
    pub(crate) fn key(&self) -> Option<[u8; 32]> {
        match self {
            Self::Anybody => None,
            Self::Key(key) => Some(*key.as_bytes()),
        }
    }

    /// The sender that had these bytes.
    pub(crate) fn of_key(key: Option<[u8; 32]>) -> Self {
        let key = key.and_then(|key| PublicKey::from_bytes(key).ok());
        key.map_or(Self::Anybody, |key| Self::Key(Arc::new(key)))
    }
}

/// What a source yields.
#[derive(Debug)]
pub struct Incoming<R> {
    /// Who sent it.
    pub sender: Sender,
    /// What it sent, or why that is no message before anybody has looked into it.
    pub message: Result<Sent, Rejected>,
    /// Where the answer goes, if somebody waits for one.
    pub reply: Option<R>,
    /// Its place in the source's stream, if the source numbers what it sends.
    pub position: Option<Position>,
    /// The source had it before it was asked for what it keeps.
    pub old: bool,
}

impl<R> Incoming<R> {
    /// With another kind of reply.
    pub(crate) fn map_reply<S>(self, of: impl FnOnce(R) -> S) -> Incoming<S> {
        let Self { sender, message, reply, position, old } = self;
        Incoming { sender, message, reply: reply.map(of), position, old }
    }
}

/// A message as a source has it.
#[derive(Debug)]
pub enum Sent {
    /// The bytes of an envelope.
    Envelope(Bytes),
    /// What has been parsed and checked already.
    Publication(Publication),
}

/// A message that has no envelope.
#[derive(Debug)]
pub struct Rejected {
    /// The fault in a word, for the log and its limits.
    pub kind: &'static str,
    /// What is wrong, and with which values.
    pub why: String,
}

/// Streams that number what they bring, and first bring what was published before a server was there.
#[derive(Debug, Clone)]
pub struct Expected {
    /// How many there are.
    pub count: usize,
    /// Where they begin, by the endpoint that each comes from, as far as they have said so.
    pub beginnings: watch::Receiver<HashMap<String, Beginning>>,
}

/// Where an answer goes.
pub trait Reply: Send + 'static {
    /// Answers. Whoever is gone does not get it.
    fn answer(self, answer: &Answer);
}

/// Yields what applications publish. It knows of bytes and connections, and nothing of envelopes.
pub trait Source: Send {
    /// Where the answers of those go who wait for one.
    type Reply: Reply;

    /// The next message; `None` when there will be none. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Option<Incoming<Self::Reply>>> + Send;

    /// The streams that it brings, if they are numbered.
    fn streams(&self) -> Option<Expected> {
        None
    }
}

/// Where there is none, nothing comes.
impl<S: Source> Source for Option<S> {
    type Reply = S::Reply;

    async fn next(&mut self) -> Option<Incoming<S::Reply>> {
        match self {
            Some(source) => source.next().await,
            None => None,
        }
    }
}
