//! How many requests may be under way at once past the queue: whoever is silent holds up only itself, and no API key takes all.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pushnote_webpush::{Endpoint, Service};
use tokio::sync::Notify;

/// Requests to one of the great services, and to all the others together.
const SERVICE_MAX: usize = 400;
/// Requests to one host of the others: anybody can subscribe with hosts of his own that never answer.
const HOST_MAX: usize = 200;
/// Of each of these, those that one API key has asked for are at most this part.
const KEY_PART: usize = 2;

/// The places of requests that are under way.
#[derive(Debug, Default)]
pub(super) struct Places {
    state: Mutex<State>,
    left: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// How many of each lot are taken; none of one that is not there.
    taken: HashMap<Lot, usize>,
    places: usize,
    closed: bool,
}

/// What is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lot {
    whose: Whose,
    /// What one key has of it; or all of it.
    key: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Service(Service),
    /// The origin of one that is not one of the great.
    Host(Arc<str>),
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    lots: Vec<Lot>,
}

/// Why there is no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Full {
    /// All of this are taken.
    Lot(Lot),
    /// The server ends.
    Closed,
}

impl Places {
    /// A place for a request to an endpoint, which this key has asked for.
    pub(super) fn take(self: &Arc<Self>, endpoint: &Endpoint, key: &Arc<str>) -> Result<Place, Full> {
        let lots = lots(endpoint, key);
        let mut state = self.state();
        if state.closed {
            return Err(Full::Closed);
        }
        let taken = |lot: &Lot| state.taken.get(lot).copied().unwrap_or_default();
        if let Some(full) = lots.iter().find(|lot| taken(lot) >= lot.most()) {
            return Err(Full::Lot(full.clone()));
        }
        state.places += 1;
        for lot in &lots {
            *state.taken.entry(lot.clone()).or_default() += 1;
        }
        Ok(Place { places: Arc::clone(self), lots })
    }

    /// Gives no more places, and waits until none is taken.
    pub(super) async fn close(&self) {
        loop {
            let left = {
                let mut state = self.state();
                state.closed = true;
                if state.places == 0 {
                    return;
                }
                self.left.notified()
            };
            left.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.places.state();
        state.places -= 1;
        for lot in &self.lots {
            if let Some(taken) = state.taken.get_mut(lot) {
                *taken -= 1;
                if *taken == 0 {
                    state.taken.remove(lot);
                }
            }
        }
        if state.places == 0 {
            self.places.left.notify_waiters();
        }
    }
}

/// Whatever a request takes a place of; what says most comes first.
fn lots(endpoint: &Endpoint, key: &Arc<str>) -> Vec<Lot> {
    let service = Service::of(endpoint.origin());
    let host = (service == Service::Other).then(|| Whose::Host(endpoint.origin().into()));
    let whose: Vec<_> = host.into_iter().chain([Whose::Service(service)]).collect();
    let of_all = whose.iter().map(|whose| Lot { whose: whose.clone(), key: None });
    let of_key = whose.iter().map(|whose| Lot { whose: whose.clone(), key: Some(Arc::clone(key)) });
    of_all.chain(of_key).collect()
}

impl Lot {
    fn most(&self) -> usize {
        let all = match self.whose {
            Whose::Service(_) => SERVICE_MAX,
            Whose::Host(_) => HOST_MAX,
        };
        if self.key.is_some() { all / KEY_PART } else { all }
    }
}

impl Full {
    /// What is full, for metrics.
    pub(crate) const CAUSES: [&str; 3] = ["service", "key", "end"];

    /// Which of these it is.
    pub(crate) fn cause(&self) -> usize {
        match self {
            Self::Lot(lot) => usize::from(lot.key.is_some()),
            Self::Closed => 2,
        }
    }

    /// Whether others have places still: the key has what it may have.
    pub(crate) fn is_of_key(&self) -> bool {
        self.cause() == 1
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Lot(lot) = self else { return f.write_str("the server ends") };
        write!(f, "{} requests", lot.most())?;
        if lot.key.is_some() {
            f.write_str(" of this API key")?;
        }
        match &lot.whose {
            Whose::Host(origin) => write!(f, " to {origin}")?,
            Whose::Service(Service::Other) => {
                f.write_str(" to push services that are none of the great four")?;
            }
            Whose::Service(service) => write!(f, " to the push service {}", service.label())?,
        }
        f.write_str(" wait for an answer, and no more may at once")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Arc<Places>, host: &str, key: &str, count: usize) -> Result<Vec<Place>, Full> {
        let endpoint = Endpoint::parse(format!("https://{host}/x")).unwrap();
        (0..count).map(|_| places.take(&endpoint, &key.into())).collect()
    }

    fn says(full: Result<Vec<Place>, Full>) -> String {
        full.unwrap_err().to_string()
    }

    #[test]
    fn a_host_has_its_places_and_a_key_half_of_them() {
        let places = Arc::new(Places::default());
        let _ours = take(&places, "a.example", "ours", 100).unwrap();
        let said = says(take(&places, "a.example", "ours", 1));
        assert!(said.starts_with("100 requests of this API key to https://a.example wait"), "{said}");
        let theirs = take(&places, "a.example", "theirs", 100).unwrap();
        let said = says(take(&places, "a.example", "third", 1));
        assert!(said.starts_with("200 requests to https://a.example wait"), "{said}");
        // Another host is none the worse, nor one of the great.
        let _others = take(&places, "b.example", "ours", 100).unwrap();
        let _great = take(&places, "fcm.googleapis.com", "ours", 200).unwrap();
        let said = says(take(&places, "fcm.googleapis.com", "ours", 1));
        assert!(said.starts_with("200 requests of this API key to the push service fcm wait"), "{said}");
        drop(theirs);
        assert!(take(&places, "a.example", "third", 100).is_ok());
    }

    #[test]
    fn hosts_of_somebodys_own_hold_up_only_each_other() {
        let places = Arc::new(Places::default());
        let _first = take(&places, "a.example", "ours", 100).unwrap();
        let _second = take(&places, "b.example", "ours", 100).unwrap();
        let said = says(take(&places, "c.example", "ours", 1));
        assert!(said.starts_with("200 requests of this API key to push services that are none of"), "{said}");
        let _theirs = take(&places, "c.example", "theirs", 100).unwrap();
        let _more = take(&places, "d.example", "theirs", 100).unwrap();
        let said = says(take(&places, "e.example", "third", 1));
        assert!(said.starts_with("400 requests to push services that are none of the great"), "{said}");
        assert!(take(&places, "web.push.apple.com", "ours", 200).is_ok());
    }

    #[tokio::test]
    async fn it_is_closed_when_all_have_left_and_remembers_nobody() {
        let places = Arc::new(Places::default());
        let taken = take(&places, "a.example", "ours", 3).unwrap();
        let closing = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.close().await }
        });
        while !places.state().closed {
            tokio::task::yield_now().await;
        }
        assert_eq!(says(take(&places, "a.example", "ours", 1)), "the server ends");
        assert!(!closing.is_finished());
        drop(taken);
        closing.await.unwrap();
        assert!(places.state().taken.is_empty());
    }
}
