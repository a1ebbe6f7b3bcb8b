//! What lives as long as a TCP connection, beyond its upgrade.

use std::{any::Any, sync::Arc};

/// Something of the accept loop's that is to be dropped when a TCP connection ends, a permit say.
///
/// HTTP connections end with the loop's own task, but a WebSocket outlives it, and so does a response that has left the
/// server (see [`Handover`](crate::Handover)). A loop that puts a guard into the extensions of its requests finds it dropped
/// when that is closed.
#[derive(Clone)]
pub struct ConnectionGuard(#[expect(dead_code, reason = "held, not read")] Arc<dyn Any + Send + Sync>);

impl ConnectionGuard {
    /// Guards `value`; a clone is another share of it.
    pub fn new<T: Any + Send + Sync>(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl std::fmt::Debug for ConnectionGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionGuard")
    }
}
