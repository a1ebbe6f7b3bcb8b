//! Messages of the last minutes that have an id: so that one which is sent twice is published once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::receipt::Receipt;

/// How long an id is remembered.
const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// Ids at most: of more, the oldest are forgotten sooner.
const IDS_MAX: usize = 100_000;

/// Whose id it is, and the id.
type Id = (Box<str>, Box<str>);

/// What is known of an id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing; from now on it is being published.
    New,
    /// It is being published.
    Pending,
    /// Another message has it.
    Another,
    /// What was answered.
    Receipt(Receipt),
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Id, Entry>,
    /// By when they began. An id may stand here that is gone from the entries, or has begun anew.
    order: VecDeque<(Instant, Id)>,
}

#[derive(Debug)]
struct Entry {
    began: Instant,
    fingerprint: u64,
    receipt: Option<Receipt>,
}

impl Recent {
    /// Looks up an id of a key, and notes it if it is new.
    pub(crate) fn begin(&self, key: &str, id: &str, fingerprint: u64) -> Known {
        let now = Instant::now();
        let mut state = self.state();
        state.forget(now);
        let id: Id = (key.into(), id.into());
        match state.entries.get(&id) {
            Some(entry) if entry.fingerprint != fingerprint => Known::Another,
            Some(Entry { receipt: Some(receipt), .. }) => Known::Receipt(receipt.clone()),
            Some(_) => Known::Pending,
            None => {
                state.order.push_back((now, id.clone()));
                state.entries.insert(id, Entry { began: now, fingerprint, receipt: None });
                Known::New
            }
        }
    }

    /// It is published, or is not, and may be tried again.
    pub(crate) fn end(&self, key: &str, id: &str, receipt: Option<&Receipt>) {
        let mut state = self.state();
        let id: Id = (key.into(), id.into());
        match (receipt, state.entries.get_mut(&id)) {
            (Some(receipt), Some(entry)) => entry.receipt = Some(receipt.clone()),
            (None, Some(_)) => {
                state.entries.remove(&id);
            }
            (_, None) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, now: Instant) {
        while let Some((began, _)) = self.order.front()
            && (now.duration_since(*began) >= REMEMBERED || self.order.len() > IDS_MAX)
        {
            let Some((began, id)) = self.order.pop_front() else { return };
            if self.entries.get(&id).is_some_and(|entry| entry.began == began) {
                self.entries.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt::default()
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_is_remembered_for_five_minutes() {
        let recent = Recent::default();
        assert_eq!(recent.begin("web", "1", 7), Known::New);
        assert_eq!(recent.begin("web", "1", 7), Known::Pending);
        assert_eq!(recent.begin("other", "1", 7), Known::New);
        recent.end("web", "1", Some(&receipt()));
        assert_eq!(recent.begin("web", "1", 7), Known::Receipt(receipt()));
        assert_eq!(recent.begin("web", "1", 8), Known::Another);
        tokio::time::advance(REMEMBERED - Duration::from_secs(1)).await;
        assert_eq!(recent.begin("web", "1", 7), Known::Receipt(receipt()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(recent.begin("web", "1", 8), Known::New);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_may_be_tried_again() {
        let recent = Recent::default();
        assert_eq!(recent.begin("web", "1", 7), Known::New);
        recent.end("web", "1", None);
        assert_eq!(recent.begin("web", "1", 7), Known::New);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_only_so_many() {
        let recent = Recent::default();
        for id in 0..IDS_MAX + 10 {
            recent.begin("web", &id.to_string(), 7);
        }
        assert!(recent.state().entries.len() <= IDS_MAX + 1);
    }
}
