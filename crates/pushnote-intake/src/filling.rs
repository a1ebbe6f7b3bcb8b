//! What sources have from before: a server that starts takes it in before it lets in who comes from another one.

use std::time::Duration;

use pushnote_core::Position;
use pushnote_zmtp::Beginning;
use tokio::time::Instant;

use crate::source::Expected;
use crate::streams::Streams;

/// How long it is waited for.
const FILLING_MAX: Duration = Duration::from_secs(5);

/// See the module's documentation.
pub(crate) struct Filling {
    /// The streams; `None`: there are none.
    expected: Option<Expected>,
    until: Instant,
    has_come: bool,
}

impl Filling {
    /// It begins now.
    pub(crate) fn new(expected: Option<Expected>) -> Self {
        Self { has_come: expected.is_none(), expected, until: Instant::now() + FILLING_MAX }
    }

    /// How many streams bring the same.
    pub(crate) fn sources(&self) -> usize {
        self.expected.as_ref().map_or(1, |expected| expected.count)
    }

    /// When it is over at the latest.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Waits until streams have said where they begin, or never will.
    pub(crate) async fn next_beginning(&mut self) {
        let Some(expected) = &mut self.expected else { return std::future::pending().await };
        if expected.beginnings.changed().await.is_err() {
            self.expected = None; // its socket is gone
        }
    }

    /// Where those begin that have said so.
    pub(crate) fn beginnings(&self) -> Vec<Position> {
        let position =
            |begun: &Beginning| Position { epoch: begun.from.epoch, sequence: begun.from.sequence };
        self.expected
            .as_ref()
            .map_or_else(Vec::new, |expected| expected.beginnings.borrow().values().map(position).collect())
    }

    /// Whether all streams have brought what they had. Before that, what one of them does not bring in time may be what another
    /// is about to.
    pub(crate) fn has_come(&self) -> bool {
        self.has_come
    }

    /// Whether that has been published, too, or was waited for long enough.
    pub(crate) fn is_over(&mut self, streams: &Streams) -> bool {
        let Some(Expected { count, beginnings }) = &self.expected else {
            self.has_come = true;
            return true;
        };
        // The log has to know first where they begin.
        let are_known = !beginnings.has_changed().unwrap_or(false);
        let beginnings = beginnings.borrow();
        let all = |is_so: &dyn Fn(&Beginning) -> bool| {
            are_known && beginnings.len() >= *count && beginnings.values().all(is_so)
        };
        let in_time = Instant::now() < self.until;
        self.has_come |= !in_time || all(&|begun| streams.reach(begun.from.epoch, begun.live));
        !in_time || all(&|begun| streams.settled(begun.from.epoch, begun.live))
    }
}
