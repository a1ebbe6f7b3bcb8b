//! When messages are due.

use std::time::Duration;

/// How the load is paced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many messages at once, and the next so many when every connection has them all.
    Closed {
        /// Messages at once.
        in_flight: u32,
    },
    /// So many messages per second, whatever the server does. Latency counts from when a message was due, not from
    /// when a busy generator came to send it: a stall of the server is seen by all messages it delayed.
    Open {
        /// Messages a second.
        per_second: f64,
    },
}

/// The messages of one run, in time. Times are nanoseconds of the generator's clock.
#[derive(Debug)]
pub(crate) struct Schedule {
    pace: Pace,
    start_ns: u64,
    issued: u64,
    left_in_round: u32,
}

impl Schedule {
    pub(crate) fn new(pace: Pace, start_ns: u64) -> Self {
        Self { pace, start_ns, issued: 0, left_in_round: 0 }
    }

    /// When the next message was due, if it is to be sent now. `quiet`: no delivery is outstanding.
    pub(crate) fn due(&mut self, now_ns: u64, quiet: bool) -> Option<u64> {
        let due_ns = match self.pace {
            Pace::Closed { in_flight } => {
                if self.left_in_round == 0 && quiet {
                    self.left_in_round = in_flight;
                }
                self.left_in_round = self.left_in_round.checked_sub(1)?;
                now_ns
            }
            Pace::Open { .. } => self.next_ns().filter(|&next_ns| next_ns <= now_ns)?,
        };
        self.issued += 1;
        Some(due_ns)
    }

    /// Whether [`Schedule::due`] would have a message then: of those whose time does not depend on others.
    pub(crate) fn is_due(&self, now_ns: u64) -> bool {
        self.next_ns().is_some_and(|next_ns| next_ns <= now_ns)
    }

    /// Whether messages come in rounds, with quiet between them.
    pub(crate) fn has_rounds(&self) -> bool {
        matches!(self.pace, Pace::Closed { .. })
    }

    /// Whether a burst is being published that belongs together.
    pub(crate) fn in_round(&self) -> bool {
        self.left_in_round > 0
    }

    /// How long nothing will be due unless something arrives.
    pub(crate) fn wait(&self, now_ns: u64) -> Option<Duration> {
        Some(Duration::from_nanos(self.next_ns()?.saturating_sub(now_ns)))
    }

    fn next_ns(&self) -> Option<u64> {
        match self.pace {
            Pace::Closed { .. } => None,
            Pace::Open { per_second } => Some(self.start_ns + (self.issued as f64 * 1e9 / per_second) as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_sends_the_next_round_when_all_is_quiet() {
        let mut schedule = Schedule::new(Pace::Closed { in_flight: 2 }, 0);
        assert_eq!(schedule.due(5, true), Some(5));
        assert!(schedule.in_round());
        assert_eq!(schedule.due(5, false), Some(5));
        assert!(!schedule.in_round());
        assert_eq!(schedule.due(6, false), None);
        assert_eq!(schedule.due(7, true), Some(7));
        assert_eq!(schedule.wait(7), None);
    }

    #[test]
    fn an_open_loop_catches_up_with_the_times_it_missed() {
        let mut schedule = Schedule::new(Pace::Open { per_second: 1000.0 }, 100);
        assert_eq!(schedule.due(100, false), Some(100));
        assert_eq!(schedule.due(100, true), None);
        assert_eq!(schedule.wait(100), Some(Duration::from_millis(1)));
        let late = 100 + 3_500_000;
        let due: Vec<_> = std::iter::from_fn(|| schedule.due(late, false)).collect();
        assert_eq!(due, [1_000_100, 2_000_100, 3_000_100]);
    }
}
