//! What makes the address of each live request another one, so that no cache gives the same answer for ever (section 10.1).

use std::time::Duration;

/// October 9, 2024, in seconds since 1970: where the protocol begins to count.
const EPOCH_S: u64 = 1_728_432_000;

/// How long an interval is.
const INTERVAL: Duration = Duration::from_secs(20);

/// How far ahead of its client a cursor goes at most, if the client is ahead of the clock.
const JITTER: Duration = Duration::from_secs(3600);

/// The cursor for a live answer: the interval that it is, or one behind what the client has. `chance` is any number.
pub(super) fn next(unix_s: u64, client: Option<&str>, chance: u64) -> u64 {
    let now = unix_s.saturating_sub(EPOCH_S) / INTERVAL.as_secs();
    let client: Option<u64> = client.and_then(|cursor| cursor.parse().ok());
    match client {
        Some(client) if client >= now => {
            client.saturating_add(1 + chance % (JITTER.as_secs() / INTERVAL.as_secs()))
        }
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_interval() {
        assert_eq!(next(EPOCH_S, None, 7), 0);
        assert_eq!(next(EPOCH_S + 59, None, 7), 2);
        assert_eq!(next(EPOCH_S + 60, Some("2"), 7), 3);
        assert_eq!(next(0, None, 0), 0);
    }

    #[test]
    fn it_never_stands_still() {
        for chance in [0, 179, 180, u64::MAX] {
            let cursor = next(EPOCH_S + 60, Some("3"), chance);
            assert!(cursor > 3 && cursor <= 183, "{cursor}");
        }
        assert!(next(EPOCH_S, Some("1000"), 0) > 1000);
        assert_eq!(next(EPOCH_S + 60, Some("nonsense"), 0), 3);
    }
}
