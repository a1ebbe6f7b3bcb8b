//! Which run of a server gave out which offsets.

/// An *epoch* is one run of a server on its file; it has a random number. Runs share one row of offsets: an epoch goes on
/// where the file ended when it was opened.
///
/// A server that was killed has given out offsets that never reached the file, and the next run gives them to other
/// messages. So an offset means something with its epoch only: see [`Epochs::hold`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Epochs {
    /// Epochs and their first offsets, oldest first.
    earlier: Vec<(u64, u64)>,
    current: (u64, u64),
}

impl Epochs {
    pub(crate) fn new(earlier: Vec<(u64, u64)>, current: (u64, u64)) -> Self {
        Self { earlier, current }
    }

    /// The epoch of this run.
    pub fn current(&self) -> u64 {
        self.current.0
    }

    /// Whether who was at `place` in `epoch` has had what this log has before `place`, and nothing else. `place` is the
    /// offset of the next record; whether the log reaches back so far is another question.
    pub fn hold(&self, epoch: u64, place: u64) -> bool {
        if epoch == self.current.0 {
            return self.current.1 <= place;
        }
        let ends = self.earlier.iter().skip(1).chain([&self.current]).map(|&(_, first)| first);
        self.earlier
            .iter()
            .zip(ends)
            .any(|(&(number, first), end)| number == epoch && (first..=end).contains(&place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_up_to_where_the_next_run_began() {
        let epochs = Epochs::new(vec![(7, 0), (3, 100), (9, 100)], (5, 250));
        assert_eq!(epochs.current(), 5);
        for (epoch, first, end) in [(7, 0, 100), (3, 100, 100), (9, 100, 250), (5, 250, u64::MAX)] {
            assert!(epochs.hold(epoch, first), "{epoch}");
            assert!(epochs.hold(epoch, end), "{epoch}");
            assert!(first == 0 || !epochs.hold(epoch, first - 1), "{epoch}");
            assert!(
                end == u64::MAX || !epochs.hold(epoch, end + 1),
                "{epoch}: given out, and lost with its run"
            );
        }
        assert!(!epochs.hold(4, 100), "of another file");
    }
}
