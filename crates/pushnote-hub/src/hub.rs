//! The handle that everything else holds.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::mem::discriminant;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use pushnote_core::rules::ChannelRules;
use pushnote_core::{CloseCode, Cursor, Position, Subject, UserId};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use crate::counters::Counters;
use crate::kept::KeptLog;
use crate::log::{Log, LogOptions, Origin};
use crate::publication::Publication;
use crate::receiver::Receiver;
use crate::shard::{ReceiverId, Shard, ShardCommand, ShardHandle};
use crate::window::Window;

/// The fan-out. Cheap to clone; lives until the last clone and the last [`Attachment`] are dropped.
pub struct Hub<R: Receiver> {
    inner: Arc<Inner<R>>,
}

struct Inner<R: Receiver> {
    shards: Vec<ShardHandle<R>>,
    log: Arc<Log<R::Encodings>>,
    next_receiver: AtomicU64,
    options: HubOptions,
    // Taken on subscribing and detaching only, never on a message's way.
    connections_of: Mutex<HashMap<Subject, usize>>,
    counters: Arc<Counters>,
    /// Ends with the hub: what lets the shards have what is kept.
    _releasing: JoinSet<()>,
}

/// How a hub works, and what one client may hold of it.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Shards; one per core is right.
    pub shards: usize,
    /// Under a steady stream, how long messages wait for each other to leave together; zero for not at all. It
    /// trades that much latency for fewer system calls.
    pub coalescing_window: Duration,
    /// Users that one connection may subscribe as.
    pub users_per_connection_max: usize,
    /// Channels that one connection may subscribe to.
    pub channels_per_connection_max: usize,
    /// Connections that may be subscribed to one user.
    pub connections_per_user_max: usize,
    /// What is kept for those who are slow, or come back.
    pub log: LogOptions,
    /// What holds for channels.
    pub rules: Arc<ChannelRules>,
}

impl<R: Receiver> Clone for Hub<R> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<R: Receiver> Hub<R> {
    /// Starts the shards, each a task of the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// The system has no thread for the coalescing window.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, or with no shards.
    pub fn start(options: HubOptions) -> io::Result<Self> {
        Self::go_on(options, None)
    }

