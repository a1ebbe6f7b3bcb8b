//! When to ping, and when to give up. Without a clock: the time is an argument.

use pushnote_net::{LATE, after};
use tokio::time::Instant;

use super::options::SocketOptions;

/// Tracks a peer's last sign of life. Nobody is dead who was not pinged, and given its time while this process ran.
#[derive(Debug)]
pub(super) enum Heartbeat {
    /// The last sign of life came then.
    Alive(Instant),
    /// A ping was sent then, and nothing has come since.
    Pinged(Instant),
}

/// What the heartbeat's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing until then.
    Wait(Instant),
    /// Send a ping; then nothing until then.
    Ping(Instant),
    /// The peer has been silent for too long.
    Dead,
}

impl Heartbeat {
    pub(super) fn new(now: Instant) -> Self {
        Self::Alive(now)
    }

    /// Notes a sign of life. `true`: it answers a ping, and the timer is to be set for the next.
    pub(super) fn alive(&mut self, now: Instant) -> bool {
        matches!(std::mem::replace(self, Self::Alive(now)), Self::Pinged(_))
    }

    pub(super) fn ping_at(&self, options: &SocketOptions) -> Instant {
        let (Self::Alive(at) | Self::Pinged(at)) = *self;
        after(at, options.ping_interval)
    }

    /// To be called when the timer fires.
    pub(super) fn beat(&mut self, now: Instant, options: &SocketOptions) -> Beat {
        match *self {
            Self::Alive(_) if now < self.ping_at(options) => return Beat::Wait(self.ping_at(options)),
            Self::Alive(_) => {}
            Self::Pinged(at) => {
                let dead_at = after(at, options.pong_timeout);
                if now < dead_at {
                    return Beat::Wait(dead_at);
                }
                if now < dead_at + LATE {
                    return Beat::Dead;
                }
            }
        }
        *self = Self::Pinged(now);
        Beat::Ping(after(now, options.pong_timeout))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_pinged_then_ended() {
        let (start, options) = (Instant::now(), SocketOptions::default());
        let mut heartbeat = Heartbeat::new(start);
        assert_eq!(heartbeat.beat(start, &options), Beat::Wait(start + 25 * SECOND));
        assert_eq!(heartbeat.beat(start + 25 * SECOND, &options), Beat::Ping(start + 35 * SECOND));
        assert_eq!(heartbeat.beat(start + 30 * SECOND, &options), Beat::Wait(start + 35 * SECOND));
        assert_eq!(heartbeat.beat(start + 35 * SECOND, &options), Beat::Dead);
    }

    #[test]
    fn any_sign_of_life_starts_over() {
        let (start, options) = (Instant::now(), SocketOptions::default());
        let mut heartbeat = Heartbeat::new(start);
        assert!(!heartbeat.alive(start + 10 * SECOND));
        assert_eq!(heartbeat.beat(start + 25 * SECOND, &options), Beat::Wait(start + 35 * SECOND));
        assert_eq!(heartbeat.beat(start + 35 * SECOND, &options), Beat::Ping(start + 45 * SECOND));
        assert!(heartbeat.alive(start + 36 * SECOND), "an answered ping");
        assert_eq!(heartbeat.beat(start + 45 * SECOND, &options), Beat::Wait(start + 61 * SECOND));
    }

    #[test]
    fn never_is_a_long_time() {
        let start = Instant::now();
        let options = SocketOptions { ping_interval: Duration::MAX, ..SocketOptions::default() };
        let Beat::Wait(until) = Heartbeat::new(start).beat(start, &options) else { panic!("no wait") };
        assert!(until > start + 3600 * SECOND);
    }

    #[test]
    fn a_process_that_stood_still_pings_first_and_blames_nobody() {
        let (start, options) = (Instant::now(), SocketOptions::default());
        let mut heartbeat = Heartbeat::new(start);
        // It stood still before the ping, and again before the answer could be read.
        assert_eq!(heartbeat.beat(start + 65 * SECOND, &options), Beat::Ping(start + 75 * SECOND));
        assert_eq!(heartbeat.beat(start + 105 * SECOND, &options), Beat::Ping(start + 115 * SECOND));
        assert_eq!(heartbeat.beat(start + 115 * SECOND, &options), Beat::Dead);
    }
}
