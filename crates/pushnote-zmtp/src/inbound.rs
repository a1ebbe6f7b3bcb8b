//! What a socket does with what a connection brings.

use crate::batch::Batch;
use crate::stats::CloseCause;
use pushnote_zmtp_proto::command::Command;

/// What is done with what a peer sends.
pub(crate) trait Inbound {
    /// A run of messages. Nothing more is read before it returns.
    fn batch(&mut self, batch: Batch) -> impl Future<Output = Result<(), CloseCause>> + Send;
    /// A command that is not the connection's own affair.
    fn command(&mut self, command: Command<'_>) -> Result<(), CloseCause>;
    /// The connection is closed by this side, and so many bytes of the peer were not read.
    fn unread(&self, _bytes: usize, _peer: &str) {}
}