    /// As [`start`](Self::start), with a log that goes on where an earlier run left it.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn go_on(options: HubOptions, kept: Option<KeptLog>) -> io::Result<Self> {
        assert!(options.shards > 0, "a hub needs a shard");
        let counters = Arc::new(Counters::default());
        let log = Arc::new(Log::new(options.log, Arc::clone(&options.rules), options.shards, kept));
        let mut releasing = JoinSet::new();
        if log.keeps() {
            let log = Arc::clone(&log);
            releasing.spawn(async move { log.release_what_is_kept().await });
        }
        let mut shards = Vec::with_capacity(options.shards);
        for number in 0..options.shards {
            let window = Window::new(options.coalescing_window)?;
            let (shard, handle) = Shard::new(number, Arc::clone(&log), window, Arc::clone(&counters));
            tokio::spawn(shard.run());
            shards.push(handle);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                shards,
                log,
                next_receiver: AtomicU64::new(0),
                options,
                connections_of: Mutex::default(),
                counters,
                _releasing: releasing,
            }),
        })
    }

    /// Attaches a receiver, which has subscribed to nothing yet.
    pub fn attach(&self, receiver: R) -> Attachment<R> {
        let id = self.inner.next_receiver.fetch_add(1, Relaxed);
        let attachment = Attachment { hub: self.clone(), id, subjects: Box::default() };
        attachment.command(ShardCommand::Attach(id, receiver));
        self.inner.counters.attached.add(1);
        attachment
    }

    /// Appends a publication to the log, and lets the shards fan it out; gives its offset. Waits only while a shard has too
    /// much before it, never for a receiver.
    ///
    /// # Errors
    ///
    /// [`ShardGone`] if a shard's task panicked. Its connections get nothing any more: the process should end.
    pub async fn publish(&self, publication: Publication, origin: Origin) -> Result<u64, ShardGone> {
        let inner = &*self.inner;
        let closed = async {
            let mut gone: Vec<_> = inner.shards.iter().map(|shard| Box::pin(shard.closed())).collect();
            poll_fn(|context| {
                let any = gone.iter_mut().any(|gone| gone.as_mut().poll(context).is_ready());
                if any { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        };
        if inner.shards.iter().any(UnboundedSender::is_closed) {
            return Err(ShardGone);
        }
        inner.counters.publications.add(1);
        tokio::select! {
            biased;
            offset = inner.log.append(publication, origin) => Ok(offset),
            () = closed => Err(ShardGone),
        }
    }

    /// Whether the log outlives the process.
    pub fn keeps(&self) -> bool {
        self.inner.log.keeps()
    }

    /// Waits until the publication at `offset` is kept, or without one, all that have been published. At once if nothing is
    /// kept here.
    ///
    /// # Errors
    ///
    /// Why it is not kept.
    pub async fn kept(&self, offset: Option<u64>) -> Result<(), String> {
        let log = &self.inner.log;
        log.kept(offset.map_or_else(|| log.appended(), |offset| offset + 1)).await
    }

    /// A source's stream begins here, or goes on here: the log has all that follows.
    pub fn source_begins(&self, from: Position) {
        self.inner.log.source_begins(from);
    }

    /// The publication at `offset` has come over another source, too.
    pub fn seen_again(&self, offset: u64, position: Position) {
        self.inner.log.seen_again(offset, position);
    }

    /// The places in the sources' streams up to which everything was published, or came to nothing.
    pub fn sources_are_at(&self, marks: Arc<[Position]>) {
        self.inner.log.sources_are_at(marks);
    }

    /// Whether sources are still to bring what they had before this server was there. Who comes from another server waits
    /// for that.
    pub fn is_filling(&self, filling: bool) {
        self.inner.log.is_filling(filling);
    }

    /// Whether all that sources had before is here.
    pub fn is_filled(&self) -> bool {
        self.inner.log.is_filled()
    }

    /// Publications in the log, and the bytes they take.
    pub fn log_size(&self) -> (usize, usize) {
        self.inner.log.size()
    }

    /// Tells every receiver, and every one that attaches later, to leave; 10,000 per second and shard.
    pub fn close_all(&self, code: CloseCode) {
        for shard in &self.inner.shards {
            let _ = shard.send(ShardCommand::CloseAll(code));
        }
    }

    /// Receivers attached at present.
    pub fn attached(&self) -> u64 {
        self.inner.counters.attached.total().saturating_sub(self.inner.counters.detached.total())
    }

    /// What the hub has counted since its start.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.inner.counters
    }
}

/// A shard's task is gone, which only a panic does: a fault of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of the fan-out has crashed; restart the server and report the panic above")]
pub struct ShardGone;

/// A receiver's place in the hub; dropping it detaches the receiver.
pub struct Attachment<R: Receiver> {
    hub: Hub<R>,
    id: ReceiverId,
    /// All but everyone, which no limit is for. Not a vector, which takes eight bytes more: idle connections are many
    /// and have a user or none.
    subjects: Box<[Subject]>,
}

/// Ends subscriptions of a receiver, from anywhere; what its [`Attachment`] counts stays.
pub struct Remote<R: Receiver> {
    shard: ShardHandle<R>,
    id: ReceiverId,
}

impl<R: Receiver> Remote<R> {
    /// Whose they are: the [`id`](Attachment::id) of its attachment.
    pub fn id(&self) -> ReceiverId {
        self.id
    }

    /// From now on the receiver does not get what goes to `subject` alone, and is told `notice`.
    pub fn unsubscribe(&self, subject: Subject, notice: Option<R::Notice>) {
        // Fails only if the shard panicked, which publish reports.
        let _ = self.shard.send(ShardCommand::Unsubscribe(self.id, subject, notice));
    }
}

/// Why a connection may not subscribe to a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The connection has as many users, or channels, as one connection may have.
    #[error("this connection has {0} subscriptions of this kind already, the most allowed")]
    TooManySubjects(usize),
    /// The user has as many connections as one user may have.
    #[error("this user has {0} connections already, the most allowed")]
    TooManyConnections(usize),
}

impl<R: Receiver> Attachment<R> {
    /// From now on the receiver gets what goes to `subject`. Subscribing twice changes nothing.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`], of users and channels.
    pub fn subscribe(&mut self, subject: Subject) -> Result<(), SubscribeError> {
        self.subscribe_since(subject, None, None)
    }

