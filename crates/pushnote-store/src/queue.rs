//! What waits for the writer, bounded in bytes.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use crate::record::{Record, Remembered};
use crate::work::Work;

/// What a piece of work counts for in the queue, in bytes: what it has with it is not known.
const WORK_BYTES: usize = 16 << 10;

/// What is committed at once.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) records: Vec<Record>,
    pub(crate) remembered: Vec<Remembered>,
    pub(crate) works: Vec<Box<dyn Work>>,
}

/// Why something does not go into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// What the writer takes out.
pub(crate) struct Taken {
    pub(crate) group: Group,
    /// Somebody was refused, and there is room now.
    pub(crate) refused: bool,
    /// Nothing comes after this.
    pub(crate) closed: bool,
}

pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    bytes_max: usize,
}

#[derive(Default)]
struct Waiting {
    group: Group,
    bytes: usize,
    /// How many were ever to be remembered.
    remembered: u64,
    refused: bool,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { waiting: Mutex::default(), changed: Condvar::new(), bytes_max }
    }

    pub(crate) fn push_record(&self, record: Record) -> Result<(), Refused> {
        let bytes = record.body.len() + size_of::<Record>();
        self.push(bytes, |waiting| {
            debug_assert!(waiting.group.records.last().is_none_or(|last| last.offset < record.offset));
            waiting.group.records.push(record);
        })
    }

    /// Returns how many were to be remembered by then.
    pub(crate) fn push_remembered(&self, remembered: Remembered) -> Result<u64, Refused> {
        let bytes = remembered.name.len() + remembered.value.as_ref().map_or(0, Bytes::len);
        self.push(bytes + size_of::<Remembered>(), |waiting| {
            waiting.group.remembered.push(remembered);
            waiting.remembered += 1;
            waiting.remembered
        })
    }

    /// Leaves the work where it is if it is refused.
    pub(crate) fn push_work(&self, work: &mut Option<Box<dyn Work>>) -> Result<(), Refused> {
        self.push(WORK_BYTES, |waiting| waiting.group.works.extend(work.take()))
    }

    /// Takes the work alone.
    pub(crate) fn take_works(&self) -> Vec<Box<dyn Work>> {
        let mut waiting = self.lock();
        let works = std::mem::take(&mut waiting.group.works);
        waiting.bytes -= works.len() * WORK_BYTES;
        works
    }

    /// Puts in what fits, and anything, however large, if nothing else waits.
    fn push<T>(&self, bytes: usize, put: impl FnOnce(&mut Waiting) -> T) -> Result<T, Refused> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        let (before, after) = (waiting.bytes, waiting.bytes + bytes);
        if before > 0 && after > self.bytes_max {
            waiting.refused = true;
            return Err(Refused::Full);
        }
        waiting.bytes = after;
        let put = put(&mut waiting);
        // Only what the writer waits for is worth a system call.
        if before == 0 || (before < self.bytes_max / 2 && after >= self.bytes_max / 2) {
            self.changed.notify_one();
        }
        Ok(put)
    }

    /// Whether nobody was refused since the writer came last.
    pub(crate) fn has_room(&self) -> bool {
        !self.lock().refused
    }

    /// Nothing more goes in; the writer takes what is there.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits for something to be there, at most until `until`, and takes it all; before `pause` only if the queue is
    /// half full.
    pub(crate) fn take(&self, pause: Instant, until: Instant) -> Taken {
        let more = |waiting: &mut Waiting| !waiting.closed && waiting.bytes < self.bytes_max / 2;
        let waiting = self.wait_while(self.lock(), pause, more);
        let nothing = |waiting: &mut Waiting| !waiting.closed && waiting.bytes == 0;
        let mut waiting = self.wait_while(waiting, until, nothing);
        waiting.bytes = 0;
        Taken {
            group: std::mem::take(&mut waiting.group),
            refused: std::mem::take(&mut waiting.refused),
            closed: waiting.closed,
        }
    }

    /// Waits until `until`, or until the queue is closed, and says whether it is.
    pub(crate) fn closed_before(&self, until: Instant) -> bool {
        self.wait_while(self.lock(), until, |waiting| !waiting.closed).closed
    }

    fn wait_while<'a>(
        &self,
        waiting: MutexGuard<'a, Waiting>,
        until: Instant,
        condition: impl FnMut(&mut Waiting) -> bool,
    ) -> MutexGuard<'a, Waiting> {
        let time = until.saturating_duration_since(Instant::now());
        self.changed.wait_timeout_while(waiting, time, condition).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
