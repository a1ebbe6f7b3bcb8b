//! A session over HTTP requests: the session machine behind a lock, and the wakers of those who wait for it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};

use pushnote_net::http::Chunk;
use pushnote_sockjs_proto::{
    Close,
    frame::{self, Framing},
    session::{AttachError, CloseReason, Frame, Machine, QueueError, ReceiverId, Settings, Transmit},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{message::Message, streaming::Streaming, transport::Transport};

#[cfg(test)]
mod tests;

/// How long a request waits for the receiver before it to go. A client that breaks a request off and asks again at once
/// is often faster than the news of the break.
const HANDOVER_PATIENCE: Duration = Duration::from_millis(50);

/// One session. Its receiver is a response body (see [`crate::receiver`]) or a stream ([`crate::streaming`]), its clock a task (see [`crate::registry`]).
#[derive(Debug)]
pub(crate) struct HttpSession {
    transport: Transport,
    /// See [`crate::Session::use_strings`].
    strings: AtomicBool,
    /// A std lock: it is held for one step of the machine, never across an await, and never while the application runs.
    state: Mutex<State>,
    /// The session ended, its receiver went, or its next deadline is earlier than the clock knows.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    machine: Machine<Message>,
    /// How the receiver, which waits for a frame, gets it.
    receiver: Option<Way>,
    /// The deadline that the clock waits for.
    clock_at: Option<std::time::Instant>,
}

#[derive(Debug)]
enum Way {
    /// It is woken, and asks.
    Waker(Waker),
    /// Whoever has something for it writes it.
    Stream(Streaming),
}

/// What others than the receiver wait to see changed.
struct Snapshot {
    open: bool,
    attached: bool,
    room: bool,
}

/// What the application is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Messages are taken again, after one was refused.
    Room,
    Ended(CloseReason),
}

impl Snapshot {
    fn of(machine: &Machine<Message>) -> Self {
        Self { open: machine.is_open(), attached: machine.is_attached(), room: machine.has_room_again() }
    }
}

