//! Warnings that others can cause, so limited that nobody can fill a disk with them.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

/// Between two lines of one kind.
const INTERVAL: Duration = Duration::from_secs(60);
/// Lines of all kinds together in [`INTERVAL`]: a kind may contain what a stranger chose, an address for example.
const LINES_MAX: u32 = 100;
/// Kinds remembered.
const KINDS_MAX: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");

/// Lets one line per kind and minute through, and counts the others, so that the next line can say how many it
/// stands for.
///
/// A kind is what a reader wants to see apart: a fault, or a fault and the peer that commits it. Kinds are bounded
/// in number, and so are the lines of all kinds together (100 a minute): whoever invents kinds fills neither the
/// memory nor the disk. Every warning and every info line that input from outside can cause goes through one:
///
/// ```
/// # let (log, why) = (pushnote_net::LogOnce::<&str>::new(), "text");
/// if let Some(unlogged) = log.due("envelope") {
///     println!("envelope refused: {why}; {unlogged} more since the last such line");
/// }
/// ```
#[derive(Debug)]
pub struct LogOnce<K: Hash + Eq = &'static str>(Mutex<State<K>>);

#[derive(Debug)]
struct State<K: Hash + Eq> {
    kinds: LruCache<K, Kind>,
    /// When the present minute of all kinds together began, and its lines so far.
    began: Option<Instant>,
    lines: u32,
    /// Times that were not logged, of kinds that are no longer remembered.
    forgotten: u64,
}

#[derive(Debug, Default)]
struct Kind {
    logged: Option<Instant>,
    unlogged: u64,
}

impl<K: Hash + Eq> LogOnce<K> {
    /// Nothing was logged yet.
    pub fn new() -> Self {
        Self(Mutex::new(State { kinds: LruCache::new(KINDS_MAX), began: None, lines: 0, forgotten: 0 }))
    }

    /// Whether a line of `kind` is to be written now; and if so, how many were not written since the last one: those
    /// of this kind, and those of kinds that are no longer remembered.
    pub fn due(&self, kind: K) -> Option<u64> {
        self.due_at(kind, Instant::now())
    }

    /// [`LogOnce::due`] at a given time, which never goes back.
    pub fn due_at(&self, kind: K, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.due(kind, now)
    }
}

impl<K: Hash + Eq> Default for LogOnce<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Hash + Eq> State<K> {
    fn due(&mut self, key: K, now: Instant) -> Option<u64> {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= INTERVAL;
        if self.began.is_none_or(is_over) {
            (self.began, self.lines) = (Some(now), 0);
        }
        let room = self.lines < LINES_MAX;
        if !self.kinds.contains(&key) && self.kinds.len() == self.kinds.cap().get() {
            self.forgotten += self.kinds.pop_lru().map_or(0, |(_, oldest)| oldest.unlogged);
        }
        let kind = self.kinds.get_or_insert_mut(key, Kind::default);
        if !room || !kind.logged.is_none_or(is_over) {
            kind.unlogged += 1;
            return None;
        }
        kind.logged = Some(now);
        self.lines += 1;
        Some(std::mem::take(&mut kind.unlogged) + std::mem::take(&mut self.forgotten))
    }
}

/// Calls `log`, which logs, and goes on if that panics: so does `tracing-subscriber`'s own way to stderr when its reader
/// has ended, and what logs there has something to do that matters more.
pub fn harmless(log: impl FnOnce()) {
    // The panic was told of by the hook; there is nobody else to tell.
    let _ = catch_unwind(AssertUnwindSafe(log));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_line_a_minute_that_counts_the_others() {
        let (log, start) = (LogOnce::new(), Instant::now());
        assert_eq!(log.due_at("a", start), Some(0));
        assert_eq!(log.due_at("b", start), Some(0));
        for second in 1..60 {
            assert_eq!(log.due_at("a", start + Duration::from_secs(second)), None);
        }
        assert_eq!(log.due_at("a", start + INTERVAL), Some(59));
        assert_eq!(log.due_at("a", start + INTERVAL), None);
        assert_eq!(log.due_at("b", start + INTERVAL * 5), Some(0));
        assert_eq!(log.due_at("a", start + INTERVAL * 5), Some(1));
    }

    #[test]
    fn whoever_invents_kinds_fills_neither_log_nor_memory() {
        let (log, start) = (LogOnce::new(), Instant::now());
        let lines = |from: u32, now| (from..from + 5000).filter_map(|kind| log.due_at(kind, now)).count();
        assert_eq!(lines(0, start), LINES_MAX as usize);
        assert_eq!(lines(5000, start + INTERVAL / 2), 0);
        assert_eq!(log.0.lock().unwrap().kinds.len(), KINDS_MAX.get());
        // Every time is told of in the end: 10,000 came, of which 100 had a line and 1,023 are remembered yet.
        let told = log.due_at(10_000, start + INTERVAL).unwrap();
        assert_eq!(told, 10_000 - u64::from(LINES_MAX) - 1023);
    }
}
