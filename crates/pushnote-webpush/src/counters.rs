//! What happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::job::Outcome;
use crate::service::Service;

/// What a sender has done since it was started, for each service.
#[derive(Debug, Default)]
pub struct Counters {
    services: [PerService; Service::ALL.len()],
}

#[derive(Debug, Default)]
struct PerService {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    retries: AtomicU64,
    pauses: AtomicU64,
}

impl Counters {
    /// Messages that came to this end.
    pub fn outcomes(&self, service: Service, outcome: Outcome) -> u64 {
        self.of(service).outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// Tries that came to nothing, and are to be repeated.
    pub fn retries(&self, service: Service) -> u64 {
        self.of(service).retries.load(Ordering::Relaxed)
    }

    /// How often nothing was sent for a while, because the service wanted it so or did not work.
    pub fn pauses(&self, service: Service) -> u64 {
        self.of(service).pauses.load(Ordering::Relaxed)
    }

    pub(crate) fn done(&self, service: Service, outcome: Outcome) {
        self.of(service).outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self, service: Service) {
        self.of(service).retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn paused(&self, service: Service) {
        self.of(service).pauses.fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, service: Service) -> &PerService {
        &self.services[service as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place() {
        for (at, service) in Service::ALL.into_iter().enumerate() {
            assert_eq!(service as usize, at);
        }
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at);
        }
        let counters = Counters::default();
        counters.done(Service::Other, Outcome::Expired);
        assert_eq!(counters.outcomes(Service::Other, Outcome::Expired), 1);
        assert_eq!(counters.outcomes(Service::Fcm, Outcome::Expired), 0);
    }
}
