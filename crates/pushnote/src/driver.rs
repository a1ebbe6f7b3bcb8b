//! The socket, and the thread that it runs in.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pushnote_core::Draft;
use pushnote_net::{LogOnce, harmless, timeout_awake};
use pushnote_zmtp::{Batch, Options, Publisher as Socket};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use crate::error::{Endpoints, Obstacle};
use crate::limits::FOREVER;
use crate::process::Process;

/// How long those that are slower than the first are waited for, once: one that stands still holds up nobody.
const GRACE: Duration = Duration::from_millis(100);

/// What the thread and the publisher's handle share.
#[derive(Debug)]
pub(crate) struct Driver {
    /// What servers know this publisher by.
    name: String,
    /// Where the thread is.
    pub(crate) process: Process,
    pub(crate) endpoints: Endpoints,
    /// How long nothing may be written before what waits is given up.
    pub(crate) subscriber_timeout: Duration,
    messages_max: usize,
    options: Options,
    runtime: Handle,
    pub(crate) stop: Notify,
    state: Mutex<State>,
    /// The thread waits here for something that it has to watch.
    work: Notify,
    /// Those who flush wait here for another socket.
    renewed: Notify,
    /// Of several endpoints, others were slower than the first the last time.
    lagging: AtomicBool,
    log: LogOnce,
}

/// Messages are counted from the start: the first `settled` are written or given up, in their order.
#[derive(Debug)]
struct State {
    socket: Arc<Socket>,
    /// Messages of the sockets before this one.
    before: u64,
    /// All so far; the number of the next.
    sent: u64,
    given_up: u64,
    /// How many of `given_up` a flush has told of.
    told: u64,
    /// What was in the way of the first message that was given up and not told of.
    obstacle: Option<Obstacle>,
}

impl State {
    fn settled(&self) -> u64 {
        self.before + self.socket.written()
    }

    fn waiting(&self) -> u64 {
        self.sent - self.settled()
    }
}

/// The queue at its bound.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// A flush that has something to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unflushed {
    pub(crate) left: u64,
    pub(crate) given_up: u64,
    /// What was in the way of the first message given up, if any were.
    pub(crate) obstacle: Option<Obstacle>,
}

/// Messages since the start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) waiting: u64,
    pub(crate) written: u64,
    pub(crate) given_up: u64,
}

