//! Where publications come from, as far as those number what they send.

use std::collections::VecDeque;
use std::sync::Arc;

use pushnote_core::{Cursor, Position, PublicationId};

/// Where a publication comes from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Its place in the stream of the source that brought it: of the publication itself, not behind it.
    pub position: Option<Position>,
    /// The places up to which everything of each source has been published, with this one. None for what comes from no
    /// source: they are what they were.
    pub marks: Arc<[Position]>,
    /// The source had it before this server was there.
    pub old: bool,
    /// By what it is known if it comes again, with the key of who sent it, where that is proved.
    pub id: Option<PublicationId>,
    /// See `id`.
    pub sender: Option<[u8; 32]>,
}

/// Runs of sources that are remembered: those heard last.
const SOURCES_MAX: usize = 8;

/// What a log knows of a source's run.
#[derive(Debug)]
struct Source {
    epoch: u64,
    /// Where it began to bring everything.
    begun: u64,
    /// Behind the last of it that is not here: it has left the log, or did not come.
    lost: u64,
    /// Where it was at the last gap, if it went on from there: whether who is at this place has heard of that, nothing tells.
    gap: Option<u64>,
    /// Behind the last that came.
    next: u64,
    /// The offset behind the last that it brought, or, if there is none, where the log was when it began.
    end: u64,
    /// What it has brought, in the order of its numbers.
    brought: VecDeque<Brought>,
}

/// A publication in the stream of a source.
#[derive(Debug)]
struct Brought {
    sequence: u64,
    /// The first offset of it and all that follow: another source may have brought those before.
    first: u64,
}

impl Source {
    /// From here on the log has everything.
    fn from(&self) -> u64 {
        self.begun.max(self.lost)
    }

    fn brings(&mut self, sequence: u64, offset: u64) {
        self.next = self.next.max(sequence.saturating_add(1));
        self.end = self.end.max(offset + 1);
        // How far the orders of two sources differ is how far this goes back.
        for before in self.brought.iter_mut().rev().take_while(|before| before.first > offset) {
            before.first = offset;
        }
        // What comes again after a break is there already.
        if self.brought.back().is_none_or(|last| last.sequence < sequence) {
            self.brought.push_back(Brought { sequence, first: offset });
        }
    }

    /// The first offset of what is not before this place in its stream.
    fn first_from(&self, sequence: u64) -> Option<u64> {
        let at = self.brought.partition_point(|brought| brought.sequence < sequence);
        self.brought.get(at).map(|brought| brought.first)
    }
}

