//! A receiver that is not at the end of the log.

use std::collections::VecDeque;
use std::time::Duration;

use pushnote_core::{Cursor, Subject};
use tokio::time::Instant;

use crate::receiver::Receiver;

/// Between two looks of those who follow, when nothing comes.
pub(super) const FOLLOW_TICK: Duration = Duration::from_millis(20);

/// A receiver with a place in the log.
pub(super) struct Behind<R: Receiver> {
    /// It has had everything before.
    pub(super) place: u64,
    /// Where it goes on is still to be found, and since when, by [`Awake`]: the log may not be so far yet.
    pub(super) cursor: Option<(Cursor, Duration)>,
    /// It comes from another server, and has had some of what follows.
    pub(super) seen: Option<Seen>,
    /// What it is told before it reads on.
    pub(super) notices: VecDeque<Waiting<R>>,
    /// Its client has to take what it has before it gets more.
    pub(super) full: bool,
}

/// What a receiver has had elsewhere.
pub(super) struct Seen {
    pub(super) cursor: Box<Cursor>,
    /// Before this place there may be what is old, which is fanned out to nobody.
    pub(super) old: u64,
    /// So long, by [`Awake`], what a source has still to bring is known by it; that source may be no more.
    pub(super) until: Duration,
}

/// Something that waits to be told.
pub(super) struct Waiting<R: Receiver> {
    pub(super) notice: R::Notice,
    pub(super) past: Past,
    pub(super) complete: bool,
}

/// What is told with it. It is looked up when it is told: what waits keeps nothing from leaving the log.
pub(super) enum Past {
    Nothing,
    /// The last so many of a subject.
    Last(Subject, usize),
    /// What there was of a subject from a cursor up to the place where it is told, but for what others have brought; or
    /// this one, if it was subscribed to before.
    Since {
        subject: Subject,
        cursor: Cursor,
        renewed: bool,
    },
}

/// For how long this shard has looked after those who are behind. While it stands still no time passes: what it waits for may
/// have arrived, and is not read yet.
pub(super) struct Awake {
    looked: Instant,
    time: Duration,
}

impl Awake {
    pub(super) fn new() -> Self {
        Self { looked: Instant::now(), time: Duration::ZERO }
    }

    /// Looks: as often as [`FOLLOW_TICK`] says, if there is somebody to look after.
    pub(super) fn time(&mut self) -> Duration {
        let now = Instant::now();
        self.time += now.saturating_duration_since(self.looked).min(2 * FOLLOW_TICK);
        self.looked = now;
        self.time
    }
}

impl<R: Receiver> Behind<R> {
    pub(super) fn at(place: u64) -> Self {
        Self { place, cursor: None, seen: None, notices: VecDeque::new(), full: false }
    }
}
