//! What the hub delivers into.

use std::sync::Arc;

use pushnote_core::{ChannelName, CloseCode, Cursor};

use crate::publication::{Batch, Publication};

/// One attached client, as the fan-out sees it.
///
/// Its methods run on the shard, for one receiver after the other: they must not block and must not wait.
pub trait Receiver: Send + Sync + 'static {
    /// The cache of encodings that all receivers share; see [`Encoded`](crate::Encoded).
    type Encodings: Default + Send + Sync + 'static;

    /// What a client is told besides publications: answers to what it asked.
    type Notice: Send + Sync + 'static;

    /// Writes the batch, in the receiver's own framing, with one system call if the kernel takes it; what it
    /// refuses of this one waits with the receiver.
    fn deliver(&self, batch: &Batch<Self::Encodings>) -> Delivery;

    /// Tells its client something, in its place among the publications.
    fn tell(&self, notice: &Self::Notice, place: &Place) -> Delivery;

    /// Tells its client that it is at this place, if that is anything to it: what was before, it has had, or it does not concern
    /// it. One that takes nothing now has something before it that tells it a place, too.
    fn place(&self, cursor: &Cursor);

    /// Tells its client that messages are missing before this place: of one channel, or of anything. `None` if it cannot be
    /// told.
    fn gap(&self, channel: Option<&ChannelName>, cursor: &Cursor) -> Option<Delivery>;

    /// Starts an orderly end, behind what was accepted. The receiver detaches itself when it is over.
    fn close(&self, code: CloseCode);

    /// As [`close`](Self::close), without what was accepted and has not left yet.
    fn abort(&self, code: CloseCode);
}

/// Where a receiver is when it is told something.
#[derive(Debug, Clone)]
pub struct Place {
    /// What is before it, the receiver has.
    pub cursor: Cursor,
    /// Nothing of what was asked for has left the log.
    pub complete: bool,
    /// What was asked for from the past, oldest first.
    pub publications: Vec<Arc<Publication>>,
}

/// How a delivery went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Written, or in the outbox.
    Accepted,
    /// Not taken: something waits for its client already.
    Full,
    /// The receiver was closed already; it will detach.
    Closed,
}
