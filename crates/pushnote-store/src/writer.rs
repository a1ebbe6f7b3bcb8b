//! The thread that commits what waits.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::database::Database;
use crate::errors::Failure;
use crate::options::Fsync;
use crate::queue::{Group, Queue};
use crate::work::Work;

/// From one commit to the next, at least, unless the queue fills: under a steady stream, records wait for each other.
/// Each commit costs a page at least, and the first record after a pause is committed at once.
const PAUSE: Duration = Duration::from_millis(2);

/// From one try to the next, while the disk is full.
const RETRY: Duration = Duration::from_secs(2);

/// How soon records that have become too old are forgotten, when no others come.
const IDLE: Duration = Duration::from_secs(10);

/// How far the writer is.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Records before this are committed.
    pub(crate) next_offset: u64,
    /// So many that were to be remembered are committed in this run.
    pub(crate) remembered: u64,
    /// Why nothing is stored.
    pub(crate) failure: Option<Failure>,
}

pub(crate) struct Writer {
    database: Database,
    queue: Arc<Queue>,
    progress: watch::Sender<Progress>,
    fsync: Fsync,
    /// When the disk has to have what it does not have yet.
    sync_due: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(
        database: Database,
        queue: Arc<Queue>,
        progress: watch::Sender<Progress>,
        fsync: Fsync,
    ) -> Self {
        Self { database, queue, progress, fsync, sync_due: None }
    }

    /// Works until the queue is closed and all is stored, or until storing fails for good.
    pub(crate) fn run(mut self) {
        let worked = self.work();
        let Self { database, queue, progress, .. } = self;
        let file = database.file().clone();
        let closed = worked.and_then(|()| database.close().map_err(|error| Failure::new(file, &error)));
        let Err(failure) = closed else { return };
        report(&progress, failure.clone());
        queue.close();
        settle(queue.take_works(), &Err(failure));
    }

    fn work(&mut self) -> Result<(), Failure> {
        let mut pause = Instant::now();
        loop {
            let idle = Instant::now() + IDLE;
            let taken = self.queue.take(pause, self.sync_due.map_or(idle, |due| due.min(idle)));
            pause = Instant::now() + PAUSE;
            if taken.refused {
                self.progress.send_modify(|_| ());
            }
            self.store(taken.group)?;
            self.sync()?;
            if taken.closed {
                return Ok(());
            }
        }
    }

    fn store(&mut self, mut group: Group) -> Result<(), Failure> {
        if !self.commit(&mut group)? {
            return Ok(());
        }
        if let Fsync::Interval(interval) = self.fsync {
            self.sync_due.get_or_insert_with(|| Instant::now() + interval);
        }
        self.progress.send_modify(|progress| {
            if progress.failure.take().is_some() {
                tracing::info!(
                    "{}: there is room again, and messages are stored",
                    self.database.file().display()
                );
            }
            progress.next_offset = self.database.next_offset();
            progress.remembered += group.remembered.len() as u64;
        });
        settle(group.works, &Ok(()));
        Ok(())
    }

    /// Commits, however long the disk is full; work is not tried again, but refused. Says whether there was anything to do.
    fn commit(&mut self, group: &mut Group) -> Result<bool, Failure> {
        loop {
            let closed = self.queue.closed_before(Instant::now());
            let failure = match self.database.commit(group) {
                Ok(changed) => return Ok(changed),
                Err(error) => Failure::new(self.database.file().clone(), &error),
            };
            let works = std::mem::take(&mut group.works);
            let alone = works.is_empty();
            settle(works, &Err(failure.clone()));
            if !alone {
                // What remains may find room.
                continue;
            }
            if closed || !matches!(failure, Failure::DiskFull { .. }) {
                return Err(failure);
            }
            report(&self.progress, failure.clone());
            settle(self.queue.take_works(), &Err(failure));
            self.queue.closed_before(Instant::now() + RETRY);
        }
    }

    fn sync(&mut self) -> Result<(), Failure> {
        if self.sync_due.take_if(|due| *due <= Instant::now()).is_some() {
            let file = self.database.file().clone();
            let failed = |error: io::Error| Failure::Write { file, cause: error.to_string().into() };
            self.database.sync().map_err(failed)?;
        }
        Ok(())
    }
}

/// Answers those who wait for their work.
fn settle(works: Vec<Box<dyn Work>>, committed: &Result<(), Failure>) {
    for work in works {
        work.settle(committed.clone());
    }
}

/// Says why nothing is stored: in the log once, however often it is tried.
fn report(progress: &watch::Sender<Progress>, failure: Failure) {
    progress.send_if_modified(|progress| {
        let new = progress.failure.as_ref() != Some(&failure);
        if new {
            tracing::error!("{failure}");
            progress.failure = Some(failure);
        }
        new
    });
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::options::Options;
    use crate::record::Record;

    /// A group of one record, queued for a writer of which `break_it` has broken the database; what the writer then says.
    fn failure_of(break_it: &str) -> (Option<Failure>, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (database, _) = Database::open(dir.path(), &Options::default()).unwrap();
        database.connection().execute_batch(break_it).unwrap();
        let file = database.file().to_path_buf();
        let queue = Arc::new(Queue::new(1 << 20));
        queue.push_record(Record { offset: 0, unix_ms: 0, body: Bytes::from(vec![0; 100_000]) }).unwrap();
        queue.close();
        let progress = Progress { next_offset: 0, remembered: 0, failure: None };
        let (sender, receiver) = watch::channel(progress);
        Writer::new(database, queue, sender, Fsync::Never).run();
        (receiver.borrow().failure.clone(), file)
    }

    #[test]
    fn what_fails_for_good_is_told_with_its_cause() {
        let (failure, file) = failure_of("DROP TABLE log");
        let text = failure.unwrap().to_string();
        assert!(text.starts_with(&file.display().to_string()), "{text}");
        assert!(text.contains("no such table: log"), "{text}");
    }

    #[test]
    fn a_full_disk_at_the_end_is_told() {
        let (failure, file) = failure_of("PRAGMA max_page_count = 10");
        assert_eq!(failure, Some(Failure::DiskFull { file: file.into() }));
    }

    #[test]
    fn a_failure_is_told_once_however_often_it_is_tried() {
        let progress = Progress { next_offset: 0, remembered: 0, failure: None };
        let (sender, mut receiver) = watch::channel(progress);
        let failure = Failure::DiskFull { file: std::path::Path::new("pushnote.db").into() };
        report(&sender, failure.clone());
        assert!(receiver.has_changed().unwrap());
        assert_eq!(receiver.borrow_and_update().failure, Some(failure.clone()));
        report(&sender, failure);
        assert!(!receiver.has_changed().unwrap());
    }
}
