//! Who hears nothing for long is told where it is: else its place leaves the log, and when it comes back nobody knows whether
//! it has missed something.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Shard;
use super::turn::Turn;
use crate::receiver::Receiver;

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
}

impl<R: Receiver> Shard<R> {
    /// Tells all where they are, if what they were told last has come to the older half of the log.
    pub(super) async fn tell_places(&mut self) {
        self.places.look_at = Instant::now() + LOOK;
        if self.places.told >= self.log.middle().min(self.next) {
            return;
        }
        self.places.told = self.next;
        let cursor = self.log.cursor(self.next);
        let mut turn = Turn::of_fan_out();
        for receiver in self.index.live() {
            receiver.place(&cursor);
            turn.maybe_yield().await;
        }
    }
}
