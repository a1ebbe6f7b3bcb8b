//! What was logged about which peer, so that it is not logged again.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Peers and causes remembered.
const PAIRS_MAX: usize = 1024;
/// Strangers from ever new addresses write [`PAIRS_MAX`] lines in this time at most, and no more are remembered.
const FLOOD_PAUSE: Duration = Duration::from_secs(3600);

/// Each peer and cause once.
#[derive(Debug, Default)]
pub(crate) struct Reported(Mutex<Pairs>);

#[derive(Debug, Default)]
struct Pairs {
    known: HashSet<(String, &'static str)>,
    /// When the oldest of them was remembered.
    since: Option<Instant>,
}

impl Reported {
    /// Whether this is to be logged: it was not before. A peer is an address here; its port changes each time.
    pub(crate) fn is_new(&self, peer: &str, cause: &'static str, now: Instant) -> bool {
        let host = peer.parse::<SocketAddr>().map_or_else(|_| peer.into(), |peer| peer.ip().to_string());
        let pair = (host, cause);
        let mut pairs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.known.contains(&pair) {
            return false;
        }
        if pairs.known.len() >= PAIRS_MAX {
            if pairs.since.is_some_and(|since| now.duration_since(since) < FLOOD_PAUSE) {
                return false;
            }
            *pairs = Pairs::default();
        }
        pairs.since.get_or_insert(now);
        pairs.known.insert(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_and_cause_is_new_once() {
        let (reported, now) = (Reported::default(), Instant::now());
        let is_new = |peer, cause| reported.is_new(peer, cause, now);
        assert!(is_new("192.0.2.1:1000", "curve"));
        assert!(!is_new("192.0.2.1:2000", "curve"), "the port is another one each time");
        assert!(is_new("192.0.2.1:1000", "handshake") && is_new("[2001:db8::1]:1", "curve"));
        assert!(is_new("tcp://a:1", "curve") && is_new("tcp://a:2", "curve"), "endpoints are themselves");
    }

    #[test]
    fn a_flood_of_strangers_ends() {
        let (reported, start) = (Reported::default(), Instant::now());
        let lines = |from: u32, now| {
            (from..from + 5000)
                .filter(|peer| {
                    let peer = format!("{}:1", std::net::Ipv4Addr::from(*peer));
                    reported.is_new(&peer, "curve", now)
                })
                .count()
        };
        assert_eq!(lines(0, start), PAIRS_MAX);
        assert_eq!(lines(5000, start + FLOOD_PAUSE / 2), 0);
        assert_eq!(lines(5000, start + FLOOD_PAUSE), PAIRS_MAX);
    }
}