impl HttpSession {
    pub(crate) fn new(transport: Transport, settings: Arc<Settings>) -> Self {
        let machine = Machine::new(settings, now());
        Self {
            transport,
            strings: AtomicBool::new(false),
            state: Mutex::new(State { machine, receiver: None, clock_at: None }),
            changed: Notify::new(),
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    pub(crate) fn use_strings(&self) {
        self.strings.store(true, Relaxed);
    }

    pub(crate) fn send(&self, message: &Message) -> Result<(), QueueError> {
        let message = if self.strings.load(Relaxed) { message.strings() } else { message };
        // Encoded here, not under the lock.
        message.elements();
        self.step(|machine| machine.handle_send(message.clone()))
    }

    pub(crate) fn close(&self, close: Close) {
        self.step(|machine| machine.handle_close(close, now()));
    }

    /// Closes the session without sending what waits.
    pub(crate) fn abort(&self, close: Close) {
        self.step(|machine| machine.handle_abort(close, now()));
    }

    /// Closes the session because the service ends.
    pub(crate) fn drain(&self, close: Close) {
        self.step(|machine| machine.handle_drain(close, now()));
    }

    /// A request for more came, of a client that says how many frames it has had. Else nobody would know of those that were
    /// lost: with the answer to a request that the browser has repeated by itself, or with the end of a stream.
    pub(crate) fn received(&self, frames: u64) {
        self.step(|machine| machine.handle_received(frames, now()));
    }

    /// Attaches a receiver, after a short wait if another one is in the way.
    pub(crate) async fn attach(&self, response_limit: usize) -> Result<ReceiverId, AttachError> {
        let patience = Instant::now() + HANDOVER_PATIENCE;
        loop {
            let changed = self.changed.notified();
            let attached = self.step(|machine| machine.handle_attach(response_limit, now()));
            if attached != Err(AttachError::Occupied) || timeout_at(patience, changed).await.is_err() {
                return attached;
            }
        }
    }

    /// The receiver's response was dropped.
    pub(crate) fn detach(&self, id: ReceiverId) {
        self.step(|machine| machine.handle_detach(id, now()));
    }

    /// From here on the receiver's frames are written to its stream by whoever has them.
    pub(crate) fn stream(&self, streaming: Streaming) {
        let mut state = self.lock();
        state.receiver = Some(Way::Stream(streaming));
        self.go_on(state);
    }

    /// The receiver's stream has room again.
    pub(crate) fn has_room(&self) {
        self.go_on(self.lock());
    }

    fn go_on(&self, mut state: MutexGuard<'_, State>) {
        let before = Snapshot::of(&state.machine);
        let receiver = state.serve_receiver();
        self.announce(&before, state);
        wake(receiver);
    }

    /// The receiver's next chunk; `waker` is called when there may be one.
    pub(crate) fn poll_transmit(&self, id: ReceiverId, framing: &Framing, waker: &Waker) -> Transmit<Chunk> {
        let mut state = self.lock();
        let before = Snapshot::of(&state.machine);
        let transmit = state.machine.poll_transmit(id, now, |frame| encode(framing, &frame));
        if matches!(transmit, Transmit::Pending) {
            state.receiver = Some(Way::Waker(waker.clone()));
        }
        self.announce(&before, state);
        transmit
    }

    /// One turn of the session's clock: waits for the next deadline, or for a change before it. Returns what the
    /// application is to be told of what happened in between; [`is_gone`](Self::is_gone) says when to stop.
    pub(crate) async fn tick(&self) -> Option<News> {
        let changed = self.changed.notified();
        let (news, deadline) = {
            let mut state = self.lock();
            state.clock_at = state.machine.poll_timeout();
            (poll_news(&mut state.machine), state.clock_at)
        };
        let (None, Some(deadline)) = (&news, deadline) else { return news };
        if timeout_at(deadline.into(), changed).await.is_err() {
            self.step(|machine| machine.handle_timeout(now()));
        }
        poll_news(&mut self.lock().machine)
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.lock().machine.is_gone()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.lock().machine.is_open()
    }

    /// One input to the machine. Whoever waits for its outcome is woken after the lock is released.
    fn step<T>(&self, input: impl FnOnce(&mut Machine<Message>) -> T) -> T {
        let mut state = self.lock();
        let before = Snapshot::of(&state.machine);
        let outcome = input(&mut state.machine);
        let receiver = state.serve_receiver();
        self.announce(&before, state);
        wake(receiver);
        outcome
    }

    /// Unlocks, and wakes the clock and waiting requests when it matters to them.
    fn announce(&self, before: &Snapshot, state: MutexGuard<'_, State>) {
        let after = Snapshot::of(&state.machine);
        let sooner = state.machine.poll_timeout() < state.clock_at;
        drop(state);
        if sooner
            || before.open && !after.open
            || before.attached && !after.attached
            || !before.room && after.room
        {
            self.changed.notify_waiters();
        }
    }

    /// The machine is whole between any two of its steps, and a step that panics is a fault of ours that one session
    /// may suffer from, not its neighbours: poisoning carries no news.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes what there is for the receiver, or says who is to be woken, outside of the lock.
    fn serve_receiver(&mut self) -> Option<Waker> {
        match self.receiver.take()? {
            Way::Waker(waker) => return Some(waker),
            Way::Stream(streaming) => {
                let next = |framing: &Framing| {
                    self.machine.poll_transmit(streaming.id, now, |frame| encode(framing, &frame))
                };
                if streaming.write(next) {
                    self.receiver = Some(Way::Stream(streaming));
                }
            }
        }
        None
    }
}

fn wake(receiver: Option<Waker>) {
    if let Some(receiver) = receiver {
        receiver.wake();
    }
}

fn poll_news(machine: &mut Machine<Message>) -> Option<News> {
    if machine.poll_room() { Some(News::Room) } else { machine.poll_ended().map(News::Ended) }
}

/// tokio's clock, so that tests can make it virtual.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

fn encode(framing: &Framing, frame: &Frame<'_, Message>) -> Chunk {
    let wrap = |frame: &[u8]| Chunk::new(&framing.wrap(frame));
    match frame {
        Frame::Open => wrap(frame::OPEN.as_bytes()),
        Frame::Heartbeat => wrap(frame::HEARTBEAT.as_bytes()),
        Frame::Messages([message]) => message.chunk(framing),
        Frame::Messages(messages) => wrap(&frame::messages(messages.iter().map(Message::elements))),
        Frame::Close(close) => wrap(&frame::close(close)),
    }
}
