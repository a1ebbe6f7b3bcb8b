//! A message between its source and the hub.

use pushnote_core::sequencer::Item;
use pushnote_core::{Asked, Position};
use pushnote_hub::{Origin, Publication};
use tokio::sync::oneshot;

/// A message on its way through the order.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) publication: Publication,
    /// What is to be done with it.
    pub(crate) asked: Asked,
    /// The marks are added when it is published.
    pub(crate) origin: Origin,
    /// Where it came from again while it was held.
    pub(crate) again: Vec<Position>,
    /// Who want to hear its offset.
    pub(crate) told: Vec<oneshot::Sender<u64>>,
    /// Others before it did not come.
    pub(crate) follows_missing: bool,
}

impl Arrival {
    pub(crate) fn new(
        publication: Publication,
        asked: Asked,
        origin: Origin,
        told: Option<oneshot::Sender<u64>>,
    ) -> Self {
        let (again, told) = (Vec::new(), told.into_iter().collect());
        Self { publication, asked, origin, again, told, follows_missing: false }
    }
}

impl Item for Arrival {
    fn bytes_len(&self) -> usize {
        size_of::<Self>() + self.publication.bytes_len()
    }

    fn fingerprint(&self) -> u64 {
        self.publication.fingerprint()
    }

    fn detach(&mut self) {
        self.publication.detach();
    }

    fn take_in(&mut self, duplicate: Self) {
        self.again.extend(duplicate.origin.position);
        self.told.extend(duplicate.told);
    }

    fn follows_missing(&mut self) {
        self.follows_missing = true;
    }
}
