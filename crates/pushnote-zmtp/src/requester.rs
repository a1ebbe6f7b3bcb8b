//! The DEALER socket: asks questions, any number at a time, and asks again when the link breaks.

use crate::batch::Batch;
use crate::connections::{Role, dial};
use crate::inbound::Inbound;
use crate::link::Link;
use crate::options::Options;
use crate::outbox::{Outbox, Unsent};
use crate::publisher::QueueError;
use crate::send_filter::Everything;
use crate::stats::{CloseCause, Counters, Stats};
use bytes::{Bytes, BytesMut};
use pushnote_zmtp_proto::command::Command;
use pushnote_zmtp_proto::endpoint::Endpoint;
use pushnote_zmtp_proto::frame::{MORE, Parts, put_frame};
use pushnote_zmtp_proto::handshake::SocketType;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// Questions that may be open.
const OPEN_MAX: usize = 1024;

/// Asks a ROUTER or REP socket. Connects in the background, and again for ever; dropping it closes the connection.
#[derive(Debug)]
pub struct Requester {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Requester {
    /// A socket that connects to `endpoint`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect(endpoint: Endpoint, options: Options) -> Self {
        let shared = Arc::new(Shared { options, counters: Counters::default(), state: Mutex::default() });
        let mut tasks = JoinSet::new();
        tasks.spawn(dial(endpoint, Arc::clone(&shared)));
        Requester { shared, _tasks: tasks }
    }

    /// Asks. The question is queued when this returns; the answer may never come: give it a timeout. A question whose
    /// link breaks is asked again, so the other side may get it twice; not when its [`Reply`] is dropped.
    ///
    /// # Errors
    /// [`QueueError::TooLarge`]; [`QueueError::Full`] when 1024 questions are open, or as many bytes of them as may wait.
    pub fn request(&self, body: &[u8]) -> Result<Reply, QueueError> {
        let (bytes, max) = (body.len(), self.shared.options.frame_bytes_max);
        if bytes > max {
            return Err(QueueError::TooLarge { bytes, max });
        }
        let (id, answered) = self.shared.ask(body)?;
        Ok(Reply { shared: Arc::clone(&self.shared), id, answered })
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.stats().peers > 0
    }

    /// Counters since the socket was made.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }
}

/// The answer to come. The question stays open as long as this lives.
#[derive(Debug)]
pub struct Reply {
    shared: Arc<Shared>,
    id: u64,
    answered: oneshot::Receiver<Bytes>,
}

impl Future for Reply {
    type Output = Bytes;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Bytes> {
        match Pin::new(&mut self.answered).poll(context) {
            Poll::Ready(Ok(answer)) => Poll::Ready(answer),
            // The other end goes with `self` or with the answer: this does not happen.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.shared.state().close(self.id);
    }
}

#[derive(Debug)]
struct Shared {
    options: Options,
    counters: Counters,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    open: BTreeMap<u64, (Bytes, oneshot::Sender<Bytes>)>,
    /// Of the questions that are open.
    bytes: usize,
    /// The connection's, while there is one.
    outbox: Option<Arc<Outbox>>,
}

impl State {
    fn close(&mut self, id: u64) -> Option<oneshot::Sender<Bytes>> {
        let (frames, answer) = self.open.remove(&id)?;
        self.bytes -= frames.len();
        Some(answer)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, body: &[u8]) -> Result<(u64, oneshot::Receiver<Bytes>), QueueError> {
        let mut state = self.state();
        // What is open fits into the queue of the next connection.
        if state.open.len() >= OPEN_MAX || state.bytes >= self.options.queue_bytes_max {
            return Err(QueueError::Full);
        }
        let id = state.next;
        let mut frames = BytesMut::new();
        put_frame(&mut frames, MORE, &id.to_be_bytes());
        put_frame(&mut frames, MORE, b"");
        put_frame(&mut frames, 0, body);
        let frames = frames.freeze();
        if let Some(outbox) = &state.outbox {
            // Questions nobody waits for any more may fill the queue of this one.
            if !outbox.push(std::slice::from_ref(&frames), frames.len()) {
                return Err(QueueError::Full);
            }
        }
        state.next += 1;
        state.bytes += frames.len();
        let (answer, answered) = oneshot::channel();
        state.open.insert(id, (frames, answer));
        Ok((id, answered))
    }

    /// A connection stands: everything that is open is asked again.
    fn begin(&self) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new(self.options.queue_bytes_max));
        let mut state = self.state();
        for (frames, _) in state.open.values() {
            outbox.push(std::slice::from_ref(frames), frames.len());
        }
        state.outbox = Some(Arc::clone(&outbox));
        outbox
    }
}

impl Role for Shared {
    const LOCAL: SocketType = SocketType::Dealer;

    fn options(&self) -> &Options {
        &self.options
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    async fn serve(&self, link: Link) -> CloseCause {
        let outbox = self.begin();
        let cause = link.run(&self.options, &outbox, &mut Unsent::default(), Everything, self).await;
        self.state().outbox = None;
        cause
    }
}

impl Inbound for &Shared {
    async fn batch(&mut self, batch: Batch) -> Result<(), CloseCause> {
        for span in batch.spans() {
            let mut parts = Parts::new(batch.bytes().slice(span.start..span.end));
            let (id, body) = (parts.next(), parts.nth(1));
            let id = id.and_then(|id| <[u8; 8]>::try_from(&id[..]).ok()).map(u64::from_be_bytes);
            // An answer nobody waits for any more, or none at all, is nothing to us.
            let (Some(id), Some(body)) = (id, body) else { continue };
            if let Some(answer) = self.state().close(id) {
                let _ = answer.send(body);
            }
        }
        Ok(())
    }

    fn command(&mut self, _: Command<'_>) -> Result<(), CloseCause> {
        Ok(())
    }
}
