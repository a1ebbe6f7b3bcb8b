//! How many connections may be open, in total and from one address; a stream of HTTP/2 is one, too.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Counts open connections and refuses those above the limits.
#[derive(Debug)]
pub struct Admission {
    connections_max: usize,
    per_ip_max: usize,
    open: AtomicUsize,
    per_ip: Mutex<HashMap<IpAddr, usize>>,
    emptied: Notify,
    /// Of each kind, in the order of [`Refused::KINDS`].
    refused: [AtomicU64; Refused::KINDS.len()],
}

/// An admitted connection's place; dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    ip: Option<IpAddr>,
}

/// Why a connection is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many as may be open are open.
    #[error("{0} connections are open, the most allowed")]
    Total(usize),
    /// This address has as many as one address may have.
    #[error("{0} connections are open from this address, the most allowed")]
    PerIp(usize),
}

impl Refused {
    const KINDS: [&'static str; 2] = ["connections_max", "connections_per_ip_max"];

    /// The limit's name.
    #[must_use]
    pub fn kind(self) -> &'static str {
        Self::KINDS[self.index()]
    }

    fn index(self) -> usize {
        match self {
            Self::Total(_) => 0,
            Self::PerIp(_) => 1,
        }
    }
}

impl Admission {
    /// So many in total, and from one address.
    #[must_use]
    pub fn new(connections_max: usize, per_ip_max: usize) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            per_ip_max,
            open: AtomicUsize::new(0),
            per_ip: Mutex::default(),
            emptied: Notify::new(),
            refused: Default::default(),
        })
    }

    /// A place for a connection from `ip`, or for a stream of one; one from a Unix socket has none, and counts in total alone.
    ///
    /// # Errors
    /// [`Refused`], which is counted.
    pub fn admit(self: &Arc<Self>, ip: Option<IpAddr>) -> Result<Arc<Permit>, Refused> {
        self.find_place(ip).inspect_err(|refused| {
            self.refused[refused.index()].fetch_add(1, Relaxed);
        })
    }

    fn find_place(self: &Arc<Self>, ip: Option<IpAddr>) -> Result<Arc<Permit>, Refused> {
        let one_more = |open| (open < self.connections_max).then_some(open + 1);
        if self.open.fetch_update(Relaxed, Relaxed, one_more).is_err() {
            return Err(Refused::Total(self.connections_max));
        }
        let mut permit = Permit { admission: Arc::clone(self), ip: None };
        if let Some(ip) = ip.filter(|_| self.per_ip_limited()) {
            let mut per_ip = self.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
            let count = per_ip.entry(ip).or_insert(0);
            if *count >= self.per_ip_max {
                return Err(Refused::PerIp(self.per_ip_max));
            }
            *count += 1;
            permit.ip = Some(ip);
        }
        Ok(Arc::new(permit))
    }

    fn per_ip_limited(&self) -> bool {
        self.per_ip_max < self.connections_max
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// How many connections were refused, for each limit's name.
    pub fn refused(&self) -> [(&'static str, u64); Refused::KINDS.len()] {
        std::array::from_fn(|index| (Refused::KINDS[index], self.refused[index].load(Relaxed)))
    }

    /// Waits until no connection is open.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let admission = &self.admission;
        if let Some(ip) = self.ip {
            let mut per_ip = admission.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
            if let Entry::Occupied(mut entry) = per_ip.entry(ip) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
        if admission.open.fetch_sub(1, Relaxed) == 1 {
            admission.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    const THERE: Option<IpAddr> = Some(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));

    #[test]
    fn places_are_limited_in_total_and_given_back() {
        let admission = Admission::new(2, 2);
        let first = admission.admit(HERE).unwrap();
        let _second = admission.admit(THERE).unwrap();
        assert_eq!(admission.admit(HERE).unwrap_err(), Refused::Total(2));
        drop(first);
        assert!(admission.admit(HERE).is_ok());
    }

    #[test]
    fn places_are_limited_per_address_and_forgotten_when_empty() {
        let admission = Admission::new(10, 1);
        let first = admission.admit(HERE).unwrap();
        assert_eq!(admission.admit(HERE).unwrap_err(), Refused::PerIp(1));
        assert!(admission.admit(THERE).is_ok());
        drop(first);
        assert!(admission.per_ip.lock().unwrap().is_empty());
        assert!(admission.admit(HERE).is_ok());
    }

    #[tokio::test]
    async fn emptied_waits_for_the_last() {
        let admission = Admission::new(2, 2);
        let permit = admission.admit(HERE).unwrap();
        let waiting = tokio::spawn({
            let admission = Arc::clone(&admission);
            async move { admission.emptied().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(permit);
        waiting.await.unwrap();
    }
}
