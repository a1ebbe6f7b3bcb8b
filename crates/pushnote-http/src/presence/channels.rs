//! The channels: who is there, who may have left, and what is to be told of it. Time comes in as an argument.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use pushnote_core::{ChannelName, UserId};
use pushnote_hub::Publication;
use tokio::time::Instant;

/// Somebody who is back within this time has not left: a reload is no leave.
const LEAVE_DELAY: Duration = Duration::from_secs(5);

/// Channels that are kept for those alone who may be back: names cost nothing, and whoever may choose them could have as
/// many as there is memory.
const EMPTY_MAX: usize = 10_000;

/// Users whose names are told; the others are counted.
const NAMES_MAX: usize = 100;

/// When somebody has left, and a number of its own.
type Leave = (Instant, u64);

/// Who is in a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Who {
    /// Users.
    pub(crate) count: usize,
    /// Their first [`NAMES_MAX`], in order.
    pub(crate) users: Vec<UserId>,
    /// Connections without a user.
    pub(crate) anonymous: usize,
}

#[derive(Default)]
pub(super) struct Channels {
    by_name: HashMap<ChannelName, Channel>,
    /// Users without a connection, by when that becomes a leave. Also of channels in which nobody else is: so who comes
    /// and goes, alone or with those who hear of it, is one who came and one who left in that time, and cannot push what
    /// others publish out of the log.
    leaving: BTreeMap<Leave, (ChannelName, UserId)>,
    /// Channels without a connection.
    empty: usize,
    /// Leaves that were ever expected.
    leaves: u64,
    /// Who has come and gone, and is not published yet.
    changes: VecDeque<Publication>,
}

/// One in which somebody is, or was a moment ago.
#[derive(Default)]
struct Channel {
    users: BTreeMap<UserId, Member>,
    /// Connections without a user.
    anonymous: usize,
    /// Connections of users and others, one of several users as often.
    connections: usize,
    /// Connections that hear who comes and goes. Without any, nothing is published.
    hearing: usize,
}

/// A user who is there, or was a moment ago.
#[derive(Default)]
struct Member {
    connections: usize,
    leave: Option<Leave>,
}

impl Channels {
    /// A connection enters a channel.
    pub(super) fn enter(&mut self, name: &ChannelName, user: Option<&UserId>) {
        let channel = self.by_name.entry(name.clone()).or_default();
        if channel.connections == 0 && !channel.users.is_empty() {
            self.empty -= 1;
        }
        channel.connections += 1;
        let Some(user) = user else {
            channel.anonymous += 1;
            return;
        };
        let member = channel.users.entry(user.clone()).or_default();
        member.connections += 1;
        let is_back = member.leave.take().is_some_and(|leave| self.leaving.remove(&leave).is_some());
        if member.connections == 1 && !is_back && channel.hearing > 0 {
            self.changes.push_back(Publication::joined(name.clone(), user.clone()));
        }
    }

    /// A connection that has entered leaves.
    pub(super) fn leave(&mut self, name: &ChannelName, user: Option<&UserId>, now: Instant) {
        let Some(channel) = self.by_name.get_mut(name) else { return };
        channel.connections -= 1;
        match user.map(|user| (user, channel.users.get_mut(user))) {
            Some((user, Some(member))) => {
                member.connections -= 1;
                if member.connections == 0 {
                    self.leaves += 1;
                    let leave = (now + LEAVE_DELAY, self.leaves);
                    member.leave = Some(leave);
                    self.leaving.insert(leave, (name.clone(), user.clone()));
                }
            }
            Some((_, None)) => {}
            None => channel.anonymous -= 1,
        }
        if channel.connections > 0 {
            return;
        }
        if !channel.users.is_empty() && self.empty < EMPTY_MAX {
            self.empty += 1;
        } else if let Some(empty) = self.by_name.remove(name) {
            // Nobody is there to whom it could be told.
            for leave in empty.users.values().filter_map(|member| member.leave) {
                self.leaving.remove(&leave);
            }
        }
    }

    /// One connection more hears who comes and goes, or one less.
    pub(super) fn hears(&mut self, name: &ChannelName, hears: bool) {
        if let Some(channel) = self.by_name.get_mut(name) {
            if hears {
                channel.hearing += 1;
            } else {
                channel.hearing -= 1;
            }
        }
    }

    /// Who is in a channel. Who has not left yet is there.
    pub(super) fn who(&self, name: &ChannelName) -> Who {
        self.by_name.get(name).map_or_else(Who::default, |channel| Who {
            count: channel.users.len(),
            users: channel.users.keys().take(NAMES_MAX).cloned().collect(),
            anonymous: channel.anonymous,
        })
    }

    /// Channels in which somebody is, and the users and nameless connections in them.
    pub(super) fn size(&self) -> (usize, usize) {
        let members = self.by_name.values().map(|channel| channel.users.len() + channel.anonymous);
        (self.by_name.len(), members.sum())
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.by_name.is_empty() && self.leaving.is_empty() && self.empty == 0
    }

    /// What is to be published next; if nothing is, when the next leave is due.
    pub(super) fn next_change(&mut self, now: Instant) -> Result<Publication, Option<Instant>> {
        while let Some(first) = self.leaving.first_entry().filter(|first| first.key().0 <= now) {
            let (name, user) = first.remove();
            let Some(channel) = self.by_name.get_mut(&name) else { continue };
            channel.users.remove(&user);
            if channel.connections == 0 && channel.users.is_empty() {
                self.by_name.remove(&name);
                self.empty -= 1;
            } else if channel.hearing > 0 {
                self.changes.push_back(Publication::left(name, user));
            }
        }
        self.changes.pop_front().ok_or_else(|| self.leaving.keys().next().map(|(due, _)| *due))
    }
}
