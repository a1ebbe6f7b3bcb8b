//! Some of a turn's publications.

use std::sync::Arc;

use crate::publication::Encoded;

/// A set of places among up to [`Mask::LEN`] publications: receivers with the same set share one batch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Mask([u64; 4]);

impl Mask {
    /// Places that there are.
    pub(crate) const LEN: usize = 256;

    /// Adds a place, which is less than [`Mask::LEN`].
    pub(crate) fn insert(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    /// What is in one of the two.
    pub(crate) fn union(mut self, other: Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word |= other;
        }
        self
    }

    /// The publications at these places, in their order.
    pub(crate) fn select<E>(self, publications: &[Arc<Encoded<E>>]) -> Vec<Arc<Encoded<E>>> {
        let here = |at: usize| self.0[at / 64] >> (at % 64) & 1 == 1;
        publications.iter().enumerate().filter(|(at, _)| here(*at)).map(|(_, one)| Arc::clone(one)).collect()
    }
}
