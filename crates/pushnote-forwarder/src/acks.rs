//! Messages that are answered: passed on like all others, and then the servers are asked whether they have them.

use bytes::Bytes;
use pushnote_core::{Answer, Envelope, Receipt};
use pushnote_zmtp::{Confirmation, Delivery, Publisher, QueueError, Request};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long servers get to say that they have a message.
const PATIENCE: Duration = Duration::from_secs(2);
/// Questions that may wait for servers at a time. Above it, no more are read.
const OPEN_MAX: usize = 1024;

/// Questions that wait for servers.
#[derive(Debug)]
pub(crate) struct Acks {
    waiting: JoinSet<()>,
    message_bytes_max: usize,
}

impl Acks {
    /// None yet; of messages whose `data` has up to `message_bytes_max` bytes.
    pub(crate) fn new(message_bytes_max: usize) -> Self {
        Self { waiting: JoinSet::new(), message_bytes_max }
    }

    /// Waits while as many are open as may be. Cancel-safe.
    pub(crate) async fn room(&mut self) {
        while self.waiting.try_join_next().is_some() {}
        if self.waiting.len() >= OPEN_MAX {
            self.waiting.join_next().await;
        }
    }

    /// Waits until all are answered.
    pub(crate) async fn settled(&mut self) {
        while self.waiting.join_next().await.is_some() {}
    }

    /// Passes a message on, and answers when the servers have. One that they would not take is refused: a server says
    /// that it has read a message, and not what it thinks of it.
    pub(crate) fn take(&mut self, mut request: Request, publisher: &Publisher) {
        let sent = match request.body() {
            Ok(body) => self.send(body, publisher),
            Err(error) => Err(refusal(error.to_string(), false)),
        };
        request.forget_body();
        match sent {
            Ok(confirmation) => drop(self.waiting.spawn(confirm(request, confirmation))),
            Err(refusal) => reply(request, &refusal),
        }
    }

    fn send(&self, body: &Bytes, publisher: &Publisher) -> Result<Confirmation, Answer> {
        Envelope::parse(body, self.message_bytes_max).map_err(|error| refusal(error.to_string(), false))?;
        publisher
            .try_send_confirmed(body)
            .map_err(|error| refusal(error.to_string(), error == QueueError::Full))
    }
}

async fn confirm(request: Request, confirmation: Confirmation) {
    let Delivery { position, subscribers, confirmed } = confirmation.within(PATIENCE).await;
    let answer = if subscribers == 0 {
        let error = "no server is connected; one whose link broke a moment ago may get the message yet";
        refusal(error.to_owned(), true)
    } else {
        let (id, servers, of) = (position.to_string(), confirmed as u64, subscribers as u64);
        Answer::Receipt(Receipt { id, servers, of })
    };
    reply(request, &answer);
}

fn refusal(error: String, retry: bool) -> Answer {
    Answer::Refused { error, retry }
}

fn reply(request: Request, answer: &Answer) {
    // Text and numbers always serialise.
    if let Ok(json) = serde_json::to_vec(answer) {
        request.answer(&json);
    }
}
