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
    /// What is before this, an earlier run has had, but for what is held.
    had: u64,
    /// Something has come in this run.
    heard: bool,
    /// Behind the last that has come in this run, also of what an earlier one has had.
    heard_to: u64,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// The one heard last is the first.
    streams: Vec<Stream>,
}

impl Streams {
    /// An earlier run has had what is before these marks, and what was at `positions`.
    pub(crate) fn go_on(&mut self, marks: &[Position], positions: &[Position]) {
        for &Position { epoch, sequence: mark } in marks {
            let beyond: BTreeSet<u64> = positions
                .iter()
                .filter(|position| position.epoch == epoch && position.sequence >= mark)
                .map(|position| position.sequence)
                .collect();
            let next = beyond.last().map_or(mark, |last| last.saturating_add(1));
            let held = (mark..next).filter(|sequence| !beyond.contains(sequence)).collect();
            self.streams.push(Stream { epoch, next, held, had: next, heard: false, heard_to: 0 });
        }
        self.streams.truncate(STREAMS_MAX);
    }

    /// Whether an earlier run has had what comes from this place.
    pub(crate) fn had(&mut self, position: Position) -> bool {
        let sequence = position.sequence;
        self.of(position).is_some_and(|stream| {
            stream.heard_to = stream.heard_to.max(sequence.saturating_add(1));
            sequence < stream.had && !stream.held.contains(&sequence)
        })
    }

    /// One begins here. `true`: what an earlier run had not had is not there any more.
    pub(crate) fn begins(&mut self, position: Position) -> bool {
        let Position { epoch, sequence } = position;
        let Some(stream) = self.of(position) else {
            let stream = Stream {
                epoch,
                next: sequence,
                held: BTreeSet::new(),
                had: 0,
                heard: true,
                heard_to: sequence,
            };
            self.streams.insert(0, stream);
            self.streams.truncate(STREAMS_MAX);
            return false;
        };
        stream.heard_to = stream.heard_to.max(sequence);
        let (begins_later, held) = (!stream.heard && sequence > stream.next, stream.held.len());
        if begins_later {
            stream.next = sequence;
        }
        let gone = sequence.min(stream.had);
        stream.held.retain(|held| *held >= gone);
        begins_later || stream.held.len() < held
    }

    /// A message came from this place. `true`: others before it did not.
    pub(crate) fn came(&mut self, position: Position) -> bool {
        let sequence = position.sequence;
        let next = sequence.saturating_add(1);
        match self.streams.iter().position(|stream| stream.epoch == position.epoch) {
            Some(at) => self.streams[..=at].rotate_right(1),
            None => _ = self.begins(position),
        }
        let Some(stream) = self.of(position) else { return false };
        let skipped = sequence > stream.next;
        stream.next = stream.next.max(next);
        stream.heard_to = stream.heard_to.max(next);
        stream.heard = true;
        // If an earlier run has held it, it is this run's now.
        stream.held.remove(&sequence);
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

    /// Up to where it has come in this run: what an earlier one has had tells nothing of what other streams have brought since.
    pub(crate) fn heard_to(&self, epoch: u64) -> u64 {
        let stream = self.streams.iter().find(|stream| stream.epoch == epoch);
        stream.map_or(0, |stream| stream.heard_to)
    }

    /// Whether all before this place has come so.
    pub(crate) fn reach(&self, epoch: u64, sequence: u64) -> bool {
        self.heard_to(epoch) >= sequence
    }

    /// Whether some of that is not settled.
    pub(crate) fn hold(&self, epoch: u64, sequence: u64) -> bool {
        let holds = |stream: &Stream| {
            stream.epoch == epoch && stream.held.first().is_some_and(|held| *held < sequence)
        };
        self.streams.iter().any(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, sequence: u64) -> Position {
        Position { epoch, sequence }
    }

    #[test]
    fn what_an_earlier_run_had_is_known_and_what_it_held_is_not() {
        let mut streams = Streams::default();
        streams.go_on(&[at(1, 5), at(2, 9)], &[at(1, 3), at(1, 5), at(1, 8), at(3, 1)]);
        let had = |streams: &mut Streams| (0..12).filter(|n| streams.had(at(1, *n))).collect::<Vec<_>>();
        assert_eq!(had(&mut streams), [0, 1, 2, 3, 4, 5, 8]);
        assert_eq!(streams.marks()[..], [at(1, 6), at(2, 9)]);

        assert!(streams.begins(at(1, 7)), "6 never comes");
        assert!(streams.begins(at(2, 12)), "9 to 11 neither");
        assert!(!streams.begins(at(4, 3)), "what was before that, nobody can say");
        assert_eq!(streams.marks()[..], [at(4, 3), at(1, 7), at(2, 12)]);
        assert!(!streams.came(at(1, 7)));
        assert!(!streams.came(at(1, 8)) && streams.had(at(1, 8)));
        assert!(streams.came(at(1, 10)), "9 did not come");
        assert_eq!(streams.marks()[..], [at(1, 11), at(4, 3), at(2, 12)]);
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

    #[test]
    fn one_that_is_heard_is_not_forgotten() {
        let mut streams = Streams::default();
        for run in 2..8 {
            assert!(!streams.begins(at(run, 0)));
            assert!(!streams.came(at(1, run)));
        }
        assert_eq!(streams.marks()[..], [at(1, 8), at(7, 0), at(6, 0), at(5, 0)]);
    }
}
