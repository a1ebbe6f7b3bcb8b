//! What a socket lets out over a connection.

use bytes::Bytes;

/// Which of the waiting messages go out.
pub(crate) trait SendFilter {
    /// Whether any may go now.
    fn is_open(&self) -> bool;
    /// What the peer wants of a run of messages; `None`: all of it.
    fn pick(&self, run: &Bytes) -> Option<Bytes>;
    /// Everything queued is written: queues what the peer has missed. False when there is nothing to catch up on.
    fn catch_up(&self) -> bool {
        false
    }
}

/// One that lets everything through.
pub(crate) struct Everything;

impl SendFilter for Everything {
    fn is_open(&self) -> bool {
        true
    }

    fn pick(&self, _: &Bytes) -> Option<Bytes> {
        None
    }
}
