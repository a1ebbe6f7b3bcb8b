//! The handle that everything else holds.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use pushnote_core::rules::ChannelRules;
use pushnote_core::{CloseCode, Cursor, Position, Subject};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

use crate::counters::Counters;
use crate::interest::Interest;
use crate::kept::KeptLog;
use crate::log::{Bounds, Excerpt, Had, Log, LogOptions, Origin, Stored};
use crate::publication::Publication;
use crate::receiver::Receiver;
use crate::shard::{Shard, ShardCommand, ShardHandle};
use crate::window::Window;

/// The fan-out. Cheap to clone; lives until the last clone and the last [`Attachment`](crate::Attachment) are dropped.
pub struct Hub<R: Receiver> {
    pub(crate) inner: Arc<Inner<R>>,
}

pub(crate) struct Inner<R: Receiver> {
    pub(crate) shards: Vec<ShardHandle<R>>,
    log: Arc<Log<R::Encodings>>,
    pub(crate) next_receiver: AtomicU64,
    pub(crate) options: HubOptions,
    // Taken on subscribing and detaching only, never on a message's way.
    pub(crate) connections_of: Mutex<HashMap<Subject, usize>>,
    /// Who wants to hear which channels have subscribers.
    pub(crate) interest: OnceLock<Interest>,
    pub(crate) counters: Arc<Counters>,
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
                interest: OnceLock::new(),
                counters,
                _releasing: releasing,
            }),
        })
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

    /// What there is of a subject from a place on: up to `count_max` publications with, but for the first, `bytes_max` bytes
    /// of payload together. Who waits for more attaches first, then looks.
    pub fn excerpt(&self, subject: &Subject, from: u64, count_max: usize, bytes_max: usize) -> Excerpt {
        self.inner.log.excerpt(subject, from, (count_max, bytes_max))
    }

    /// The last publications of a subject before a place, oldest first, and whether they are as many as asked for or all
    /// there ever were.
    pub fn last(&self, subject: &Subject, count: usize, limit: u64) -> (Vec<Arc<Publication>>, bool) {
        self.inner.log.last(subject, count, limit)
    }

    /// What there is of a subject within bounds, and where a client reads on that has had this much, or nothing.
    pub fn stored(&self, subject: &Subject, bounds: &Bounds, had: Option<Had>) -> Stored {
        self.inner.log.stored(subject, bounds, had)
    }

    /// The place behind the last publication that has been fanned out, or is about to be.
    pub fn end(&self) -> u64 {
        self.inner.log.end()
    }

    /// Tells this log's offsets from others'.
    pub fn epoch(&self) -> u64 {
        self.inner.log.epoch()
    }

    /// Where in this log a position is that it has told, or an earlier run that it goes on with. `None` of any other, and of
    /// one beyond the end.
    pub fn place(&self, position: Position) -> Option<u64> {
        self.inner.log.place(position)
    }

    /// The cursor of a place in this log.
    pub fn cursor(&self, place: u64) -> Cursor {
        self.inner.log.cursor(place)
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

    /// Tells the receivers to leave that have subscribed to `subject`, behind what they were given.
    pub fn close(&self, subject: &Subject, code: CloseCode) {
        for shard in &self.inner.shards {
            let _ = shard.send(ShardCommand::Close(subject.clone(), code));
        }
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
