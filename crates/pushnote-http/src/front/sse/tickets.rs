//! Tickets: what stands in a URL in place of a token, once and not for long. A URL is seen by proxies, logs and histories.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long one is good for.
pub(super) const LIFE: Duration = Duration::from_secs(30);

/// Most of them at one time.
const TICKETS_MAX: usize = 4096;

/// Those that are good now.
#[derive(Default)]
pub(super) struct Tickets(Mutex<State>);

#[derive(Default)]
struct State {
    tokens: HashMap<String, Vec<String>>,
    /// Oldest first; some have been used.
    ends: VecDeque<(Instant, String)>,
}

impl Tickets {
    /// A ticket for these tokens; `None` while there are too many, or no chance to be had from the system.
    pub(super) fn issue(&self, tokens: Vec<String>) -> Option<String> {
        let ticket = format!("{:016x}{:016x}", getrandom::u64().ok()?, getrandom::u64().ok()?);
        let now = Instant::now();
        let mut state = self.lock();
        state.forget_ended(now);
        if state.ends.len() >= TICKETS_MAX {
            return None;
        }
        state.tokens.insert(ticket.clone(), tokens);
        state.ends.push_back((now + LIFE, ticket.clone()));
        Some(ticket)
    }

    /// The tokens of a ticket that is good, which it is no more then.
    pub(super) fn redeem(&self, ticket: &str) -> Option<Vec<String>> {
        let mut state = self.lock();
        state.forget_ended(Instant::now());
        state.tokens.remove(ticket)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_ended(&mut self, now: Instant) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, ticket)) = self.ends.pop_front() {
                self.tokens.remove(&ticket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ticket_is_good_once_and_not_for_long() {
        let tickets = Tickets::default();
        let (one, other) = (tickets.issue(vec!["a".into()]).unwrap(), tickets.issue(Vec::new()).unwrap());
        assert_eq!(tickets.redeem(&one), Some(vec!["a".to_owned()]));
        assert_eq!(tickets.redeem(&one), None);
        tokio::time::advance(LIFE).await;
        assert_eq!(tickets.redeem(&other), None);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_not_too_many() {
        let tickets = Tickets::default();
        let issued = (0..=TICKETS_MAX).filter(|_| tickets.issue(Vec::new()).is_some()).count();
        assert_eq!(issued, TICKETS_MAX);
        tokio::time::advance(LIFE).await;
        assert!(tickets.issue(Vec::new()).is_some());
    }
}
