//! Connections that have not shown yet what they are.

use std::collections::VecDeque;
use std::convert::Infallible;

use tokio::sync::oneshot;

/// The places of a listener for connections that have not said anything yet: a handshake, a request.
///
/// When all are taken the oldest connection leaves, not the newest: an honest peer is through in a round trip, and
/// thousands of silent ones cannot keep it out.
#[derive(Debug)]
pub struct Newcomers {
    max: usize,
    /// Oldest first. Dropping one ends its connection; that one drops its end when it is through.
    places: VecDeque<oneshot::Sender<Infallible>>,
}

impl Newcomers {
    /// So many places, one at least.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max: max.max(1), places: VecDeque::new() }
    }

    /// A place; what is returned is ready when a newer connection needs it, and is to be dropped by one that is through.
    pub fn begin(&mut self) -> oneshot::Receiver<Infallible> {
        if self.places.len() >= self.max {
            self.places.retain(|place| !place.is_closed());
        }
        if self.places.len() >= self.max {
            self.places.pop_front();
        }
        let (place, displaced) = oneshot::channel();
        self.places.push_back(place);
        displaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot::error::TryRecvError;

    #[test]
    fn the_oldest_that_is_not_through_leaves() {
        let mut newcomers = Newcomers::new(2);
        let (through, mut second) = (newcomers.begin(), newcomers.begin());
        drop(through);
        let mut third = newcomers.begin();
        assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
        let mut fourth = newcomers.begin();
        assert_eq!(second.try_recv(), Err(TryRecvError::Closed));
        for place in [&mut third, &mut fourth] {
            assert_eq!(place.try_recv(), Err(TryRecvError::Empty));
        }
    }
}
