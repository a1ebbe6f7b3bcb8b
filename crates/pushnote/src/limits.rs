//! What a publisher may take, and how long.

use std::time::Duration;

/// What servers take, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) message_bytes_max: usize,
    pub(crate) frame_bytes_max: usize,
}

/// The longest wait: nobody means more, and a time further off could not be told.
pub(crate) const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
