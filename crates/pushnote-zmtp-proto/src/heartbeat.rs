//! When to send a PING and when to give a peer up, without a clock of its own.

use std::time::{Duration, Instant};

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Send a PING.
    Ping,
    /// Nothing was heard for two intervals.
    Dead,
    /// Ask again then.
    Wait(Instant),
}

/// Asked so much later than it was due, the process stood still (it was paused, swapped out, moved to another machine):
/// what the peer has sent meanwhile lies unread, and its silence says nothing.
const LATE: Duration = Duration::from_secs(1);

/// One connection's heartbeat: a PING each interval, and a peer silent for two of them is dead.
///
/// Silence counts only while this process runs: after it stood still, a PING goes out first, and the peer has the whole
/// time again.
///
/// PINGs go out even while the peer is talking, so that a peer which cannot answer (its reader waits for room) is
/// still heard by us, and we by it.
#[derive(Debug)]
pub struct Heartbeat {
    interval: Duration,
    heard: Instant,
    ping: Instant,
    /// When we are to be asked again.
    due: Option<Instant>,
    /// We do not read at present, so silence means nothing.
    deaf: bool,
}

impl Heartbeat {
    /// Starts at the end of the handshake.
    pub fn new(interval: Duration, now: Instant) -> Self {
        Heartbeat { interval, heard: now, ping: now + interval, due: None, deaf: false }
    }

    /// Anything came from the peer.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// We stop reading until what was read has found room.
    pub fn stop_listening(&mut self) {
        self.deaf = true;
    }

    /// We read again.
    pub fn listen(&mut self, now: Instant) {
        self.deaf = false;
        self.heard = now;
    }

    /// What is to be done at `now`.
    pub fn poll(&mut self, now: Instant) -> Beat {
        if self.due.is_some_and(|due| now > due + LATE) {
            (self.heard, self.ping) = (now, now);
        }
        let dead = self.heard + 2 * self.interval;
        if now >= dead && !self.deaf {
            return Beat::Dead;
        }
        if now >= self.ping {
            self.ping = now + self.interval;
            self.due = Some(now);
            return Beat::Ping;
        }
        let due = if self.deaf { self.ping } else { self.ping.min(dead) };
        self.due = Some(due);
        Beat::Wait(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn any_time() -> Instant {
        #[expect(clippy::disallowed_methods, reason = "any point in time will do as the start")]
        let now = Instant::now();
        now
    }

    #[test]
    fn pings_each_interval_and_dies_after_two_silent_ones() {
        let start = any_time();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        assert_eq!(heartbeat.poll(start), Beat::Wait(start + INTERVAL));
        assert_eq!(heartbeat.poll(start + INTERVAL), Beat::Ping);
        assert_eq!(heartbeat.poll(start + INTERVAL), Beat::Wait(start + 2 * INTERVAL));
        assert_eq!(heartbeat.poll(start + 2 * INTERVAL), Beat::Dead);
    }

    #[test]
    fn anything_heard_postpones_death_but_not_the_ping() {
        let start = any_time();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        heartbeat.heard(start + INTERVAL);
        assert_eq!(heartbeat.poll(start + 2 * INTERVAL), Beat::Ping);
        assert_eq!(heartbeat.poll(start + 2 * INTERVAL), Beat::Wait(start + 3 * INTERVAL));
        assert_eq!(heartbeat.poll(start + 3 * INTERVAL), Beat::Dead);
    }

    #[test]
    fn silence_counts_only_while_we_read() {
        let start = any_time();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        heartbeat.stop_listening();
        assert_eq!(heartbeat.poll(start + 9 * INTERVAL), Beat::Ping);
        heartbeat.listen(start + 9 * INTERVAL);
        assert_eq!(heartbeat.poll(start + 9 * INTERVAL), Beat::Wait(start + 10 * INTERVAL));
        assert_eq!(heartbeat.poll(start + 10 * INTERVAL), Beat::Ping);
        assert_eq!(heartbeat.poll(start + 10 * INTERVAL), Beat::Wait(start + 11 * INTERVAL));
        assert_eq!(heartbeat.poll(start + 11 * INTERVAL), Beat::Dead);
    }

    #[test]
    fn a_process_that_stood_still_pings_first_and_blames_nobody() {
        let start = any_time();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        assert_eq!(heartbeat.poll(start), Beat::Wait(start + INTERVAL));
        let awake = start + 12 * INTERVAL;
        assert_eq!(heartbeat.poll(awake), Beat::Ping);
        assert_eq!(heartbeat.poll(awake), Beat::Wait(awake + INTERVAL));
        assert_eq!(heartbeat.poll(awake + INTERVAL), Beat::Ping);
        assert_eq!(heartbeat.poll(awake + INTERVAL), Beat::Wait(awake + 2 * INTERVAL));
        assert_eq!(heartbeat.poll(awake + 2 * INTERVAL), Beat::Dead);
    }
}
