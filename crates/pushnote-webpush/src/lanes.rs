//! How many requests are under way at once: what a service holds up waits for that service alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::queues::STRANGERS_MAX;
use crate::service::Service;

/// As many requests as the sender has to each service, and to all that are not one of the great ones.
#[derive(Debug)]
pub(crate) struct Lanes {
    each: usize,
    lanes: Mutex<HashMap<Box<str>, Weak<Semaphore>>>,
    strangers: Arc<Semaphore>,
}

/// A place on one of them, until it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct OnLane {
    _place: Option<OwnedSemaphorePermit>,
    _among_strangers: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    /// So many requests to each service.
    pub(crate) fn new(each: usize) -> Self {
        let each = each.clamp(1, Semaphore::MAX_PERMITS);
        Self { each, lanes: Mutex::default(), strangers: Arc::new(Semaphore::new(STRANGERS_MAX)) }
    }

    /// Waits for a place, among those who want the same service.
    pub(crate) async fn enter(&self, origin: &str) -> OnLane {
        // They are never closed.
        let place = self.lane(origin).acquire_owned().await.ok();
        let among_strangers = match Service::of(origin) {
            Service::Other => Arc::clone(&self.strangers).acquire_owned().await.ok(),
            _ => None,
        };
        OnLane { _place: place, _among_strangers: among_strangers }
    }

    fn lane(&self, origin: &str) -> Arc<Semaphore> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(origin).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Arc::new(Semaphore::new(self.each));
        lanes.insert(origin.into(), Arc::downgrade(&lane));
        lane
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_wants_another_service_does_not_wait() {
        let lanes = Lanes::new(2);
        let silent = (lanes.enter("https://a.example").await, lanes.enter("https://a.example").await);
        let third = lanes.enter("https://a.example");
        assert!(timeout(Duration::from_secs(60), third).await.is_err());
        drop(lanes.enter("https://b.example").await);
        drop(silent);
        drop(lanes.enter("https://a.example").await);
        drop(lanes.enter("https://c.example").await);
        assert_eq!(lanes.lanes.lock().unwrap().len(), 1, "what is not used is not kept");
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_of_somebodys_own_hold_up_only_each_other() {
        let (lanes, mut silent) = (Lanes::new(2), Vec::new());
        for number in 0..STRANGERS_MAX {
            silent.push(lanes.enter(&format!("https://{number}.example")).await);
        }
        assert!(timeout(Duration::from_secs(60), lanes.enter("https://a.example")).await.is_err());
        drop(lanes.enter("https://fcm.googleapis.com").await);
    }
}
