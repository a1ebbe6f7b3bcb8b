//! Where publications come from, as far as those number what they send.

use std::sync::Arc;

use pushnote_core::Position;

/// Where a publication comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Its place in the stream of the source that brought it: of the publication itself, not behind it.
    pub position: Option<Position>,
    /// The places up to which everything of each source has been published, with this one.
    pub marks: Arc<[Position]>,
    /// The source had it before this server was there.
    pub old: bool,
}

/// Runs of sources that are remembered: those heard last.
const SOURCES_MAX: usize = 8;

/// What a log knows of a source's run.
#[derive(Debug, Clone, Copy)]
struct Source {
    epoch: u64,
    /// From here on the log has everything.
    begun: u64,
    /// Behind the last that came.
    high: u64,
}

/// What a log knows of its sources, the one heard last at the end.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    /// A stream begins here.
    pub(super) fn begins(&mut self, Position { epoch, sequence }: Position) {
        self.is_at(epoch, sequence, sequence);
    }

    /// A publication came from this place.
    pub(super) fn came(&mut self, Position { epoch, sequence }: Position) {
        self.is_at(epoch, sequence, sequence.saturating_add(1));
    }

    fn is_at(&mut self, epoch: u64, begun: u64, next: u64) {
        match self.0.iter().position(|source| source.epoch == epoch) {
            Some(at) => {
                let source = &mut self.0[at];
                source.high = source.high.max(next);
                if at + 1 < self.0.len() {
                    let source = self.0.remove(at);
                    self.0.push(source);
                }
            }
            None => {
                if self.0.len() == SOURCES_MAX {
                    self.0.remove(0);
                }
                self.0.push(Source { epoch, begun, high: next });
            }
        }
    }

    /// What came from this place has left the log.
    pub(super) fn left(&mut self, position: Position) {
        if let Some(source) = self.0.iter_mut().find(|source| source.epoch == position.epoch) {
            source.begun = source.begun.max(position.sequence.saturating_add(1));
        }
    }

    /// The places behind all that came.
    pub(super) fn highs(&self) -> Arc<[Position]> {
        self.0.iter().map(|source| Position { epoch: source.epoch, sequence: source.high }).collect()
    }

    /// Whether the log has everything of that source from this place on; `None` if it does not know it.
    pub(super) fn reach_back_to(&self, position: Position) -> Option<bool> {
        let source = self.0.iter().find(|source| source.epoch == position.epoch)?;
        Some(source.begun <= position.sequence)
    }

    /// Whether all before this place came; so it is of one that is unknown, from which nothing will.
    pub(super) fn reach(&self, position: Position) -> bool {
        self.0
            .iter()
            .find(|source| source.epoch == position.epoch)
            .is_none_or(|source| source.high >= position.sequence)
    }
}

/// The place in one source's stream, among those of several.
pub(super) fn place_of(places: &[Position], epoch: u64) -> Option<u64> {
    places.iter().find(|place| place.epoch == epoch).map(|place| place.sequence)
}
