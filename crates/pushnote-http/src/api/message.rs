//! `GET /v1/messages/{id}`: how far a message has come with each of its users.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::context::Context;
use crate::problem::Problem;
use crate::socket_first::{Standing, State};

/// A message that was published with `push`, as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MessageView {
    /// Its id.
    id: String,
    /// When it was published.
    #[schema(format = DateTime)]
    published: String,
    /// How many of its users are in each state, without those that none is in.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({"acknowledged": 1, "pushed": 2}))]
    states: BTreeMap<&'static str, u64>,
    /// Its users.
    users: Vec<UserState>,
}

/// How far it has come with one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserState {
    /// The user's id.
    user: String,
    /// How far.
    state: State,
    /// Since when.
    #[schema(format = DateTime)]
    at: String,
}

/// A message as it stands.
pub(crate) async fn message(context: &Context, id: &str) -> Result<MessageView, Problem> {
    let Some(standing) = context.socket_first.standing(id).await else {
        let none =
            "this server keeps no states of messages, for it has no Web Push; vapid_subject switches that on";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_states", none));
    };
    let standing = standing.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_kept", format!("nothing can be read: {error}"))
    })?;
    let Some(Standing { at_ms, users }) = standing else {
        let none = "no message with this id was published with push in the time for which states are kept";
        return Err(Problem::new(StatusCode::NOT_FOUND, "message_unknown", none));
    };
    let mut states = BTreeMap::new();
    users.iter().for_each(|(_, state, _)| *states.entry(state.as_str()).or_default() += 1);
    let users = users.into_iter().map(|(user, state, at_ms)| UserState { user, state, at: time(at_ms) });
    Ok(MessageView { id: id.to_owned(), published: time(at_ms), states, users: users.collect() })
}

fn time(unix_ms: u64) -> String {
    let time: SystemTime = UNIX_EPOCH + Duration::from_millis(unix_ms);
    humantime::format_rfc3339_millis(time).to_string()
}
