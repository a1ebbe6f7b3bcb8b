//! What a channel holds and who is there; how many connections a user has.

use pushnote_core::{ChannelName, Subject, UserId};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::context::Context;
use crate::framing;
use crate::presence::Who;

/// Messages of a channel that are shown at most, and their bytes.
pub(crate) const HISTORY_MAX: usize = 100;

/// A channel, as this server sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelView {
    /// Its name.
    channel: String,
    /// Connections of this server that have subscribed to it.
    connections: u64,
    /// Its last messages, oldest first, each as the client protocol has it.
    #[schema(value_type = Vec<serde_json::Value>)]
    messages: Vec<Box<RawValue>>,
    /// These are as many as were asked for, or all there ever were.
    complete: bool,
    /// The place behind the last: who subscribes with it gets what comes then.
    cursor: String,
    /// Who is there, if the channel's rule has presence.
    #[serde(skip_serializing_if = "Option::is_none")]
    presence: Option<PresenceView>,
}

/// Who is in a channel of this server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PresenceView {
    /// Users and nameless connections.
    count: u64,
    /// Users, some of them if they are many.
    users: Vec<String>,
    /// Connections that are no user's.
    anonymous: u64,
}

/// A user, as this server sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserView {
    /// The user's id.
    user: String,
    /// The user's connections to this server.
    connections: u64,
}

pub(crate) fn channel(context: &Context, channel: &ChannelName, last: usize) -> ChannelView {
    let (hub, subject) = (&context.hub, Subject::Channel(channel.clone()));
    let end = hub.end();
    let (publications, complete) = hub.last(&subject, last, end);
    let presence = context.rights.rule(channel).presence.then(|| {
        let Who { count, users, anonymous } = context.presence.who(channel);
        let users = users.iter().map(|user| user.as_str().to_owned()).collect();
        PresenceView { count: count as u64, users, anonymous: anonymous as u64 }
    });
    ChannelView {
        channel: channel.as_str().to_owned(),
        connections: hub.connections(&subject) as u64,
        messages: publications
            .iter()
            .filter_map(|publication| serde_json::from_slice(&framing::message(publication)).ok())
            .collect(),
        complete,
        cursor: hub.cursor(end).to_string(),
        presence,
    }
}

pub(crate) fn user(context: &Context, user: UserId) -> UserView {
    let name = user.as_str().to_owned();
    UserView { user: name, connections: context.hub.connections(&Subject::User(user)) as u64 }
}
