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

/// One connection's heartbeat: a PING each interval, and a peer silent for two of them is dead.
///
/// PINGs go out even while the peer is talking, so that a peer which cannot answer (its reader waits for room) is
/// still heard by us, and we by it.
#[derive(Debug)]
pub struct Heartbeat {
    interval: Duration,
    heard: Instant,
    ping: Instant,
    /// We do not read at present, so silence means nothing.
    deaf: bool,
}

impl Heartbeat {
    /// Starts at the end of the handshake.
    pub fn new(interval: Duration, now: Instant) -> Self {
        Heartbeat { interval, heard: now, ping: now + interval, deaf: false }
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
        let dead = self.heard + 2 * self.interval;
        if now >= dead && !self.deaf {
            return Beat::Dead;
        }
        if now >= self.ping {
            self.ping = now + self.interval;
            return Beat::Ping;
        }
        Beat::Wait(if self.deaf { self.ping } else { self.ping.min(dead) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    #[test]
    fn pings_each_interval_and_dies_after_two_silent_ones() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        assert_eq!(heartbeat.poll(start), Beat::Wait(start + INTERVAL));
        assert_eq!(heartbeat.poll(start + INTERVAL), Beat::Ping);
        assert_eq!(heartbeat.poll(start + INTERVAL), Beat::Wait(start + 2 * INTERVAL));
        assert_eq!(heartbeat.poll(start + 2 * INTERVAL), Beat::Dead);
    }

    #[test]
    fn anything_heard_postpones_death_but_not_the_ping() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        heartbeat.heard(start + INTERVAL);
        assert_eq!(heartbeat.poll(start + 2 * INTERVAL), Beat::Ping);
        assert_eq!(heartbeat.poll(start + 3 * INTERVAL), Beat::Dead);
    }

    #[test]
    fn silence_counts_only_while_we_read() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(INTERVAL, start);
        heartbeat.stop_listening();
        assert_eq!(heartbeat.poll(start + 9 * INTERVAL), Beat::Ping);
        heartbeat.listen(start + 9 * INTERVAL);
        assert_eq!(heartbeat.poll(start + 10 * INTERVAL), Beat::Ping);
        assert_eq!(heartbeat.poll(start + 11 * INTERVAL), Beat::Dead);
    }
}
