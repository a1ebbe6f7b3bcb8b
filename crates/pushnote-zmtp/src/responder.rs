//! The ROUTER socket: answers questions, in any order.

use crate::batch::{Batch, MultipartError, Sender};
use crate::connections::{Role, accept, failed};
use crate::inbound::Inbound;
use crate::link::Link;
use crate::monitor::{Monitor, Watched};
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::send_filter::Everything;
use crate::stats::{CloseCause, Counters};
use crate::transport::{self, BindError};
use bytes::{Bytes, BytesMut};
use pushnote_zmtp_proto::command::Command;
use pushnote_zmtp_proto::curve::PublicKey;
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::frame::{Header, Parts, put_frame};
use pushnote_zmtp_proto::handshake::SocketType;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Requests that may wait to be taken. When they do, connections are not read.
const REQUESTS_MAX: usize = 64;

/// Bytes of the frames in front of a question. A few hops add a few names of 255 bytes at most.
const ENVELOPE_BYTES_MAX: usize = 4096;

/// Listens for REQ and DEALER sockets and hands out what they ask. Dropping it closes all connections.
#[derive(Debug)]
pub struct Responder {
    shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    listening: Vec<Endpoint>,
    tasks: JoinSet<()>,
}

impl Responder {
    /// A socket without endpoints: give it some with `bind_also`.
    pub fn new(options: Options) -> Self {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let (counters, outboxes) = Default::default();
        let shared = Arc::new(Shared { requests: sender, options, counters, outboxes });
        Responder { shared, requests, listening: Vec::new(), tasks: JoinSet::new() }
    }

    /// Listens on an endpoint. It does so when this returns.
    ///
    /// # Errors
    /// [`BindError`]: the port is in use, the address is not this machine's, the path cannot be made.
    pub async fn bind_also(&mut self, endpoint: &Endpoint) -> Result<(), BindError> {
        let (listener, endpoint) = transport::listen(endpoint).await?;
        self.listening.push(endpoint);
        self.tasks.spawn(accept(listener, Arc::clone(&self.shared)));
        Ok(())
    }

    /// All endpoints it listens on, with their real ports.
    pub fn local_endpoints(&self) -> &[Endpoint] {
        &self.listening
    }

    /// The next request, of any peer. Cancel-safe. Waits for ever on a socket without endpoints.
    ///
    /// # Panics
    /// When a task of the socket did.
    pub async fn recv(&mut self) -> Request {
        let request = tokio::select! {
            biased;
            request = self.requests.recv() => request,
            never = failed(&mut self.tasks) => match never {},
        };
        match request {
            Some(request) => request,
            None => std::future::pending().await, // the shared holds a sender: this does not happen
        }
    }

    /// Waits until the answers given so far are written, or those who asked are gone.
    pub async fn flush(&self) {
        let outboxes = self.shared.outboxes().clone();
        for outbox in outboxes {
            outbox.written_up_to(outbox.end()).await;
        }
    }

    /// A view of the socket for whoever watches it.
    pub fn monitor(&self) -> Monitor {
        Monitor::of(Arc::clone(&self.shared) as _)
    }
}

/// A question of one peer.
#[derive(Debug)]
pub struct Request {
    /// The frames in front, up to the empty one, which the answer repeats (RFC 28 §"envelopes").
    envelope: Bytes,
    body: Result<Bytes, MultipartError>,
    outbox: Arc<Outbox>,
    sender: Sender,
}

impl Request {
    /// Who asks, as [`Multipart::sender`](crate::Multipart::sender).
    pub fn sender(&self) -> Option<&Arc<PublicKey>> {
        self.sender.as_ref()
    }

    /// What is asked: one frame.
    ///
    /// # Errors
    /// [`MultipartError`] when it has several.
    pub fn body(&self) -> Result<&Bytes, MultipartError> {
        self.body.as_ref().map_err(Clone::clone)
    }

    /// Lets go of what was asked, which keeps memory alive: the answer may be long in coming.
    pub fn forget_body(&mut self) {
        self.body = Ok(Bytes::new());
    }

    /// Answers. A peer that is gone, or does not read its answers, does not get it.
    pub fn answer(self, body: &[u8]) {
        let mut frames = BytesMut::from(&self.envelope[..]);
        put_frame(&mut frames, 0, body);
        let retained = frames.len();
        self.outbox.push(&[frames.freeze()], retained);
    }
}

/// What the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    requests: mpsc::Sender<Request>,
    options: Options,
    pub(crate) counters: Counters,
    /// One for each connection.
    outboxes: Mutex<Vec<Arc<Outbox>>>,
}

impl Shared {
    fn outboxes(&self) -> MutexGuard<'_, Vec<Arc<Outbox>>> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched for Shared {
    fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Role for Shared {
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
        let inbound = RequestIntake { shared: self, outbox: Arc::clone(&outbox), sender };
        let cause = link.run(&self.options, &outbox, &mut Unsent::default(), Everything, inbound).await;
        self.outboxes().retain(|other| !Arc::ptr_eq(other, &outbox));
        outbox.abandon();
        cause
    }
}

/// Where one peer's requests come in.
struct RequestIntake<'a> {
    shared: &'a Shared,
    outbox: Arc<Outbox>,
    sender: Sender,
}

impl Inbound for RequestIntake<'_> {
    async fn batch(&mut self, batch: Batch) -> Result<(), CloseCause> {
        self.shared.counters.add_messages(batch.messages(), batch.bytes().len());
        for span in batch.spans() {
            let message = batch.bytes().slice(span.start..span.end);
            let (envelope, body) = open(&message);
            let request =
                Request { envelope, body, outbox: Arc::clone(&self.outbox), sender: self.sender.clone() };
            self.shared.requests.send(request).await.map_err(|_| CloseCause::Local)?;
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
    use pushnote_zmtp_proto::frame::MORE;

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
