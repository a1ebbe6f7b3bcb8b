//! A share of the thread.

use std::time::{Duration, Instant};

/// How long a fan-out may hold its thread before others get a turn.
const FAN_OUT: Duration = Duration::from_micros(500);
/// How long those may who read on: what is new waits for them meanwhile.
const READING: Duration = Duration::from_micros(200);

/// Receivers served between two looks at the clock.
const RECEIVERS_PER_LOOK: usize = 32;

/// Gives the thread away when it has been held long enough.
pub(super) struct Turn {
    length: Duration,
    started: Instant,
    until_look: usize,
}

impl Turn {
    pub(super) fn of_fan_out() -> Self {
        Self { length: FAN_OUT, started: Instant::now(), until_look: RECEIVERS_PER_LOOK }
    }

    pub(super) fn of_reading() -> Self {
        Self { length: READING, ..Self::of_fan_out() }
    }

    pub(super) async fn maybe_yield(&mut self) {
        self.until_look -= 1;
        if self.until_look == 0 {
            self.until_look = RECEIVERS_PER_LOOK;
            if self.is_over() {
                tokio::task::yield_now().await;
                self.started = Instant::now();
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.started.elapsed() >= self.length
    }
}
