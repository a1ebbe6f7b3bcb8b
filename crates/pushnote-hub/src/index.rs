//! Which connections have subscribed to a subject, and to which subjects a connection has.

use std::collections::HashMap;
use std::fmt;

use pushnote_core::Subject;
use slab::Slab;

use crate::one_or_many::OneOrMany;

/// The place of a subscription that is none.
const NEVER: u64 = u64::MAX;

/// Names a connection in its [`Index`], from its insertion to its removal; then it may name another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u32);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Subjects ⇄ connections, both ways in constant time, removal included.
///
/// [`Subject::Everyone`] has no list of its own: nearly all connections subscribe to it, so it is a mark on each.
/// A connection without other subjects costs its slot and no allocation; so does each subject's first connection, and
/// each connection's first subject, but for the subject's entry in the table. Iteration over all connections is dense.
#[derive(Debug)]
pub struct Index<T> {
    connections: Slab<Entry<T>>,
    by_subject: HashMap<Subject, OneOrMany<Link>>,
}

#[derive(Debug)]
struct Entry<T> {
    value: T,
    /// It is not fanned out to: it reads on from the log.
    is_behind: bool,
    /// From which place on it gets what is for everyone; [`NEVER`] if it has not subscribed to that.
    everyone_since: u64,
    subscriptions: OneOrMany<Subscription>,
}

/// A connection's side of a subscription.
#[derive(Debug)]
struct Subscription {
    subject: Subject,
    /// From which place on it counts.
    since: u64,
    /// Where the other side is, in the subject's list.
    at: u32,
}

/// A subject's side of a subscription.
#[derive(Debug)]
struct Link {
    connection: Key,
    /// Where the other side is, in the connection's list.
    at: u32,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Index<T> {
    /// No connections.
    pub fn new() -> Self {
        Self { connections: Slab::new(), by_subject: HashMap::new() }
    }

    /// Adds a connection, which has subscribed to nothing.
    ///
    /// # Panics
    ///
    /// With 2³² connections.
    pub fn insert(&mut self, value: T) -> Key {
        let connection =
            Entry { value, is_behind: false, everyone_since: NEVER, subscriptions: OneOrMany::None };
        Key(narrow(self.connections.insert(connection)))
    }

    /// Removes a connection with its subscriptions; `None` if there is none of that key.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let Entry { value, subscriptions, .. } = self.connections.try_remove(key.0 as usize)?;
        for subscription in subscriptions.as_slice() {
            self.unlink(subscription);
        }
        Some(value)
    }

    /// Takes the other side of `gone` from the subject's list.
    fn unlink(&mut self, gone: &Subscription) {
        let links = self.by_subject.get_mut(&gone.subject).expect("a subscription has two sides");
        links.swap_remove(gone.at as usize);
        if let Some(moved) = links.as_slice().get(gone.at as usize) {
            // Of another connection: a subject's list has each connection once.
            let connection = &mut self.connections[moved.connection.0 as usize];
            connection.subscriptions.as_mut_slice()[moved.at as usize].at = gone.at;
        }
        if links.as_slice().is_empty() {
            self.by_subject.remove(&gone.subject);
        }
    }

    /// Subscribes the connection to `subject`, from the place `since` on. `false`, and no change, if it has done so
    /// already, or if there is no such connection.
    ///
    /// Takes time in proportion to the connection's subjects, which are few.
    pub fn subscribe(&mut self, key: Key, subject: Subject, since: u64) -> bool {
        let Some(connection) = self.connections.get_mut(key.0 as usize) else { return false };
        if subject == Subject::Everyone {
            let is_new = connection.everyone_since == NEVER;
            connection.everyone_since = connection.everyone_since.min(since);
            return is_new;
        }
        let subscriptions = connection.subscriptions.as_slice();
        if subscriptions.iter().any(|subscription| subscription.subject == subject) {
            return false;
        }
        let link = Link { connection: key, at: narrow(subscriptions.len()) };
        let links = self.by_subject.entry(subject.clone()).or_insert(OneOrMany::None);
        let subscription = Subscription { subject, since, at: narrow(links.as_slice().len()) };
        links.push(link);
        connection.subscriptions.push(subscription);
        true
    }

    /// Ends the connection's subscription to `subject`. `false`, and no change, if it has none.
    ///
    /// Takes time in proportion to the connection's subjects, which are few.
    pub fn unsubscribe(&mut self, key: Key, subject: &Subject) -> bool {
        let Some(connection) = self.connections.get_mut(key.0 as usize) else { return false };
        if *subject == Subject::Everyone {
            return std::mem::replace(&mut connection.everyone_since, NEVER) != NEVER;
        }
        let mut subscriptions = connection.subscriptions.as_slice().iter();
        let Some(at) = subscriptions.position(|subscription| subscription.subject == *subject) else {
            return false;
        };
        let gone = connection.subscriptions.swap_remove(at);
        if let Some(moved) = connection.subscriptions.as_slice().get(at) {
            // What was the connection's last subscription is at another place now, which its other side keeps.
            let links = self.by_subject.get_mut(&moved.subject).expect("a subscription has two sides");
            links.as_mut_slice()[moved.at as usize].at = narrow(at);
        }
        self.unlink(&gone);
        true
    }

