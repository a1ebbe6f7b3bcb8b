//! The handle that everything else holds.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pushnote_core::sequencer::Item;
use pushnote_core::{CloseCode, UserId};
use tokio::sync::Semaphore;

use crate::counters::Counters;
use crate::publication::Publication;
use crate::receiver::Receiver;
use crate::shard::{Command, Entrance, ReceiverId, Shard};
use crate::window::Window;

/// Bytes of publications, with the users they name, that may wait before whoever publishes has to wait too.
const WAITING_BYTES_MAX: u32 = 16 * 1024 * 1024;

/// The fan-out. Cheap to clone; lives until the last clone and the last [`Attachment`] are dropped.
pub struct Hub<R: Receiver> {
    inner: Arc<Inner<R>>,
}

struct Inner<R: Receiver> {
    shards: Vec<Entrance<R>>,
    next_receiver: AtomicU64,
    options: HubOptions,
    // Taken on subscribing and detaching only, never on a message's way.
    connections_of_user: Mutex<HashMap<UserId, usize>>,
    counters: Arc<Counters>,
    /// Bytes that may yet wait for the shards.
    room: Arc<Semaphore>,
}

/// How a hub works, and what one client may hold of it.
#[derive(Debug, Clone, Copy)]
pub struct HubOptions {
    /// Shards; one per core is right.
    pub shards: usize,
    /// Under a steady stream, how long messages wait for each other to leave together; zero for not at all. It
    /// trades that much latency for fewer system calls.
    pub coalescing_window: Duration,
    /// Users that one connection may subscribe as.
    pub users_per_connection_max: usize,
    /// Connections that may be subscribed as one user.
    pub connections_per_user_max: usize,
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
        assert!(options.shards > 0, "a hub needs a shard");
        let counters = Arc::new(Counters::default());
        let mut shards = Vec::with_capacity(options.shards);
        for _ in 0..options.shards {
            let window = Window::new(options.coalescing_window)?;
            let (shard, entrance) = Shard::new(window, Arc::clone(&counters));
            tokio::spawn(shard.run());
            shards.push(entrance);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                shards,
                next_receiver: AtomicU64::new(0),
                options,
                connections_of_user: Mutex::default(),
                counters,
                room: Arc::new(Semaphore::new(WAITING_BYTES_MAX as usize)),
            }),
        })
    }

    /// Attaches a receiver: from now on it gets what goes to everyone.
    pub fn attach(&self, receiver: R) -> Attachment<R> {
        let id = self.inner.next_receiver.fetch_add(1, Relaxed);
        let attachment = Attachment { hub: self.clone(), id, users: Box::default() };
        attachment.command(Command::Attach(id, receiver));
        self.inner.counters.attached.add(1);
        attachment
    }

    /// Hands one message to every shard. Waits only while a shard has too much before it, never for a receiver.
    ///
    /// # Errors
    ///
    /// [`ShardGone`] if a shard's task panicked. Its connections get nothing any more: the process should end.
    pub async fn publish(&self, mut publication: Publication<R::Encodings>) -> Result<(), ShardGone> {
        let bytes = u32::try_from(publication.bytes_len()).unwrap_or(u32::MAX).min(WAITING_BYTES_MAX);
        let room = Arc::clone(&self.inner.room).acquire_many_owned(bytes).await;
        publication.take_room(room.map_err(|_| ShardGone)?);
        let publication = Arc::new(publication);
        self.inner.counters.publications.add(1);
        for shard in &self.inner.shards {
            shard.publications.send(Arc::clone(&publication)).await.map_err(|_| ShardGone)?;
        }
        Ok(())
    }

    /// Tells every receiver, and every one that attaches later, to leave; 10,000 per second and shard.
    pub fn close_all(&self, code: CloseCode) {
        for shard in &self.inner.shards {
            let _ = shard.commands.send(Command::CloseAll(code));
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
    // Not a vector, which takes eight bytes more: idle connections are many and have a user or none.
    users: Box<[UserId]>,
}

/// Why a connection may not subscribe as a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The connection has as many users as one connection may have.
    #[error("this connection is subscribed as {0} users already, the most allowed")]
    TooManyUsers(usize),
    /// The user has as many connections as one user may have.
    #[error("this user has {0} connections already, the most allowed")]
    TooManyConnections(usize),
}

impl<R: Receiver> Attachment<R> {
    /// From now on the receiver gets what goes to `user`, too. Subscribing twice as one user changes nothing.
    pub fn subscribe(&mut self, user: UserId) -> Result<(), SubscribeError> {
        let limits = self.hub.inner.options;
        if self.users.contains(&user) {
            return Ok(());
        }
        if self.users.len() >= limits.users_per_connection_max {
            return Err(SubscribeError::TooManyUsers(limits.users_per_connection_max));
        }
        {
            let mut connections = self.hub.connections_of_user();
            let count = connections.entry(user.clone()).or_insert(0);
            if *count >= limits.connections_per_user_max {
                return Err(SubscribeError::TooManyConnections(limits.connections_per_user_max));
            }
            *count += 1;
        }
        self.users = self.users.iter().cloned().chain([user.clone()]).collect();
        self.command(Command::Subscribe(self.id, user));
        Ok(())
    }

    fn command(&self, command: Command<R>) {
        let shards = &self.hub.inner.shards;
        // Fails only if the shard panicked, which publish reports.
        let _ = shards[self.id as usize % shards.len()].commands.send(command);
    }
}

impl<R: Receiver> Hub<R> {
    fn connections_of_user(&self) -> std::sync::MutexGuard<'_, HashMap<UserId, usize>> {
        self.inner.connections_of_user.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Receiver> Drop for Attachment<R> {
    fn drop(&mut self) {
        self.command(Command::Detach(self.id));
        self.hub.inner.counters.detached.add(1);
        if self.users.is_empty() {
            return;
        }
        let mut connections = self.hub.connections_of_user();
        for user in std::mem::take(&mut self.users) {
            if let Entry::Occupied(mut entry) = connections.entry(user) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }
}
