//! ZeroMQ: a SUB socket that hears everything, from forwarders or from the applications themselves; and a ROUTER
//! socket, where applications ask to be told that a message was taken.

use std::sync::Arc;

use pushnote_core::{Answer, Position};
use pushnote_zmtp::curve::PublicKey;
use pushnote_zmtp::{Multipart, MultipartError, Request, Responder, Subscriber};

use crate::source::{Expected, Incoming, Rejected, Reply, Sender, Sent, Source};

/// Both sockets.
#[derive(Debug)]
pub struct ZeroMq {
    /// Hears what is published.
    pub subscriber: Subscriber,
    /// Answers those who want to know; a socket without endpoints if nobody may.
    pub responder: Responder,
}

impl Source for ZeroMq {
    type Reply = Request;

    async fn next(&mut self) -> Option<Incoming<Request>> {
        tokio::select! {
            message = self.subscriber.recv() => message.map(published),
            request = self.responder.recv() => Some(asked(request)),
        }
    }

    fn streams(&self) -> Option<Expected> {
        let (count, beginnings) = self.subscriber.streams();
        (count > 0).then_some(Expected { count, beginnings })
    }
}

impl Reply for Request {
    fn answer(self, answer: &Answer) {
        // Text and numbers always serialise.
        if let Ok(json) = serde_json::to_vec(answer) {
            Request::answer(self, &json);
        }
    }
}

fn published(message: Multipart) -> Incoming<Request> {
    let (sender, old) = (message.sender().into(), message.is_old());
    let position = message.position().map(|at| Position { epoch: at.epoch, sequence: at.sequence });
    let message = message.into_single().map(Sent::Envelope).map_err(Rejected::from);
    Incoming { sender, message, reply: None, position, old }
}

fn asked(request: Request) -> Incoming<Request> {
    let sender = request.sender().into();
    let message = request.body().cloned().map(Sent::Envelope).map_err(Rejected::from);
    Incoming { sender, message, reply: Some(request), position: None, old: false }
}

impl From<Option<&Arc<PublicKey>>> for Sender {
    fn from(key: Option<&Arc<PublicKey>>) -> Self {
        key.map_or(Sender::Anybody, |key| Sender::Key(Arc::clone(key)))
    }
}

impl From<MultipartError> for Rejected {
    fn from(error: MultipartError) -> Self {
        Rejected { kind: "multipart", why: error.to_string() }
    }
}
