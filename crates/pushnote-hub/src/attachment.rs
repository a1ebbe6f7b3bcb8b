//! A receiver's side of the hub: what it is subscribed to, and what it asks of its shard.

use std::collections::HashMap;
use std::mem::discriminant;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{MutexGuard, PoisonError};

use pushnote_core::{Cursor, Subject, UserId};

use crate::hub::Hub;
use crate::interest::Interest;
use crate::receiver::Receiver;
use crate::shard::{ReceiverId, ShardCommand, ShardHandle};

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
    /// Attaches a receiver, which has subscribed to nothing yet.
    pub fn attach(&self, receiver: R) -> Attachment<R> {
        let id = self.inner.next_receiver.fetch_add(1, Relaxed);
        let attachment = Attachment { hub: self.clone(), id, subjects: Box::default() };
        attachment.command(ShardCommand::Attach(id, receiver));
        self.inner.counters.attached.add(1);
        attachment
    }

    /// Connections that are subscribed to `subject`; to everyone, all are.
    pub fn connections(&self, subject: &Subject) -> usize {
        match subject {
            Subject::Everyone => usize::try_from(self.attached()).unwrap_or(usize::MAX),
            _ => self.connections_of().get(subject).copied().unwrap_or(0),
        }
    }

    /// Tells which channels have subscribers, of those whose names begin with `prefix`: one source, which is the first to ask.
    pub fn interest(&self, prefix: &str) -> Interest {
        let connections = self.connections_of();
        let interest = self.inner.interest.get_or_init(|| Interest::new(prefix));
        connections.keys().for_each(|subject| self.note(subject, true));
        interest.clone()
    }

    /// One connection more subscribes to `subject`.
    fn enter(&self, subject: &Subject) -> Result<(), SubscribeError> {
        let max = match subject {
            Subject::User(_) => self.inner.options.connections_per_user_max,
            // A channel is made for many.
            Subject::Channel(_) => usize::MAX,
            Subject::Everyone | Subject::Presence(_) => return Ok(()),
        };
        let mut connections = self.connections_of();
        let count = connections.entry(subject.clone()).or_insert(0);
        if *count >= max {
            return Err(SubscribeError::TooManyConnections(max));
        }
        *count += 1;
        if *count == 1 {
            self.note(subject, true);
        }
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
                    self.note(subject, false);
                }
            }
        }
    }

    /// Called with the connections locked, so that the last word is the right one.
    fn note(&self, subject: &Subject, wanted: bool) {
        if let (Subject::Channel(channel), Some(interest)) = (subject, self.inner.interest.get()) {
            interest.note(channel, wanted);
        }
    }

    fn connections_of(&self) -> MutexGuard<'_, HashMap<Subject, usize>> {
        self.inner.connections_of.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
