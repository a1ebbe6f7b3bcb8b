//! Tickets: what stands in a URL in place of a token, once and not for long. A URL is seen by proxies, logs and histories.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long one is good for.
pub(super) const LIFE: Duration = Duration::from_secs(30);

/// Most that are good at one time. What finds them takes less than 512 bytes each, 32 MiB: with their tokens, less than
/// 96 MiB in all.
const TICKETS_MAX: usize = 1 << 16;

/// What the tokens of all of them take at most, in bytes.
const TOKEN_BYTES_MAX: usize = 64 << 20;

/// Those that are good now.
#[derive(Default)]
pub(super) struct Tickets(Mutex<State>);

#[derive(Default)]
struct State {
    /// When each ends, and its tokens.
    good: HashMap<String, (Instant, Vec<String>)>,
    /// The same ones in the order of time.
    ends: BTreeSet<(Instant, String)>,
    /// What their tokens take.
    token_bytes: usize,
}

impl Tickets {
    /// A ticket for these tokens; `None` while there are too many, or no chance to be had from the system.
    pub(super) fn issue(&self, tokens: Vec<String>) -> Option<String> {
        let ticket = format!("{:016x}{:016x}", getrandom::u64().ok()?, getrandom::u64().ok()?);
        let (now, bytes) = (Instant::now(), bytes_of(&tokens));
        let mut state = self.lock();
        state.forget_ended(now);
        if state.good.len() >= TICKETS_MAX || bytes > TOKEN_BYTES_MAX - state.token_bytes {
            return None;
        }
        state.good.insert(ticket.clone(), (now + LIFE, tokens));
        state.ends.insert((now + LIFE, ticket.clone()));
        state.token_bytes += bytes;
        Some(ticket)
    }

    /// The tokens of a ticket that is good, which it is no more then.
    pub(super) fn redeem(&self, ticket: &str) -> Option<Vec<String>> {
        let mut state = self.lock();
        state.forget_ended(Instant::now());
        state.take(ticket)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_ended(&mut self, now: Instant) {
        while let Some((_, ticket)) = self.ends.first().filter(|(end, _)| *end <= now).cloned() {
            self.take(&ticket);
        }
    }

    fn take(&mut self, ticket: &str) -> Option<Vec<String>> {
        let (end, tokens) = self.good.remove(ticket)?;
        self.ends.remove(&(end, ticket.to_owned()));
        self.token_bytes -= bytes_of(&tokens);
        Some(tokens)
    }
}

/// What tokens take, in bytes.
fn bytes_of(tokens: &Vec<String>) -> usize {
    tokens.capacity() * size_of::<String>() + tokens.iter().map(String::capacity).sum::<usize>()
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
        // Those that have been used do not count.
        for _ in 0..=TICKETS_MAX {
            let ticket = tickets.issue(Vec::new()).unwrap();
            assert_eq!(tickets.redeem(&ticket), Some(Vec::new()));
        }
        let issued = (0..=TICKETS_MAX).filter(|_| tickets.issue(Vec::new()).is_some()).count();
        assert_eq!(issued, TICKETS_MAX);
        tokio::time::advance(LIFE).await;
        assert!(tickets.issue(Vec::new()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn their_tokens_do_not_take_too_much() {
        let tickets = Tickets::default();
        let tokens = || vec!["a".repeat(TOKEN_BYTES_MAX / 4)];
        let issued: Vec<_> = (0..4).filter_map(|_| tickets.issue(tokens())).collect();
        assert_eq!(issued.len(), 3);
        assert_eq!(tickets.redeem(&issued[0]), Some(tokens()));
        assert!(tickets.issue(tokens()).is_some());
        assert_eq!(tickets.issue(tokens()), None);
        tokio::time::advance(LIFE).await;
        assert!(tickets.issue(tokens()).is_some());
        assert_eq!(tickets.lock().token_bytes, bytes_of(&tokens()));
    }
}
