//! What a responder's connections share.

use super::request::Request;
use crate::batch::{Batch, MultipartError, Sender};
use crate::link::{Everything, Intake, Link};
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::roads::Role;
use crate::stats::{CloseCause, Counters};
use bytes::Bytes;
use pushnote_zmtp_proto::command::Command;
use pushnote_zmtp_proto::frame::{Header, Parts};
use pushnote_zmtp_proto::handshake::SocketType;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Bytes of the frames in front of a question. A few hops add a few names of 255 bytes at most.
const ENVELOPE_BYTES_MAX: usize = 4096;

/// What the connections of a [`Responder`](super::Responder) share.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) options: Options,
    pub(crate) counters: Counters,
    /// One for each connection.
    pub(super) outboxes: Mutex<Vec<Arc<Outbox>>>,
}

impl Desk {
    pub(super) fn outboxes(&self) -> MutexGuard<'_, Vec<Arc<Outbox>>> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Role for Desk {
    const LOCAL: SocketType = SocketType::Router;

    fn options(&self) -> &Options {
        &self.options
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn write_timeout(&self) -> Option<Duration> {
        Some(self.options.write_timeout)
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let outbox = Arc::new(Outbox::new(self.options.queue_bytes_max));
        self.outboxes().push(Arc::clone(&outbox));
        let sender = link.peer.key.map(Arc::new);
        let intake = Counter { desk: self, outbox: Arc::clone(&outbox), sender };
        let cause = link.run(&self.options, &outbox, &mut Unsent::default(), Everything, intake).await;
        self.outboxes().retain(|other| !Arc::ptr_eq(other, &outbox));
        outbox.abandon();
        cause
    }
}

/// Where one peer's requests come in.
struct Counter<'a> {
    desk: &'a Desk,
    outbox: Arc<Outbox>,
    sender: Sender,
}

impl Intake for Counter<'_> {
    async fn batch(&mut self, batch: Batch) -> Result<(), CloseCause> {
        self.desk.counters.add_messages(batch.messages(), batch.bytes().len());
        for span in batch.spans() {
            let message = batch.bytes().slice(span.start..span.end);
            let (envelope, body) = open(&message);
            let request =
                Request { envelope, body, outbox: Arc::clone(&self.outbox), sender: self.sender.clone() };
            self.desk.requests.send(request).await.map_err(|_| CloseCause::Local)?;
        }
        Ok(())
    }

    fn command(&mut self, _: Command<'_>) -> Result<(), CloseCause> {
        Ok(())
    }
}

/// Splits a message behind its first empty frame, if it has one that is not the last.
fn open(message: &Bytes) -> (Bytes, Result<Bytes, MultipartError>) {
    let (mut at, mut body_at) = (0, 0);
    while let Some(header) = message.get(at..).and_then(Header::parse) {
        at += header.head_bytes + header.body_bytes as usize;
        if header.body_bytes == 0 && header.more() {
            body_at = at;
            break;
        }
    }
    if body_at > ENVELOPE_BYTES_MAX {
        return (Bytes::new(), Err(MultipartError { parts: Parts::new(message.clone()).count() }));
    }
    let (envelope, rest) = (Bytes::copy_from_slice(&message[..body_at]), message.slice(body_at..));
    let body = match Header::parse(&rest) {
        Some(header) if !header.more() => Ok(rest.slice(header.head_bytes..)),
        _ => Err(MultipartError { parts: Parts::new(rest).count() }),
    };
    (envelope, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use pushnote_zmtp_proto::frame::{MORE, put_frame};

    fn message(names: usize, body: &[u8]) -> Bytes {
        let mut frames = BytesMut::new();
        (0..names).for_each(|_| put_frame(&mut frames, MORE, &[1; 255]));
        put_frame(&mut frames, MORE, b"");
        put_frame(&mut frames, 0, body);
        frames.freeze()
    }

    #[test]
    fn what_is_needed_for_the_answer_keeps_no_question_alive() {
        let asked = message(2, b"who?");
        let (envelope, body) = open(&asked);
        assert!(asked.starts_with(&envelope) && body.unwrap() == "who?");
        assert!(asked.is_unique());
    }

    #[test]
    fn an_envelope_has_a_limit() {
        let (envelope, body) = open(&message(100, b"who?"));
        assert!(envelope.is_empty() && body.unwrap_err().parts == 102);
    }
}
