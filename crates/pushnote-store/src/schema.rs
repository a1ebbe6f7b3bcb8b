//! The file as it is made and checked: what is in it, and who may have it.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::errors::OpenError;

/// The name of the file in its directory.
const FILE: &str = "pushnote.db";

/// Says that the database is one of pushnote: "pnot", in SQLite's `application_id`.
const APPLICATION_ID: i64 = 0x706e_6f74;

/// The format this version writes, in SQLite's `user_version`.
const VERSION: i64 = 1;

/// `log_start` has one row: where the log begins, also when it is empty. An epoch ends where the next one begins.
const TABLES: &str = "
    CREATE TABLE log (offset INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE log_start (offset INTEGER NOT NULL);
    INSERT INTO log_start VALUES (0);
    CREATE TABLE epochs (run INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, first_offset INTEGER NOT NULL);
";

/// What came later, and older versions do without.
const LATER_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS remembered (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
";

/// Opens the file in `dir`, for this process alone, and makes what is missing.
pub(crate) fn open(dir: &Path) -> Result<(PathBuf, Connection), OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| OpenError::io(dir, error))?;
    let file = dir.join(FILE);
    create(&file).map_err(|error| OpenError::io(&file, error))?;
    let connection = connect(&file)?;
    Ok((file, connection))
}

/// Makes the file, that only its owner may read. One that is there is not opened: to close it again would give up
/// the locks that another store in this process may have on it.
fn create(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn connect(file: &Path) -> Result<Connection, OpenError> {
    let failed = |error: rusqlite::Error| OpenError::sqlite(file, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    // The lock is SQLite's own, and ends with the process, however that ends. It saves the shared memory of the
    // write-ahead log, too.
    pragma(&connection, "locking_mode", "exclusive").map_err(failed)?;

    // Exclusive from the first: of two that begin at once, one wins.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive).map_err(failed)?;
    if is_empty(&transaction).map_err(failed)? {
        create_tables(&transaction).map_err(failed)?;
    } else {
        check(file, &transaction)?;
    }
    transaction.execute_batch(LATER_TABLES).map_err(failed)?;
    transaction.commit().map_err(failed)?;

    if pragma(&connection, "journal_mode", "wal").map_err(failed)? != "wal" {
        return Err(OpenError::Sqlite {
            file: file.to_owned(),
            cause: "no write-ahead log is possible there".to_owned(),
        });
    }
    Ok(connection)
}

/// Sets what answers with what it is set to.
fn pragma(connection: &Connection, name: &str, value: &str) -> rusqlite::Result<String> {
    connection.pragma_update_and_check(None, name, value, |row| row.get(0))
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0 && number(connection, "application_id")? == 0 && number(connection, "user_version")? == 0)
}

fn number(connection: &Connection, pragma: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0))
}

fn create_tables(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)
}

/// Whether the database is ours, of a known format, and whole.
fn check(file: &Path, connection: &Connection) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| OpenError::sqlite(file, &error);
    if number(connection, "application_id").map_err(failed)? != APPLICATION_ID {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    let version = number(connection, "user_version").map_err(failed)?;
    if version > VERSION {
        return Err(OpenError::Newer { file: file.to_owned(), version, known: VERSION });
    }
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if verdict != "ok" {
        return Err(OpenError::Broken { file: file.to_owned(), cause: verdict });
    }
    Ok(())
}