/// What a log knows of its sources, the one heard last at the end.
#[derive(Debug, Default)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// What a publication that a source brings takes here.
    pub(super) const BROUGHT_BYTES: usize = 2 * size_of::<Brought>();

    /// A stream begins here, when the log is at `offset`; what is between that and the last that came, did not come.
    pub(super) fn begins(&mut self, Position { epoch, sequence }: Position, offset: u64) {
        let source = self.of(epoch, sequence, offset);
        if sequence > source.next {
            (source.lost, source.next, source.gap) = (sequence, sequence, None);
        }
        // What came before this was said, or in an earlier run, may not have been the first of it.
        source.begun = source.begun.min(sequence);
    }

    /// Something did not come, over any of them: nobody has everything from before.
    pub(super) fn begin_anew(&mut self) {
        for source in &mut self.0 {
            (source.lost, source.gap) = (source.next, Some(source.next));
        }
    }

    /// A source has brought what is at this offset.
    pub(super) fn brings(&mut self, Position { epoch, sequence }: Position, offset: u64) {
        self.of(epoch, sequence, offset).brings(sequence, offset);
    }

    /// The source of this epoch, which begins at `begun` if it was unknown.
    fn of(&mut self, epoch: u64, begun: u64, end: u64) -> &mut Source {
        let source = match self.0.iter().position(|source| source.epoch == epoch) {
            Some(at) => self.0.remove(at),
            None => {
                if self.0.len() == SOURCES_MAX {
                    self.0.remove(0);
                }
                Source { epoch, begun, lost: 0, gap: None, next: begun, end, brought: VecDeque::new() }
            }
        };
        self.0.push(source);
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// What came from this place has left the log.
    pub(super) fn left(&mut self, position: Position) {
        if let Some(source) = self.0.iter_mut().find(|source| source.epoch == position.epoch) {
            source.lost = source.lost.max(position.sequence.saturating_add(1));
            while source.brought.front().is_some_and(|first| first.sequence < source.lost) {
                source.brought.pop_front();
            }
        }
    }

    /// Whether the log has everything of the sources that the cursor knows from there on; `None` if it knows none of them.
    /// Each source brings everything, so that one that is unknown here is made up for by the others.
    pub(super) fn reach_back_to(&self, cursor: &Cursor) -> Option<bool> {
        let reaches = |source: &Source| Some(source.from() <= place_of(cursor, source.epoch)?);
        let known = self.0.iter().filter_map(reaches);
        known.reduce(|all, reaches| all && reaches)
    }

    /// Whether who has the cursor has had what is before this offset of the log, as far as any source tells: that of a gap,
    /// which none has brought.
    pub(super) fn has_passed(&self, cursor: &Cursor, offset: u64) -> bool {
        let is_behind = |source: &Source, place| {
            source.gap != Some(place) && source.first_from(place).unwrap_or(source.end) >= offset
        };
        let mut places = self.0.iter().filter_map(|source| Some((source, place_of(cursor, source.epoch)?)));
        offset == 0 || places.any(|(source, place)| is_behind(source, place))
    }

    /// The cursor with the sources that were over before the place where it is, and that it does not name: whoever wrote it
    /// has forgotten them, or never heard them. What they brought is of before.
    pub(super) fn with_those_before(&self, cursor: &Cursor) -> Cursor {
        let here = self.here(cursor);
        let is_before = |source: &&Source| source.end <= here && place_of(cursor, source.epoch).is_none();
        let before = self.0.iter().filter(is_before);
        let before = before.map(|source| Position { epoch: source.epoch, sequence: source.next });
        Cursor { log: cursor.log, sources: cursor.sources.iter().copied().chain(before).collect() }
    }

    /// The offset where the cursor is: what is before it, one of the sources had brought.
    pub(super) fn here(&self, cursor: &Cursor) -> u64 {
        let place =
            |source: &Source| Some(source.first_from(place_of(cursor, source.epoch)?).unwrap_or(source.end));
        self.0.iter().filter_map(place).max().unwrap_or_default()
    }

    /// Before this offset, who has the cursor has had everything, but for what sources that it does not name have brought before
    /// `here`; `None` if there is nothing else.
    pub(super) fn first_unseen(&self, cursor: &Cursor, here: u64) -> Option<u64> {
        let first = |source: &Source| match place_of(cursor, source.epoch) {
            Some(place) => source.first_from(place),
            None => source.first_from(0).map(|first| first.max(here)),
        };
        self.0.iter().filter_map(first).min()
    }

    /// The first offset of what sources have brought that the cursor does not name.
    pub(super) fn first_of_others(&self, cursor: &Cursor) -> Option<u64> {
        let others = self.0.iter().filter(|source| place_of(cursor, source.epoch).is_none());
        others.filter_map(|source| source.first_from(0)).min()
    }

    /// Behind the last that a source brought, if it is known.
    pub(super) fn next(&self, epoch: u64) -> Option<u64> {
        self.0.iter().find(|source| source.epoch == epoch).map(|source| source.next)
    }
}

/// Whether who has the cursor has had what stands at one of these places.
pub(super) fn has_had(cursor: &Cursor, positions: &[Position]) -> bool {
    positions
        .iter()
        .any(|position| place_of(cursor, position.epoch).is_some_and(|next| position.sequence < next))
}

fn place_of(cursor: &Cursor, epoch: u64) -> Option<u64> {
    cursor.sources.iter().find(|place| place.epoch == epoch).map(|place| place.sequence)
}
