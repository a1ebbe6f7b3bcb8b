//! Which connections are a user's, and which users a connection has.

use std::collections::HashMap;
use std::fmt;

use slab::Slab;

use crate::one_or_many::OneOrMany;
use crate::user::UserId;

/// Names a connection in its [`Index`], from its insertion to its removal; then it may name another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u32);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Users ⇄ connections, both ways in constant time, removal included.
///
/// A connection without users costs its slot and no allocation; so does each user's first connection, and each
/// connection's first user, but for the user's entry in the table. Iteration over all connections is dense.
#[derive(Debug)]
pub struct Index<T> {
    connections: Slab<Connection<T>>,
    by_user: HashMap<UserId, OneOrMany<Link>>,
}

#[derive(Debug)]
struct Connection<T> {
    value: T,
    subscriptions: OneOrMany<Subscription>,
}

/// A connection's side of a subscription.
#[derive(Debug)]
struct Subscription {
    user: UserId,
    /// Where the other side is, in the user's list.
    at: u32,
}

/// A user's side of a subscription.
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
        Self { connections: Slab::new(), by_user: HashMap::new() }
    }

    /// Adds a connection, without users.
    ///
    /// # Panics
    ///
    /// With 2³² connections.
    pub fn insert(&mut self, value: T) -> Key {
        let key = self.connections.insert(Connection { value, subscriptions: OneOrMany::None });
        Key(narrow(key))
    }

    /// Removes a connection with its subscriptions; `None` if there is none of that key.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let Connection { value, subscriptions } = self.connections.try_remove(key.0 as usize)?;
        for subscription in subscriptions.as_slice() {
            self.unlink(subscription);
        }
        Some(value)
    }

    /// Takes the other side of `gone` from the user's list.
    fn unlink(&mut self, gone: &Subscription) {
        let links = self.by_user.get_mut(&gone.user).expect("a subscription has two sides");
        links.swap_remove(gone.at as usize);
        if let Some(moved) = links.as_slice().get(gone.at as usize) {
            // Of another connection: a user's list has each connection once.
            let connection = &mut self.connections[moved.connection.0 as usize];
            connection.subscriptions.as_mut_slice()[moved.at as usize].at = gone.at;
        }
        if links.as_slice().is_empty() {
            self.by_user.remove(&gone.user);
        }
    }

    /// Makes `user` one of the connection's users. `false`, and no change, if it is one already, or if there is
    /// no such connection.
    ///
    /// Takes time in proportion to the connection's users, which are few.
    pub fn subscribe(&mut self, key: Key, user: UserId) -> bool {
        let Some(connection) = self.connections.get_mut(key.0 as usize) else { return false };
        let subscriptions = connection.subscriptions.as_slice();
        if subscriptions.iter().any(|subscription| subscription.user == user) {
            return false;
        }
        let link = Link { connection: key, at: narrow(subscriptions.len()) };
        let links = self.by_user.entry(user.clone()).or_insert(OneOrMany::None);
        let subscription = Subscription { user, at: narrow(links.as_slice().len()) };
        links.push(link);
        connection.subscriptions.push(subscription);
        true
    }

    /// The connection of that key.
    pub fn get(&self, key: Key) -> Option<&T> {
        self.connections.get(key.0 as usize).map(|connection| &connection.value)
    }

    /// The connection of that key, to change it.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.connections.get_mut(key.0 as usize).map(|connection| &mut connection.value)
    }

    /// The connections of a user, each once, in no particular order.
    pub fn of_user<'a>(&'a self, user: &UserId) -> impl ExactSizeIterator<Item = Key> + use<'a, T> {
        self.by_user.get(user).map_or(&[][..], OneOrMany::as_slice).iter().map(|link| link.connection)
    }

    /// The users of a connection, in the order of their subscriptions; none if there is no such connection.
    pub fn users_of(&self, key: Key) -> impl ExactSizeIterator<Item = &UserId> + '_ {
        let connection = self.connections.get(key.0 as usize);
        connection
            .map_or(&[][..], |c| c.subscriptions.as_slice())
            .iter()
            .map(|subscription| &subscription.user)
    }

    /// All connections, with their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Key, &T)> + '_ {
        self.connections.iter().map(|(key, connection)| (Key(narrow(key)), &connection.value))
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// How many users have a connection.
    pub fn users(&self) -> usize {
        self.by_user.len()
    }
}

/// Positions are kept in four bytes: there are twice as many of them as subscriptions.
fn narrow(at: usize) -> u32 {
    u32::try_from(at).expect("an index holds fewer than 2^32 connections")
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
