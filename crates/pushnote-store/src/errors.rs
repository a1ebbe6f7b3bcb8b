//! What goes wrong, each with the file's name and what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::ErrorCode;

/// Why a file could not be opened. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or the file cannot be made or read.
    #[error("cannot use {}: {source}: give a directory that this user may make, and write in", file.display())]
    Io {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another store has it.
    #[error("{} is in use by another server: give each a directory of its own", file.display())]
    InUse {
        /// Which.
        file: PathBuf,
    },
    /// Of a version that is to come.
    #[error(
        "{} has format {version}, and this version of pushnote knows {known} at most: use a newer one, or another directory",
        file.display()
    )]
    Newer {
        /// Which.
        file: PathBuf,
        /// The format it has.
        version: i64,
        /// The newest format that is known.
        known: i64,
    },
    /// A database of something else.
    #[error("{} is a database, but not one of pushnote: use another directory", file.display())]
    Foreign {
        /// Which.
        file: PathBuf,
    },
    /// Damaged, or no database at all.
    #[error(
        "{} is broken ({cause}): put a copy in its place, or move it away to begin with an empty one",
        file.display()
    )]
    Broken {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no room.
    #[error("{}: the disk is full", file.display())]
    DiskFull {
        /// Which.
        file: PathBuf,
    },
    /// Anything else that SQLite complains of.
    #[error("cannot use {}: {cause}", file.display())]
    Sqlite {
        /// Which.
        file: PathBuf,
        /// Why.
        cause: String,
    },
}

impl OpenError {
    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io { file: file.to_owned(), source }
    }

    pub(crate) fn sqlite(file: &Path, error: &rusqlite::Error) -> Self {
        let (file, cause) = (file.to_owned(), error.to_string());
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse { file },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Broken { file, cause },
            Some(ErrorCode::DiskFull) => Self::DiskFull { file },
            _ => Self::Sqlite { file, cause },
        }
    }
}

/// Why a store does not store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It goes on by itself, once there is room. What it was not given meanwhile is a hole, before which it then
    /// forgets everything.
    #[error("{}: the disk is full: nothing is stored until there is room", file.display())]
    DiskFull {
        /// The file.
        file: Arc<Path>,
    },
    /// Nothing more is stored in this run: what the disk has after a failed write only a new start can tell.
    #[error("{}: {cause}: nothing is stored until the server starts again", file.display())]
    Write {
        /// The file.
        file: Arc<Path>,
        /// What failed.
        cause: Arc<str>,
    },
    /// The store was closed.
    #[error("{} is closed", file.display())]
    Closed {
        /// The file.
        file: Arc<Path>,
    },
}

impl Failure {
    pub(crate) fn new(file: Arc<Path>, error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull { file },
            _ => Self::Write { file, cause: error.to_string().into() },
        }
    }
}

/// Why a piece of work was not done. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum TransactError {
    /// Nothing is stored at the moment.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// SQLite refused what the work asked of it, or the work itself did.
    #[error("the database refused this: {0}")]
    Sqlite(#[source] rusqlite::Error),
    /// The work panicked: a fault in the program, which stands on its standard error.
    #[error("a fault in pushnote: please report what stands in its log about a panic")]
    Panicked,
}

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too much waits to be written: wait for [`Store::ready`](crate::Store::ready), and append it again.
    #[error("too much waits to be written to disk")]
    Full,
    /// Nothing is stored at the moment.
    #[error(transparent)]
    Failed(#[from] Failure),
}
