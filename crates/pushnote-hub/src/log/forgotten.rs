//! What has left the log of subjects of which it has nothing any more.
//!
//! A row for each of them would be memory that whoever names subjects decides on. So subjects share a fixed number of places
//! by a hash, with the latest of all that share one: what is known of a subject is never too little, and seldom too much.

use std::hash::{BuildHasher, RandomState};

use pushnote_core::Subject;

/// Memory of the log for each place: with 64 MiB half a million, in 4 MiB.
const LOG_BYTES_PER_PLACE: usize = 128;
/// Places, at least and at most.
const PLACES_MIN: usize = 1024;
const PLACES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Forgotten {
    /// A power of two of them.
    places: Box<[u64]>,
    /// At random: nobody can name a subject so that another one is taken for forgotten.
    hasher: RandomState,
}

impl Forgotten {
    /// Nothing yet, of a log that takes so many bytes.
    pub(super) fn of_log(bytes_max: usize) -> Self {
        let places = (bytes_max / LOG_BYTES_PER_PLACE).clamp(PLACES_MIN, PLACES_MAX).next_power_of_two();
        // Zeroes from the allocator: memory is taken when a place is.
        Self { places: vec![0; places].into_boxed_slice(), hasher: RandomState::new() }
    }

    /// Nothing is known of what was before `offset`, of any subject.
    pub(super) fn all_before(&mut self, offset: u64) {
        self.places.fill(offset);
    }

    /// The last of a subject has left the log, and was before `offset`.
    pub(super) fn forget(&mut self, subject: &Subject, offset: u64) {
        let at = self.place_of(subject);
        self.places[at] = offset;
    }

    /// Before this offset, something of the subject may have been.
    pub(super) fn before(&self, subject: &Subject) -> u64 {
        self.places[self.place_of(subject)]
    }

    fn place_of(&self, subject: &Subject) -> usize {
        self.hasher.hash_one(subject) as usize & (self.places.len() - 1)
    }
}
