//! A receiver that is not at the end of the log.

use std::collections::VecDeque;

use pushnote_core::{Cursor, Subject};
use tokio::time::Instant;

use crate::receiver::Receiver;

/// A receiver with a place in the log.
pub(super) struct Behind<R: Receiver> {
    /// It has had everything before.
    pub(super) place: u64,
    /// Where it goes on is still to be found, and since when: the log may not be so far yet.
    pub(super) cursor: Option<(Cursor, Instant)>,
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
    /// So long what a source has still to bring is known by it; that source may be no more.
    pub(super) until: Instant,
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

impl<R: Receiver> Behind<R> {
    pub(super) fn at(place: u64) -> Self {
        Self { place, cursor: None, seen: None, notices: VecDeque::new(), full: false }
    }
}
