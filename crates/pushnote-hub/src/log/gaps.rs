//! The gaps that everybody has: what did not come at all may have been of any subject.

use std::collections::VecDeque;

/// Where they are in the log.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Those that are there.
    pub(super) offsets: VecDeque<u64>,
    /// Behind the last of those that have left it.
    pub(super) lost: u64,
}

impl Gaps {
    /// What is at this offset leaves the log.
    pub(super) fn left(&mut self, offset: u64) {
        if self.offsets.front() == Some(&offset) {
            self.offsets.pop_front();
            self.lost = offset + 1;
        }
    }

    /// Behind the last of all.
    pub(super) fn end(&self) -> u64 {
        self.offsets.back().map_or(self.lost, |last| last + 1)
    }

    /// Those that are there between two places.
    pub(super) fn between(&self, from: u64, to: u64) -> impl Iterator<Item = u64> + '_ {
        let first = self.offsets.partition_point(|offset| *offset < from);
        self.offsets.range(first..).copied().take_while(move |offset| *offset < to)
    }

    /// Whether there was one between two places, as far as that is known.
    pub(super) fn is_one_between(&self, from: u64, to: u64) -> bool {
        self.lost > from || self.between(from, to).next().is_some()
    }
}
