//! What the hub counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Running totals since the start, shared by all shards.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages accepted for fan-out.
    pub publications: Counter,
    /// Messages given to receivers (one publication to 1,000 receivers counts 1,000).
    pub deliveries: Counter,
    /// Times that a receiver's client did not take what came, and it stayed at its place in the log.
    pub fell_behind: Counter,
    /// Receivers that were told that messages are missing, because they were slower than the log is long.
    pub gaps: Counter,
    /// Receivers closed because they did not keep up and could not be told.
    pub slow_consumers: Counter,
    /// Receivers attached since the start.
    pub attached: Counter,
    /// Receivers detached since the start.
    pub detached: Counter,
    /// Tokens of clients that did not verify.
    pub tokens_refused: Counter,
    /// Subscriptions that were beyond a limit, or that no token allowed.
    pub subscriptions_refused: Counter,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The total so far.
    pub fn total(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