    /// The connection of that key.
    pub fn get(&self, key: Key) -> Option<&T> {
        self.connections.get(key.0 as usize).map(|connection| &connection.value)
    }

    /// The connections that have subscribed to `subject`, each once, in no particular order; none for
    /// [`Subject::Everyone`], which [`Index::hearing_everyone`] gives.
    pub fn subscribed_to<'a>(&'a self, subject: &Subject) -> impl ExactSizeIterator<Item = Key> + use<'a, T> {
        self.by_subject.get(subject).map_or(&[][..], OneOrMany::as_slice).iter().map(|link| link.connection)
    }

    /// The connections that have subscribed to [`Subject::Everyone`] and are not behind, with their keys.
    pub fn hearing_everyone(&self) -> impl Iterator<Item = (Key, &T)> + '_ {
        let all = self.connections.iter();
        all.filter(|(_, connection)| connection.everyone_since != NEVER && !connection.is_behind)
            .map(|(key, connection)| (Key(narrow(key)), &connection.value))
    }

    /// The connections that have subscribed to something, but not to [`Subject::Everyone`], and are not behind.
    pub fn hearing_only_others(&self) -> impl Iterator<Item = Key> + '_ {
        let hears = |connection: &Entry<T>| {
            connection.everyone_since == NEVER && !connection.subscriptions.as_slice().is_empty()
        };
        let all = self.connections.iter();
        all.filter(move |(_, connection)| hears(connection) && !connection.is_behind)
            .map(|(key, _)| Key(narrow(key)))
    }

    /// The connections that are not behind.
    pub fn live(&self) -> impl Iterator<Item = &T> + '_ {
        let all = self.connections.iter().map(|(_, connection)| connection);
        all.filter(|connection| !connection.is_behind).map(|connection| &connection.value)
    }

    /// Whether a connection has subscribed to [`Subject::Everyone`].
    pub fn hears_everyone(&self, key: Key) -> bool {
        self.connections.get(key.0 as usize).is_some_and(|connection| connection.everyone_since != NEVER)
    }

    /// Whether a connection is not fanned out to, because it reads on from the log.
    pub fn is_behind(&self, key: Key) -> bool {
        self.connections.get(key.0 as usize).is_some_and(|connection| connection.is_behind)
    }

    /// Takes note of that.
    pub fn set_behind(&mut self, key: Key, is_behind: bool) {
        if let Some(connection) = self.connections.get_mut(key.0 as usize) {
            connection.is_behind = is_behind;
        }
    }

    /// Whether a connection has subscribed to a subject.
    pub fn is_subscribed(&self, key: Key, subject: &Subject) -> bool {
        let Some(connection) = self.connections.get(key.0 as usize) else { return false };
        match subject {
            Subject::Everyone => connection.everyone_since != NEVER,
            _ => connection.subscriptions.as_slice().iter().any(|other| other.subject == *subject),
        }
    }

    /// What a connection has subscribed to, each with the place from which on it counts.
    pub fn subscriptions(&self, key: Key) -> Vec<(Subject, u64)> {
        let Some(connection) = self.connections.get(key.0 as usize) else { return Vec::new() };
        let everyone = (Subject::Everyone, connection.everyone_since);
        let others =
            connection.subscriptions.as_slice().iter().map(|other| (other.subject.clone(), other.since));
        std::iter::once(everyone).filter(|(_, since)| *since != NEVER).chain(others).collect()
    }

    /// Changes the places from which on a connection's subscriptions count.
    pub fn change_since(&mut self, key: Key, since: impl Fn(&Subject, u64) -> u64) {
        let Some(connection) = self.connections.get_mut(key.0 as usize) else { return };
        if connection.everyone_since != NEVER {
            connection.everyone_since = since(&Subject::Everyone, connection.everyone_since);
        }
        for subscription in connection.subscriptions.as_mut_slice() {
            subscription.since = since(&subscription.subject, subscription.since);
        }
    }

    /// All connections, with their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Key, &T)> + '_ {
        self.connections.iter().map(|(key, connection)| (Key(narrow(key)), &connection.value))
    }
}

/// Positions are kept in four bytes: there are twice as many of them as subscriptions.
fn narrow(at: usize) -> u32 {
    u32::try_from(at).expect("an index holds fewer than 2^32 connections")
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