impl Driver {
    /// Connects, in `runtime`.
    pub(crate) fn new(
        name: String,
        endpoints: Endpoints,
        options: Options,
        messages_max: usize,
        subscriber_timeout: Duration,
        runtime: &Handle,
    ) -> Self {
        let _inside = runtime.enter();
        let socket = Arc::new(connect(&endpoints, &options));
        let state = State { socket, before: 0, sent: 0, given_up: 0, told: 0, obstacle: None };
        let (stop, work, renewed, lagging) = Default::default();
        Self {
            name,
            process: Process::this(),
            endpoints,
            subscriber_timeout,
            messages_max,
            options,
            runtime: runtime.clone(),
            stop,
            state: Mutex::new(state),
            work,
            renewed,
            lagging,
            log: LogOnce::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers an envelope and hands it to the socket, if there is room.
    pub(crate) fn push(&self, draft: Draft) -> Result<(), Full> {
        let mut state = self.state();
        let number = state.sent;
        let full =
            |state: &State| Full { messages: state.waiting() as usize, bytes: state.socket.waiting_bytes() };
        // Not looked up as long as it cannot be.
        if number - state.before >= self.messages_max as u64 && state.waiting() >= self.messages_max as u64 {
            return Err(full(&state));
        }
        let batch = Batch::written_behind_room(draft.numbered(&self.name, number));
        if state.socket.send_batch(&batch).is_err() {
            return Err(full(&state));
        }
        state.sent = number + 1;
        drop(state);
        if self.subscriber_timeout < FOREVER {
            self.work.notify_one();
        }
        Ok(())
    }

    /// What is in the way, if anything is.
    pub(crate) fn obstacle(&self) -> Obstacle {
        let socket = Arc::clone(&self.state().socket);
        self.obstacle_of(&socket)
    }

    fn obstacle_of(&self, socket: &Socket) -> Obstacle {
        let stats = socket.stats();
        if socket.is_subscribed() {
            Obstacle::Slow
        } else if stats.peers > 0 {
            Obstacle::NotSubscribed
        } else {
            Obstacle::to_connect(&stats, &self.options.security)
        }
    }

    /// Sees to it that nothing waits for longer than it may, until told to stop.
    pub(crate) async fn run(&self) {
        tokio::select! {
            () = self.stop.notified() => {}
            () = self.watch() => {}
        }
    }

    async fn watch(&self) {
        loop {
            let (socket, written, waits) = {
                let state = self.state();
                (Arc::clone(&state.socket), state.socket.written(), state.waiting() > 0)
            };
            if !waits {
                self.work.notified().await;
            } else if timeout_awake(self.subscriber_timeout, socket.written_up_to(written + 1)).await.is_err()
            {
                self.give_up();
            }
        }
    }

    /// What waits is counted as given up, and must not arrive later all the same. What a peer that is there does not take
    /// is forgotten with its socket.
    fn give_up(&self) {
        let mut state = self.state();
        let waiting = state.waiting();
        let obstacle = self.obstacle_of(&state.socket);
        if state.given_up == state.told {
            state.obstacle = Some(obstacle);
        }
        state.given_up += waiting;
        if obstacle == Obstacle::Slow {
            state.before = state.sent;
            state.socket = Arc::new(connect(&self.endpoints, &self.options));
        } else {
            state.socket.forget();
        }
        drop(state);
        self.renewed.notify_waiters();
        if let Some(unlogged) = self.log.due("given up") {
            let why = obstacle.at(&self.endpoints);
            harmless(
                || tracing::warn!(%why, unlogged, "messages given up; more in the next minute are only counted"),
            );
        }
    }

    /// Blocks until everything pushed before is settled, or `timeout` is over. Fails if not all was written, or if
    /// messages were given up and nobody was told.
    pub(crate) fn flush(self: &Arc<Self>, timeout: Duration) -> Result<(), Unflushed> {
        let (done, is_done) = sync_channel(1);
        let mark = self.begin_flush(timeout, move || {
            // Who asked may have stopped waiting.
            let _ = done.send(());
        });
        // It is dropped unanswered only with the runtime.
        let _ = is_done.recv();
        self.flushed(mark)
    }

    /// The same for async code, on whatever executor.
    pub(crate) async fn flush_async(self: &Arc<Self>, timeout: Duration) -> Result<(), Unflushed> {
        let (done, is_done) = oneshot::channel();
        let mark = self.begin_flush(timeout, move || {
            // Who asked may have stopped waiting.
            let _ = done.send(());
        });
        // It is dropped unanswered only with the runtime.
        let _ = is_done.await;
        self.flushed(mark)
    }

    /// Has the publisher's thread say when everything so far is settled, or `timeout` is over. Returns how much it is.
    fn begin_flush(self: &Arc<Self>, timeout: Duration, tell: impl FnOnce() + Send + 'static) -> u64 {
        let mark = self.state().sent;
        let driver = Arc::clone(self);
        self.runtime.spawn(async move {
            // Being late is an answer, too: what is left is counted later.
            let _ = timeout_awake(timeout, driver.settled_up_to(mark)).await;
            tell();
        });
        mark
    }

    fn flushed(&self, mark: u64) -> Result<(), Unflushed> {
        let mut state = self.state();
        let left = mark.saturating_sub(state.settled());
        let given_up = state.given_up - state.told;
        state.told = state.given_up;
        if left == 0 && given_up == 0 {
            return Ok(());
        }
        let obstacle = state.obstacle.filter(|_| given_up > 0);
        Err(Unflushed { left, given_up, obstacle })
    }

    /// Of several endpoints one has to have everything; the others get a moment for it.
    async fn settled_up_to(&self, mark: u64) {
        loop {
            let renewed = self.renewed.notified();
            let (socket, before) = {
                let state = self.state();
                (Arc::clone(&state.socket), state.before)
            };
            tokio::select! {
                () = socket.written_up_to(mark.saturating_sub(before)) => {
                    let grace = if self.lagging.load(Relaxed) { Duration::ZERO } else { GRACE };
                    let lagging = timeout_awake(grace, socket.flush()).await.is_err();
                    return self.lagging.store(lagging, Relaxed);
                }
                () = renewed => {}
            }
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = self.state();
        let settled = state.settled();
        Counts { waiting: state.sent - settled, written: settled - state.given_up, given_up: state.given_up }
    }
}

/// One socket to all of them: each gets every message.
fn connect(endpoints: &Endpoints, options: &Options) -> Socket {
    let mut socket = Socket::new(options.clone());
    endpoints.0.iter().for_each(|endpoint| socket.connect_also(endpoint.clone()));
    socket
}
