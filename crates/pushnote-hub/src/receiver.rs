//! What the hub delivers into.

use pushnote_core::CloseCode;

use crate::publication::Batch;

/// One attached client, as the fan-out sees it.
///
/// Both methods run on the shard, for one receiver after the other: they must not block and must not wait.
pub trait Receiver: Send + Sync + 'static {
    /// The cache of encodings that all receivers share; see [`Publication`](crate::Publication).
    type Encodings: Default + Send + Sync + 'static;

    /// Writes the batch, in the receiver's own framing, with one system call if the kernel takes it; what it
    /// refuses waits in the receiver's bounded outbox.
    fn deliver(&self, batch: &Batch<Self::Encodings>) -> Delivery;

    /// Starts an orderly end, behind what was accepted. The receiver detaches itself when it is over.
    fn close(&self, code: CloseCode);

    /// As [`close`](Self::close), without what was accepted and has not left yet.
    fn abort(&self, code: CloseCode);
}

/// How a delivery went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Written, or in the outbox.
    Accepted,
    /// Not taken: too much waits for its client already.
    Full,
    /// The receiver was closed already; it will detach.
    Closed,
}
