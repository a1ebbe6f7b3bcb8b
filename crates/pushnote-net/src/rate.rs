//! How often clients of one address may do a thing within a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Counts for each address, and forgets all every second: it holds no more addresses than act within one.
#[derive(Debug)]
pub struct Rate {
    per_second_max: u32,
    now: Mutex<(Instant, HashMap<Option<IpAddr>, u32>)>,
}

impl Rate {
    /// So often.
    #[must_use]
    pub fn new(per_second_max: u32) -> Self {
        Self { per_second_max, now: Mutex::new((Instant::now(), HashMap::new())) }
    }

    /// Counts one more; whether it is within the limit.
    pub fn admits(&self, client: Option<IpAddr>) -> bool {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, counts) = &mut *now;
        if since.elapsed() >= SECOND {
            *since = Instant::now();
            *counts = HashMap::new();
        }
        let count = counts.entry(client).or_default();
        *count = count.saturating_add(1);
        *count <= self.per_second_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_address_has_a_number_for_each_second() {
        let [here, there] = ["127.0.0.1", "::1"].map(|address| address.parse().ok());
        let rate = Rate::new(2);
        assert_eq!([here, here, here, there].map(|client| rate.admits(client)), [true, true, false, true]);
        tokio::time::advance(SECOND).await;
        assert!(rate.admits(here));
    }
}
