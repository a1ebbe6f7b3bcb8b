//! The handle.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rusqlite::Transaction;
use tokio::sync::watch;

use crate::database::Database;
use crate::errors::{AppendError, Failure, OpenError, TransactError};
use crate::options::Options;
use crate::queue::{Queue, Refused};
use crate::record::{Record, Recovered, Remembered};
use crate::work::work;
use crate::writer::{Progress, Writer};

/// What a server keeps on disk. Nothing here waits for the disk but what is `async`, and what says so.
///
/// Dropping it stores what waits, as [`close`](Self::close) does, and blocks for as long.
pub struct Store {
    file: Arc<Path>,
    queue: Arc<Queue>,
    progress: watch::Receiver<Progress>,
    writer: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the file `pushnote.db` in `dir`, and makes both if they are missing, for their owner alone. Blocks, while it
    /// checks and reads the file.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]: the file is in use, is broken, is not ours, or the system refuses. It is as it was.
    pub fn open(dir: &Path, options: &Options) -> Result<(Self, Recovered), OpenError> {
        let (database, recovered) = Database::open(dir, options)?;
        let file = database.file().clone();
        let queue = Arc::new(Queue::new(options.queue_bytes_max));
        let progress = Progress { next_offset: recovered.next_offset, remembered: 0, failure: None };
        let (sender, progress) = watch::channel(progress);
        let writer = Writer::new(database, queue.clone(), sender, options.fsync);
        let writer = thread::Builder::new()
            .name("store".to_owned())
            .spawn(|| writer.run())
            .map_err(|error| OpenError::io(&file, error))?;
        Ok((Self { file, queue, progress, writer: Some(writer) }, recovered))
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Takes a record to be stored. Offsets rise; where one is left out (because the record before it was not taken),
    /// the file forgets what lies before the hole.
    ///
    /// # Errors
    ///
    /// [`AppendError::Full`] if too much waits to be written, [`AppendError::Failed`] if nothing is stored.
    pub fn append(&self, record: Record) -> Result<(), AppendError> {
        self.failure().map_or(Ok(()), Err)?;
        self.queue.push_record(record).map_err(|refused| match refused {
            Refused::Full => AppendError::Full,
            Refused::Closed => self.closed().into(),
        })
    }

    /// Waits until there is room again after [`AppendError::Full`], or until nothing is stored any more.
    pub async fn ready(&self) {
        // It ends with an error, too, which `append` tells.
        let _ = self.reach(|_| self.queue.has_room()).await;
    }

    /// Waits until all records up to `offset`, which were taken, are committed: a server that is killed then does not
    /// lose them, and with [`Fsync::Always`](crate::Fsync::Always), no power failure does.
    ///
    /// # Errors
    ///
    /// Nothing is stored at the moment; on a full disk, what was taken before may be stored later all the same.
    pub async fn durable(&self, offset: u64) -> Result<(), Failure> {
        self.reach(|progress| offset < progress.next_offset).await
    }

    /// Remembers a value by its name, in place of what had the name before, or forgets it, and waits until that is committed:
    /// with or behind all records that were taken before.
    ///
    /// # Errors
    ///
    /// As [`durable`](Self::durable).
    pub async fn remember(&self, remembered: Remembered) -> Result<(), Failure> {
        let number = loop {
            self.failure().map_or(Ok(()), Err)?;
            match self.queue.push_remembered(remembered.clone()) {
                Ok(number) => break number,
                Err(Refused::Full) => self.ready().await,
                Err(Refused::Closed) => return Err(self.closed()),
            }
        };
        self.reach(|progress| number <= progress.remembered).await
    }

    /// Runs `work` in the writer's thread, in the transaction that is committed next, behind all records that were taken
    /// before, and waits until that is committed. An error undoes what the work did, and nothing else.
    ///
    /// The tables are whose who makes them; those of the store are its own business. Reads go this way, too. The log waits
    /// for the work: what is long comes in pieces. It is done also if nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// See [`TransactError`]: the work failed, or nothing is stored at the moment. Nothing of it is stored, now or later.
    pub async fn transact<T, F>(&self, work: F) -> Result<T, TransactError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let (work, outcome) = self::work(work);
        let mut work = Some(work);
        loop {
            self.failure().map_or(Ok(()), Err)?;
            match self.queue.push_work(&mut work) {
                Ok(()) => break,
                Err(Refused::Full) => self.ready().await,
                Err(Refused::Closed) => return Err(self.closed().into()),
            }
        }
        // Nothing comes if the writer ended, and has said why.
        outcome.await.unwrap_or_else(|_| Err(self.failure().unwrap_or_else(|| self.closed()).into()))
    }

    /// Why nothing is stored; `None` if all is well.
    pub fn failure(&self) -> Option<Failure> {
        let failure = self.progress.borrow().failure.clone();
        failure.or_else(|| self.progress.has_changed().is_err().then(|| self.closed()))
    }

    /// Stores what waits, and closes the file.
    ///
    /// # Errors
    ///
    /// Something that was taken is not stored.
    pub async fn close(&self) -> Result<(), Failure> {
        self.queue.close();
        let mut progress = self.progress.clone();
        // The thread ends, and its side of the channel with it.
        while progress.changed().await.is_ok() {}
        let failure = progress.borrow().failure.clone();
        failure.map_or(Ok(()), Err)
    }

    /// Waits until the writer is so far.
    async fn reach(&self, reached: impl Fn(&Progress) -> bool) -> Result<(), Failure> {
        let mut progress = self.progress.clone();
        match progress.wait_for(|progress| reached(progress) || progress.failure.is_some()).await {
            Ok(progress) if reached(&progress) => Ok(()),
            Ok(progress) => Err(progress.failure.clone().unwrap_or_else(|| self.closed())),
            Err(_) => Err(self.closed()),
        }
    }

    fn closed(&self) -> Failure {
        Failure::Closed { file: self.file.clone() }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // A panic there was told on stderr; nothing of it concerns the caller.
            let _ = writer.join();
        }
    }
}
