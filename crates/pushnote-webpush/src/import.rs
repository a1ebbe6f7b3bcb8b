//! Subscriptions that solidwebpush has stored.

use std::fmt;
use std::path::{Path, PathBuf};

use pushnote_store::TransactError;
use pushnote_store::rusqlite::types::ValueRef;
use pushnote_store::rusqlite::{self, Connection, OpenFlags, Row};

use crate::key::KeyId;
use crate::new_device::{AddError, Added, NewDevice};
use crate::subscription::{Subscription, SubscriptionError};
use crate::subscriptions::Subscriptions;

/// Rows that are stored at once: the log of a server waits for these.
const ROWS_AT_ONCE: usize = 1000;
/// The column's types are what Python's were: SQLite keeps to none.
const SQL: &str = "SELECT rowid, session_id, subscription, group_id FROM subscriptors WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";

/// What became of the rows of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// They were not there.
    pub new: u64,
    /// They were, of the same user: a file may be imported again.
    pub known: u64,
    /// They were, of another user; or twice in the file, where the later one holds.
    pub moved: u64,
    /// They are none, and each was told of.
    pub left_out: u64,
}

/// A row that was not taken. Shown without the session, which may be a cookie's value.
#[derive(Debug)]
pub struct LeftOut {
    /// The row's number in the file (`rowid`).
    pub row: i64,
    /// Its session.
    pub session: String,
    /// What is wrong with it.
    pub reason: LeftOutReason,
}

/// Why a row was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LeftOutReason {
    /// No messages can be sent with it.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// It has no place in the table.
    #[error(transparent)]
    Add(#[from] AddError),
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {}", self.row, self.reason)
    }
}

/// Why a file was not imported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read, or is no database of solidwebpush.
    #[error("cannot read the subscriptions in {}: {cause}: a subscriptors.db of solidwebpush is wanted", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
    /// Nothing can be stored; what was stored before stays.
    #[error(transparent)]
    Store(#[from] TransactError),
}

impl Subscriptions {
    /// Takes over what solidwebpush has stored in `file`, its `subscriptors.db`, which is only read: sessions become users,
    /// groups keep their numbers. `key` is the one that it has subscribed with, its `private_key.pem`.
    ///
    /// A row with which nothing can be sent is left out, and told to `left_out`. Reading a piece of the file blocks for some
    /// milliseconds.
    ///
    /// # Errors
    ///
    /// See [`ImportError`].
    pub async fn import(
        &self,
        file: &Path,
        key: KeyId,
        mut left_out: impl FnMut(&LeftOut),
    ) -> Result<Imported, ImportError> {
        let unreadable = |cause| ImportError::Read { file: file.to_owned(), cause };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags).map_err(unreadable)?;
        let mut imported = Imported::default();
        let mut tell = |imported: &mut Imported, left: &LeftOut| {
            imported.left_out += 1;
            left_out(left);
        };
        let mut last = i64::MIN;
        loop {
            let rows = read(&connection, last).map_err(unreadable)?;
            let Some(end) = rows.last() else { return Ok(imported) };
            last = end.row;
            let (mut names, mut devices) = (Vec::new(), Vec::new());
            for FileRow { row, session, device } in rows {
                match device {
                    Ok(device) => {
                        names.push((row, session));
                        devices.push(device);
                    }
                    Err(reason) => tell(&mut imported, &LeftOut { row, session, reason }),
                }
            }
            let outcomes = self.add_all(devices, key).await?;
            for ((row, session), outcome) in names.into_iter().zip(outcomes) {
                match outcome {
                    Ok(Added::New) => imported.new += 1,
                    Ok(Added::Known) => imported.known += 1,
                    Ok(Added::Moved) => imported.moved += 1,
                    Err(error) => tell(&mut imported, &LeftOut { row, session, reason: error.into() }),
                }
            }
        }
    }
}

struct FileRow {
    row: i64,
    session: String,
    device: Result<NewDevice, LeftOutReason>,
}

/// The rows behind one.
fn read(connection: &Connection, last: i64) -> rusqlite::Result<Vec<FileRow>> {
    connection.prepare(SQL)?.query_map((last, ROWS_AT_ONCE as i64), file_row)?.collect()
}

fn file_row(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    let session = text(row.get_ref(1)?).unwrap_or_default();
    let json = match row.get_ref(2)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => b"",
    };
    let group = text(row.get_ref(3)?);
    let device = Subscription::parse(json)
        .map_err(LeftOutReason::from)
        .and_then(|subscription| Ok(NewDevice::new(&session, group.as_deref(), &subscription, None)?));
    Ok(FileRow { row: row.get(0)?, session, device })
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests;
