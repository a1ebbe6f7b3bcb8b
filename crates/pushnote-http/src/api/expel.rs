//! `POST /v1/disconnect` and `POST /v1/revoke`: users who are to be gone.

use futures_util::future::try_join_all;
use pushnote_core::envelope::SUBJECTS_MAX;
use pushnote_core::{Asked, Subject, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::publish::{UserName, parse, users};
use crate::context::Context;
use crate::problem::Problem;
use crate::publisher::ExpelError;

/// Users.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Users {
    /// Ids, as text or integers.
    #[serde(deserialize_with = "users")]
    #[schema(value_type = Vec<UserName>, example = json!(["42"]))]
    users: Vec<UserId>,
}

/// What is being done.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Expelled {
    /// Connections that these users had to this server. Behind forwarders, those to others end, too.
    connections: u64,
}

/// Ends the connections of users; with a time, also the tokens that were made until then.
pub(crate) async fn expel(
    context: &Context,
    body: &[u8],
    revoke_until: Option<u64>,
) -> Result<Expelled, Problem> {
    let Users { users } = parse(body, EXAMPLE)?;
    if !(1..=SUBJECTS_MAX).contains(&users.len()) {
        let len = users.len();
        return Err(Problem::malformed(format!("users: there are {len}, 1 to {SUBJECTS_MAX} are allowed")));
    }
    let connections = |user: &UserId| context.hub.connections(&Subject::User(user.clone())) as u64;
    let connections = users.iter().map(connections).sum();
    let asked = match revoke_until {
        Some(until) => Asked::Revoke { until },
        None => Asked::Disconnect,
    };
    if let Some(forwarded) = context.publisher.expel(&users, revoke_until) {
        forwarded.map_err(ExpelError::from)?;
        return Ok(Expelled { connections });
    }
    let kept: Vec<_> = users.iter().map(|user| context.expulsion.expel(user, asked)).collect();
    // Together, and not one after the other: the disk has them at once.
    let kept = try_join_all(kept.into_iter().map(|kept| async { Ok::<_, ExpelError>(kept?.await?) }));
    kept.await?;
    Ok(Expelled { connections })
}

const EXAMPLE: &str = r#"{"users":["42"]}"#;
