//! The process that a publisher's thread is in.

use std::process;

/// One that was forked off it has copies of the publisher's memory and sockets, and not its thread: what is queued there would
/// never leave, and a lock that the thread held is never given back.
#[derive(Debug)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn this() -> Self {
        Self(process::id())
    }

    /// Whether it is the one that asks.
    pub(crate) fn is_this(&self) -> bool {
        self.0 == process::id()
    }
}
