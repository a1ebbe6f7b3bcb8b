//! What whoever publishes is answered.

use serde::Serialize;
use utoipa::ToSchema;

/// A message that is published.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// The message's own id, or one that was given to it.
    pub(super) id: String,
    /// Its offset in this server's log; absent if it went to forwarders, for all servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<u64>,
    /// The place behind it: who comes back with this cursor has had it. Absent with `offset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<String>,
    /// Connections of this server that it is for. One that has subscribed to several of its channels and users counts for
    /// each.
    pub(super) connections: u64,
    /// What of it will not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) warning: Option<&'static str>,
    /// Servers that have it, where the forwarders tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) servers: Option<u64>,
}
