//! Points in time.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

/// A point in time to the millisecond, in half of what an [`Instant`] takes: idle connections are many.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    since_epoch_ms: u64,
}

impl Moment {
    /// This one.
    #[must_use]
    pub fn now() -> Self {
        Self { since_epoch_ms: Instant::now().saturating_duration_since(*EPOCH).as_millis() as u64 }
    }

    /// As the clock has it.
    #[must_use]
    pub fn instant(self) -> Instant {
        *EPOCH + Duration::from_millis(self.since_epoch_ms)
    }
}

/// Where [`Moment`]s count from: some time before the first of them.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// `start` and `delay`; for delays that mean "never", a time that is far enough.
#[must_use]
pub fn after(start: Instant, delay: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365);
    start.checked_add(delay).unwrap_or(start + FAR)
}
