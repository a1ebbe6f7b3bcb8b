//! `GET /v1/messages/{id}`: how far a message has come with each of its users, and a push with its browsers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use pushnote_webpush::Progress;
use serde::Serialize;
use utoipa::ToSchema;

use crate::context::Context;
use crate::problem::Problem;
use crate::socket_first::{Standing, State};

/// A message as it stands: one that was published with `push` has states, one of `/v1/push` has browsers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum MessageView {
    /// Published with `push`.
    Published(PublishedView),
    /// Sent by `/v1/push`.
    Pushed(PushedView),
}

/// A message that was published with `push`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PublishedView {
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

/// A message of `/v1/push`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PushedView {
    /// Its id.
    id: String,
    /// Its browsers.
    push: PushProgress,
}

/// How many browsers a push has come to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PushProgress {
    /// It is still to be sent.
    queued: u64,
    /// A push service has taken it.
    accepted: u64,
    /// The browser is not subscribed any more.
    gone: u64,
    /// No push service takes it.
    failed: u64,
    /// It was worth nothing any more before a service took it.
    expired: u64,
    /// It was not to be sent any more.
    cancelled: u64,
}

impl From<Progress> for PushProgress {
    fn from(progress: Progress) -> Self {
        let Progress { queued, accepted, gone, failed, expired, cancelled } = progress;
        Self { queued, accepted, gone, failed, expired, cancelled }
    }
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
    let (Some(standing), Some(push)) = (context.socket_first.standing(id).await, &context.push) else {
        let none =
            "this server keeps no states of messages, for it has no Web Push; vapid_subject switches that on";
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_states", none));
    };
    let unreadable = |error: &dyn Display| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_kept", format!("nothing can be read: {error}"))
    };
    if let Some(Standing { at_ms, users }) = standing.map_err(|error| unreadable(&error))? {
        let mut states = BTreeMap::new();
        users.iter().for_each(|(_, state, _)| *states.entry(state.as_str()).or_default() += 1);
        let users = users.into_iter().map(|(user, state, at_ms)| UserState { user, state, at: time(at_ms) });
        let (id, published, users) = (id.to_owned(), time(at_ms), users.collect());
        return Ok(MessageView::Published(PublishedView { id, published, states, users }));
    }
    match push.progress(id).await.map_err(|error| unreadable(&error))? {
        Some(progress) => Ok(MessageView::Pushed(PushedView { id: id.to_owned(), push: progress.into() })),
        None => {
            let none = "no message with this id was pushed, or published with push, in the time for which that is kept";
            Err(Problem::new(StatusCode::NOT_FOUND, "message_unknown", none))
        }
    }
}

fn time(unix_ms: u64) -> String {
    let time: SystemTime = UNIX_EPOCH + Duration::from_millis(unix_ms);
    humantime::format_rfc3339_millis(time).to_string()
}
