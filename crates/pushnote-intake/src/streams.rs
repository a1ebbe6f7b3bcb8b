//! How far the streams of the sources have come: those that number what they send, as forwarders do.

use std::collections::BTreeSet;
use std::sync::Arc;

use pushnote_core::Position;

/// Streams that are remembered: those heard last. A forwarder begins another when it starts.
const STREAMS_MAX: usize = 4;

/// One run of a source.
#[derive(Debug)]
struct Stream {
    epoch: u64,
    /// Behind the last that came.
    next: u64,
    /// What came and is neither published nor refused yet.
    held: BTreeSet<u64>,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// The one that began last is the first.
    streams: Vec<Stream>,
}

impl Streams {
    /// One begins here.
    pub(crate) fn begins(&mut self, Position { epoch, sequence }: Position) {
        if !self.streams.iter().any(|stream| stream.epoch == epoch) {
            self.streams.insert(0, Stream { epoch, next: sequence, held: BTreeSet::new() });
            self.streams.truncate(STREAMS_MAX);
        }
    }

    /// A message came from this place. `true`: others before it did not.
    pub(crate) fn came(&mut self, position: Position) -> bool {
        let sequence = position.sequence;
        let next = sequence.saturating_add(1);
        self.begins(position);
        let Some(stream) = self.of(position) else { return false };
        let skipped = sequence > stream.next;
        stream.next = stream.next.max(next);
        skipped
    }

    /// It is not published yet.
    pub(crate) fn is_held(&mut self, position: Position) {
        if let Some(stream) = self.of(position) {
            stream.held.insert(position.sequence);
        }
    }

    /// It is now.
    pub(crate) fn is_settled(&mut self, position: Position) {
        if let Some(stream) = self.of(position) {
            stream.held.remove(&position.sequence);
        }
    }

    fn of(&mut self, position: Position) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.epoch == position.epoch)
    }

    /// The places up to which everything is settled.
    pub(crate) fn marks(&self) -> Arc<[Position]> {
        let mark = |stream: &Stream| stream.held.first().copied().unwrap_or(stream.next);
        self.streams.iter().map(|stream| Position { epoch: stream.epoch, sequence: mark(stream) }).collect()
    }

    /// Whether all before this place has come.
    pub(crate) fn reach(&self, epoch: u64, sequence: u64) -> bool {
        sequence == 0 || self.streams.iter().any(|stream| stream.epoch == epoch && stream.next >= sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, sequence: u64) -> Position {
        Position { epoch, sequence }
    }

    #[test]
    fn a_mark_stays_before_what_is_held() {
        let mut streams = Streams::default();
        assert!(!streams.came(at(1, 5)));
        assert!(!streams.came(at(1, 6)));
        streams.is_held(at(1, 6));
        assert!(!streams.came(at(1, 7)));
        assert_eq!(streams.marks()[..], [at(1, 6)]);
        streams.is_settled(at(1, 6));
        assert_eq!(streams.marks()[..], [at(1, 8)]);
        assert!(streams.came(at(1, 9)), "8 did not come");
        assert!(!streams.came(at(2, 3)), "where it begins, nobody can say");
        assert_eq!(streams.marks()[..], [at(2, 4), at(1, 10)]);
    }
}
