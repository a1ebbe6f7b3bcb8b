//! Who hears nothing for long is told where it is: else its place leaves the log, and when it comes back nobody knows whether
//! it has missed something.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Between two looks whether it is time for that.
const LOOK: Duration = Duration::from_secs(15);

/// Up to where everybody has been told, and when to look again.
pub(super) struct Places {
    told: u64,
    look_at: Instant,
}

impl Places {
    pub(super) fn from(place: u64) -> Self {
        Self { told: place, look_at: Instant::now() + LOOK }
    }

    /// The next look is due.
    pub(super) async fn due(&self) {
        sleep_until(self.look_at).await;
    }

    /// Looks: whether what all were told last has come to the older half of the log, whose middle this is. If so, they are told
    /// where they are, up to `next`.
    pub(super) fn are_old(&mut self, middle: u64, next: u64) -> bool {
        self.look_at = Instant::now() + LOOK;
        let are_old = self.told < middle.min(next);
        if are_old {
            self.told = next;
        }
        are_old
    }
}
