//! Who is in which channel, of channels whose rule has presence; and telling those who want to know.
//!
//! Connections enter and leave under one lock, which no message's way takes. What changes is published to
//! [`Subject::Presence`](pushnote_core::Subject::Presence) by a task, and so comes in order, and as everything else does.

mod channels;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pushnote_core::{ChannelName, UserId};
use pushnote_hub::{Hub, Origin, Publication, Receiver, ReceiverId, ShardGone};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use channels::Channels;
pub(crate) use channels::Who;

/// Who is in which channel.
#[derive(Default)]
pub(crate) struct Presence {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    connections: HashMap<ReceiverId, Connection>,
    channels: Channels,
}

/// A connection that is in a channel, or was.
#[derive(Default)]
struct Connection {
    names: Vec<Name>,
    channels: Vec<Membership>,
}

/// A user whom a connection has shown a token of. The name goes with the subscription that it was shown for.
struct Name {
    user: UserId,
    /// The channel that the token was for; `None` if the connection has subscribed as the user.
    shown_for: Option<ChannelName>,
}

struct Membership {
    channel: ChannelName,
    /// Whether it hears who comes and goes.
    hears: bool,
}

impl Presence {
    /// A connection has subscribed to a channel, as these users; if as none, its token for the channel may have shown one.
    /// Entering twice changes nothing.
    pub(crate) fn enter(
        &self,
        id: ReceiverId,
        channel: &ChannelName,
        users: impl Iterator<Item = UserId>,
        shown: Option<UserId>,
    ) {
        self.change(|State { connections, channels }| {
            let connection = connections.entry(id).or_default();
            users.for_each(|user| connection.is_named(&user, None, channels));
            if let Some(user) = shown.filter(|_| connection.names.is_empty()) {
                connection.is_named(&user, Some(channel), channels);
            }
            if connection.membership(channel).is_none() {
                connection.channels.push(Membership { channel: channel.clone(), hears: false });
                each(&connection.names, |user| channels.enter(channel, user));
            }
        });
    }

    /// A connection that has entered a channel has subscribed as a user.
    pub(crate) fn named(&self, id: ReceiverId, user: &UserId) {
        self.change(|State { connections, channels }| {
            if let Some(connection) = connections.get_mut(&id) {
                connection.is_named(user, None, channels);
            }
        });
    }

    /// A connection is subscribed as a user no more: where it is, it is without that name.
    pub(crate) fn unnamed(&self, id: ReceiverId, user: &UserId) {
        self.change(|State { connections, channels }| {
            if let Some(connection) = connections.get_mut(&id) {
                connection.forgets(|name| name.shown_for.is_none() && name.user == *user, channels);
            }
        });
    }

    /// A connection is subscribed to a channel no more. Whether it heard who comes and goes there.
    pub(crate) fn left(&self, id: ReceiverId, channel: &ChannelName) -> bool {
        self.change(|State { connections, channels }| {
            let Some(connection) = connections.get_mut(&id) else { return false };
            let at = connection.channels.iter().position(|membership| membership.channel == *channel);
            let Some(Membership { channel, hears }) = at.map(|at| connection.channels.swap_remove(at)) else {
                return false;
            };
            connection.leaves(&channel, hears, channels);
            connection.forgets(|name| name.shown_for.as_ref() == Some(&channel), channels);
            hears
        })
    }

    /// A connection has ended.
    pub(crate) fn gone(&self, id: ReceiverId) {
        self.change(|State { connections, channels }| {
            let Some(mut connection) = connections.remove(&id) else { return };
            for Membership { channel, hears } in std::mem::take(&mut connection.channels) {
                connection.leaves(&channel, hears, channels);
            }
        });
    }

    /// Whether a connection is in the channel. From now on it hears who comes and goes, or does not; `None` leaves that as
    /// it is.
    pub(crate) fn hears(&self, id: ReceiverId, channel: &ChannelName, hears: Option<bool>) -> bool {
        let State { connections, channels } = &mut *self.lock();
        let Some(connection) = connections.get_mut(&id) else { return false };
        let Some(membership) = connection.membership(channel) else { return false };
        if let Some(hears) = hears.filter(|hears| *hears != membership.hears) {
            membership.hears = hears;
            channels.hears(channel, hears);
        }
        true
    }

    /// Who is in the channel.
    pub(crate) fn who(&self, channel: &ChannelName) -> Who {
        self.lock().channels.who(channel)
    }

    /// Channels in which somebody is, and the users and nameless connections in them.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.lock().channels.size()
    }

    /// Publishes who comes and goes, until that fails.
    pub(crate) async fn tell<R: Receiver>(self: Arc<Self>, hub: Hub<R>) -> ShardGone {
        loop {
            let change = self.next_change().await;
            if let Err(gone) = hub.publish(change, Origin::default()).await {
                return gone;
            }
        }
    }

    async fn next_change(&self) -> Publication {
        loop {
            let due = match self.lock().channels.next_change(Instant::now()) {
                Ok(change) => return change,
                Err(due) => due,
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {}
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_one();
        changed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    fn membership(&mut self, channel: &ChannelName) -> Option<&mut Membership> {
        self.channels.iter_mut().find(|membership| membership.channel == *channel)
    }

    /// It is this user, too, wherever it is.
    fn is_named(&mut self, user: &UserId, shown_for: Option<&ChannelName>, channels: &mut Channels) {
        if let Some(known) = self.names.iter_mut().find(|name| name.user == *user) {
            known.shown_for = known.shown_for.take().filter(|_| shown_for.is_some());
            return;
        }
        for Membership { channel, .. } in &self.channels {
            channels.enter(channel, Some(user));
            if self.names.is_empty() {
                channels.leave(channel, None, Instant::now());
            }
        }
        self.names.push(Name { user: user.clone(), shown_for: shown_for.cloned() });
    }

    /// It is such users no more, wherever it is; without any it is nameless.
    fn forgets(&mut self, is_gone: impl Fn(&Name) -> bool, channels: &mut Channels) {
        while let Some(at) = self.names.iter().position(&is_gone) {
            let Name { user, .. } = self.names.swap_remove(at);
            for Membership { channel, .. } in &self.channels {
                if self.names.is_empty() {
                    channels.enter(channel, None);
                }
                channels.leave(channel, Some(&user), Instant::now());
            }
        }
    }

    fn leaves(&self, channel: &ChannelName, hears: bool, channels: &mut Channels) {
        if hears {
            channels.hears(channel, false);
        }
        each(&self.names, |user| channels.leave(channel, user, Instant::now()));
    }
}

/// Each user, or once nobody.
fn each(names: &[Name], mut act: impl FnMut(Option<&UserId>)) {
    match names {
        [] => act(None),
        names => names.iter().for_each(|name| act(Some(&name.user))),
    }
}

#[cfg(test)]
mod tests;