    /// As [`subscribe`](Self::subscribe), and the receiver is told `notice`, with what went to `subject` since a place that it
    /// had, as far as it is here and did not come for another subject.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn subscribe_since(
        &mut self,
        subject: Subject,
        since: Option<Cursor>,
        notice: Option<R::Notice>,
    ) -> Result<(), SubscribeError> {
        if subject != Subject::Everyone {
            if self.subjects.contains(&subject) {
                self.command(ShardCommand::Subscribe(self.id, subject, since, notice));
                return Ok(());
            }
            let options = &self.hub.inner.options;
            let max = match subject {
                Subject::Channel(_) => options.channels_per_connection_max,
                Subject::User(_) => options.users_per_connection_max,
                // Of channels that it is in, which are limited.
                Subject::Presence(_) | Subject::Everyone => usize::MAX,
            };
            let alike = |other: &&Subject| discriminant(*other) == discriminant(&subject);
            if self.subjects.iter().filter(alike).count() >= max {
                return Err(SubscribeError::TooManySubjects(max));
            }
            self.hub.enter(&subject)?;
            self.subjects = self.subjects.iter().cloned().chain([subject.clone()]).collect();
        }
        self.command(ShardCommand::Subscribe(self.id, subject, since, notice));
        Ok(())
    }

    /// Its number, which no other attachment ever has.
    pub fn id(&self) -> ReceiverId {
        self.id
    }

    /// The users that the receiver has subscribed as.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.subjects.iter().filter_map(|subject| match subject {
            Subject::User(user) => Some(user),
            _ => None,
        })
    }

    /// Whether the receiver has subscribed to this user or channel.
    pub fn is_subscribed(&self, subject: &Subject) -> bool {
        self.subjects.contains(subject)
    }

    /// From now on the receiver does not get what goes to `subject` alone. Without a subscription it changes nothing.
    /// It is told `notice`, behind the last it gets.
    pub fn unsubscribe(&mut self, subject: Subject, notice: Option<R::Notice>) {
        if subject != Subject::Everyone {
            let before = self.subjects.len();
            self.subjects = self.subjects.iter().filter(|other| **other != subject).cloned().collect();
            if self.subjects.len() == before {
                return;
            }
            self.hub.leave([&subject]);
        }
        self.command(ShardCommand::Unsubscribe(self.id, subject, notice));
    }

    /// The receiver goes on from the place where it was, or gets again what came since it attached; before that, it is told
    /// `notice`. Which subscriptions it has must be said before.
    pub fn resume(&self, cursor: Option<Cursor>, notice: R::Notice) {
        self.command(ShardCommand::Resume(self.id, cursor, notice));
    }

    /// The receiver is told `notice`, with the last publications of a subject, up to `count`.
    pub fn history(&self, subject: Subject, count: usize, notice: R::Notice) {
        self.command(ShardCommand::History(self.id, subject, count, notice));
    }

    /// The receiver is told `notice`, behind what it has been given.
    pub fn tell(&self, notice: R::Notice) {
        self.command(ShardCommand::Tell(self.id, notice));
    }

    /// The receiver, which said that it was full, takes more again.
    pub fn has_room(&self) {
        self.command(ShardCommand::Room(self.id));
    }

    /// To end subscriptions from elsewhere.
    pub fn remote(&self) -> Remote<R> {
        let shards = &self.hub.inner.shards;
        Remote { shard: shards[self.id as usize % shards.len()].clone(), id: self.id }
    }

    fn command(&self, command: ShardCommand<R>) {
        let shards = &self.hub.inner.shards;
        // Fails only if the shard panicked, which publish reports.
        let _ = shards[self.id as usize % shards.len()].send(command);
    }
}

impl<R: Receiver> Hub<R> {
    /// One connection more subscribes to `subject`.
    fn enter(&self, subject: &Subject) -> Result<(), SubscribeError> {
        if !is_limited(subject) {
            return Ok(());
        }
        let max = self.inner.options.connections_per_user_max;
        let mut connections = self.connections_of();
        let count = connections.entry(subject.clone()).or_insert(0);
        if *count >= max {
            return Err(SubscribeError::TooManyConnections(max));
        }
        *count += 1;
        Ok(())
    }

    /// A connection has subscribed to these no more.
    fn leave<'a>(&self, subjects: impl IntoIterator<Item = &'a Subject>) {
        let mut connections = self.connections_of();
        for subject in subjects {
            if let Some(count) = connections.get_mut(subject) {
                *count -= 1;
                if *count == 0 {
                    connections.remove(subject);
                }
            }
        }
    }

    fn connections_of(&self) -> MutexGuard<'_, HashMap<Subject, usize>> {
        self.inner.connections_of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is a limit of connections: a channel is made for many.
fn is_limited(subject: &Subject) -> bool {
    matches!(subject, Subject::User(_))
}

impl<R: Receiver> Drop for Attachment<R> {
    fn drop(&mut self) {
        self.command(ShardCommand::Detach(self.id));
        self.hub.inner.counters.detached.add(1);
        if !self.subjects.is_empty() {
            self.hub.leave(&self.subjects);
        }
    }
}
