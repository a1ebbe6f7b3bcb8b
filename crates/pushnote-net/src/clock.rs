//! The clock tokens are checked against; the domain itself has none.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in seconds; 0 if the clock stands before 1970.
pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
