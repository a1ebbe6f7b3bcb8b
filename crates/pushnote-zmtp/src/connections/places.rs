//! Who may stay when a listener's places are taken.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// The places of a listener for peers.
///
/// When all are taken, a newcomer gets the place of one that has said nothing in the time a handshake may take; and
/// where one address has more than half of all places, a newcomer from elsewhere gets one of those.
#[derive(Clone)]
pub(super) struct Places(Arc<Mutex<State>>);

struct State {
    max: usize,
    patience: Duration,
    next: u64,
    /// Oldest first.
    taken: BTreeMap<u64, Taken>,
}

struct Taken {
    from: Option<IpAddr>,
    since: Instant,
    spoken: Arc<AtomicBool>,
    /// Dropping it ends the connection.
    _keeps: oneshot::Sender<Infallible>,
}

/// A peer's place, given back when it is dropped.
pub(super) struct Place {
    places: Places,
    id: u64,
    /// Ready when a newcomer has got the place.
    pub(super) displaced: oneshot::Receiver<Infallible>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.state().taken.remove(&self.id);
    }
}

impl Places {
    /// So many places. Whoever says something within `patience` keeps its own.
    pub(super) fn new(max: usize, patience: Duration) -> Self {
        Places(Arc::new(Mutex::new(State { max, patience, next: 0, taken: BTreeMap::new() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a peer from there, which sets `spoken`; `None` when nobody has to give way to it.
    pub(super) fn take(&self, from: Option<IpAddr>, spoken: &Arc<AtomicBool>) -> Option<Place> {
        let mut state = self.state();
        let (from, since) = (from.map(house), Instant::now());
        if state.taken.len() >= state.max {
            let leaves = state.who_gives_way(from, since)?;
            state.taken.remove(&leaves);
        }
        let (keeps, displaced) = oneshot::channel();
        let id = state.next;
        state.next += 1;
        state.taken.insert(id, Taken { from, since, spoken: Arc::clone(spoken), _keeps: keeps });
        Some(Place { places: self.clone(), id, displaced })
    }
}

impl State {
    fn who_gives_way(&self, newcomer: Option<IpAddr>, now: Instant) -> Option<u64> {
        let silent = |(_, taken): &(&u64, &Taken)| !taken.spoken.load(Relaxed);
        let crowd = self.crowd().filter(|crowd| *crowd != newcomer);
        let mut of_crowd = self.taken.iter().filter(|(_, taken)| Some(taken.from) == crowd);
        let late = |(_, taken): &(&u64, &Taken)| now.duration_since(taken.since) >= self.patience;
        let leaves = of_crowd
            .clone()
            .find(silent)
            .or_else(|| self.taken.iter().filter(silent).find(late))
            .or_else(|| of_crowd.next());
        leaves.map(|(id, _)| *id)
    }

    /// Where more than half of all peers come from.
    fn crowd(&self) -> Option<Option<IpAddr>> {
        let mut counts = HashMap::new();
        for taken in self.taken.values() {
            *counts.entry(taken.from).or_insert(0_usize) += 1;
        }
        counts.into_iter().find_map(|(from, count)| (2 * count > self.max).then_some(from))
    }
}

/// What is one address: of IPv6, a whole network is often one machine's.
fn house(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::error::TryRecvError;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn peer(places: &Places, from: &str, spoken: bool) -> Option<Place> {
        places.take(Some(from.parse().unwrap()), &Arc::new(spoken.into()))
    }

    fn is_displaced(place: &mut Place) -> bool {
        place.displaced.try_recv() == Err(TryRecvError::Closed)
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_in_time_gives_way_and_who_speaks_stays() {
        let places = Places::new(3, PATIENCE);
        let mut all: Vec<_> =
            [true, false, false].into_iter().map(|spoken| peer(&places, "::1", spoken).unwrap()).collect();
        assert!(peer(&places, "::1", false).is_none(), "they have time yet");
        tokio::time::advance(PATIENCE).await;
        all.push(peer(&places, "::1", true).unwrap());
        assert_eq!(all.iter_mut().map(is_displaced).collect::<Vec<_>>(), [false, true, false, false]);
        all.push(peer(&places, "::1", true).unwrap());
        assert!(peer(&places, "::1", true).is_none(), "all have spoken");
        all.remove(0);
        assert!(peer(&places, "::1", true).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_cannot_keep_others_out() {
        let places = Places::new(4, PATIENCE);
        let mut crowd: Vec<_> = (0..4)
            .map(|number| peer(&places, &format!("2001:db8::{number}"), number != 2).unwrap())
            .collect();
        assert!(peer(&places, "2001:db8::9", true).is_none());
        let mut others =
            [peer(&places, "192.0.2.1", true).unwrap(), peer(&places, "192.0.2.2", true).unwrap()];
        assert_eq!(crowd.iter_mut().map(is_displaced).collect::<Vec<_>>(), [true, false, true, false]);
        assert!(peer(&places, "192.0.2.3", true).is_none(), "half of all places are its own");
        assert!(!others.iter_mut().any(is_displaced));
    }
}
