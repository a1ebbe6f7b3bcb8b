//! The file, as its writer has it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rusqlite::{Connection, Transaction};

use crate::epochs::Epochs;
use crate::errors::OpenError;
use crate::extent::{Bounds, Extent};
use crate::options::{Fsync, Options};
use crate::queue::Group;
use crate::record::{Record, Recovered, Remembered};
use crate::schema;

/// Runs that are remembered at most. Only a server that ends before it has said anything can have so many.
const EPOCHS_MAX: usize = 1000;

pub(crate) struct Database {
    file: Arc<Path>,
    connection: Connection,
    /// The write-ahead log, which has all that was committed last.
    wal: File,
    extent: Extent,
}

impl Database {
    /// Opens the file in `dir` and begins an epoch.
    pub(crate) fn open(dir: &Path, options: &Options) -> Result<(Self, Recovered), OpenError> {
        let (file, mut connection) = schema::open(dir)?;
        let failed = |error: rusqlite::Error| OpenError::sqlite(&file, &error);
        let synchronous = if options.fsync == Fsync::Always { "full" } else { "normal" };
        connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;

        // SQLite's numbers have 63 bits.
        let epoch = getrandom::u64().map_err(|error| OpenError::io(&file, io::Error::other(error)))? >> 1;
        let transaction = connection.transaction().map_err(failed)?;
        let recovered = recover(&transaction, Bounds::from(options), epoch).map_err(failed)?;
        transaction.commit().map_err(failed)?;

        let mut wal = file.clone().into_os_string();
        wal.push("-wal");
        let wal = File::open(&wal).map_err(|error| OpenError::io(Path::new(&wal), error))?;
        let mut extent = Extent::new(Bounds::from(options), recovered.next_offset);
        recovered.records.iter().for_each(|record| extent.push(record));
        Ok((Self { file: file.into(), connection, wal, extent }, recovered))
    }

    /// The file's name.
    pub(crate) fn file(&self) -> &Arc<Path> {
        &self.file
    }

    /// The offset after the last record that is committed.
    pub(crate) fn next_offset(&self) -> u64 {
        self.extent.next_offset()
    }

    /// Trims the log, and commits a group, of which the work has run then. Says whether there was anything to do; an error
    /// changes nothing.
    pub(crate) fn commit(&mut self, group: &mut Group) -> rusqlite::Result<bool> {
        let mut extent = self.extent.clone();
        let start = extent.trim(unix_ms());
        if start.is_none()
            && group.records.is_empty()
            && group.remembered.is_empty()
            && group.works.is_empty()
        {
            return Ok(false);
        }
        let transaction = self.connection.transaction()?;
        if let Some(start) = start {
            trim(&transaction, start)?;
        }
        insert(&transaction, &mut extent, &group.records)?;
        for Remembered { name, value } in &group.remembered {
            match value {
                Some(value) => transaction
                    .execute("INSERT OR REPLACE INTO remembered VALUES (?1, ?2)", (name, &value[..]))?,
                None => transaction.execute("DELETE FROM remembered WHERE name = ?1", [name])?,
            };
        }
        for work in &mut group.works {
            work.run(&transaction)?;
        }
        transaction.commit()?;
        self.extent = extent;
        Ok(true)
    }

    /// Waits until the disk has what was committed.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.wal.sync_data()
    }

    /// Brings the write-ahead log into the file, and waits until the disk has that.
    pub(crate) fn close(self) -> rusqlite::Result<()> {
        self.connection.close().map_err(|(_, error)| error)
    }
}

/// Appends records. What was not stored is a hole, and who reads on across it would never know: what lies before it is
/// forgotten.
fn insert(transaction: &Transaction<'_>, extent: &mut Extent, records: &[Record]) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare("INSERT INTO log VALUES (?1, ?2, ?3)")?;
    for record in records {
        if record.offset != extent.next_offset() {
            transaction.execute("DELETE FROM log", [])?;
            extent.clear(record.offset);
        }
        insert.execute((to_sql(record.offset), to_sql(record.unix_ms), &record.body[..]))?;
        extent.push(record);
    }
    Ok(())
}

/// Forgets what lies before `start`.
fn trim(transaction: &Transaction<'_>, start: u64) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM log WHERE offset < ?1", [to_sql(start)])?;
    transaction.execute("UPDATE log_start SET offset = ?1", [to_sql(start)])?;
    Ok(())
}

/// Reads what the file has, forgets what is beyond the bounds, and begins `epoch`.
fn recover(transaction: &Transaction<'_>, bounds: Bounds, epoch: u64) -> rusqlite::Result<Recovered> {
    let now_ms = unix_ms();
    let start: i64 = transaction.query_row("SELECT offset FROM log_start", [], |row| row.get(0))?;
    let mut records = records(transaction)?;
    let next_offset = records.last().map_or(to_u64(start), |record| record.offset + 1);
    let start = bounds.start(&records, next_offset, now_ms);
    trim(transaction, start)?;
    records.retain(|record| record.offset >= start);

    Ok(Recovered {
        epochs: begin_epoch(transaction, epoch, start, next_offset)?,
        records,
        next_offset,
        remembered: remembered(transaction)?,
    })
}

fn records(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<Record>> {
    transaction
        .prepare("SELECT offset, unix_ms, body FROM log ORDER BY offset")?
        .query_map([], |row| {
            Ok(Record {
                offset: to_u64(row.get(0)?),
                unix_ms: to_u64(row.get(1)?),
                body: Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?),
            })
        })?
        .collect()
}

/// Begins an epoch, and forgets those of which nothing is left in a log that begins at `start`.
fn begin_epoch(
    transaction: &Transaction<'_>,
    epoch: u64,
    start: u64,
    next_offset: u64,
) -> rusqlite::Result<Epochs> {
    let mut earlier: Vec<(u64, u64)> = transaction
        .prepare("SELECT epoch, first_offset FROM epochs ORDER BY run")?
        .query_map([], |row| Ok((to_u64(row.get(0)?), to_u64(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    let count = earlier.len();
    // Where the next one begins, this one ends. One that ends where the log begins has places that miss nothing.
    let gone = earlier.iter().skip(1).take_while(|&&(_, end)| end < start).count();
    earlier.drain(..gone.max(count.saturating_sub(EPOCHS_MAX)));

    transaction.execute(
        "DELETE FROM epochs WHERE run NOT IN (SELECT run FROM epochs ORDER BY run DESC LIMIT ?1)",
        [to_sql(earlier.len() as u64)],
    )?;
    transaction.execute(
        "INSERT INTO epochs (epoch, first_offset) VALUES (?1, ?2)",
        [to_sql(epoch), to_sql(next_offset)],
    )?;
    Ok(Epochs::new(earlier, (epoch, next_offset)))
}

fn remembered(transaction: &Transaction<'_>) -> rusqlite::Result<Vec<(String, Bytes)>> {
    transaction
        .prepare("SELECT name, value FROM remembered ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?))))?
        .collect()
}

/// SQLite's numbers have a sign, ours have none, and none is so large.
fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Milliseconds since 1970; 0 if the clock stands before that.
fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use rusqlite::ErrorCode;

    use super::*;

    impl Database {
        pub(crate) fn connection(&self) -> &Connection {
            &self.connection
        }
    }

    fn group(offsets: std::ops::Range<u64>) -> Group {
        let record = |offset| Record { offset, unix_ms: unix_ms(), body: Bytes::from(vec![b'x'; 1000]) };
        Group { records: offsets.map(record).collect(), ..Group::default() }
    }

    #[test]
    fn a_group_that_finds_no_room_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (mut database, _) = Database::open(dir.path(), &Options::default()).unwrap();
        database.commit(&mut group(0..10)).unwrap();
        database.connection.pragma_update(None, "max_page_count", 20).unwrap();
        let error = database.commit(&mut group(10..100)).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
        assert_eq!(database.next_offset(), 10);

        database.connection.pragma_update(None, "max_page_count", 1000).unwrap();
        database.commit(&mut group(10..100)).unwrap();
        database.close().unwrap();
        let (_, recovered) = Database::open(dir.path(), &Options::default()).unwrap();
        assert_eq!(recovered.records.len(), 100);
    }

    #[test]
    fn epochs_of_which_nothing_is_left_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { count_max: 10, ..Options::default() };
        let mut epochs = Vec::new();
        for run in 0..5 {
            let (mut database, recovered) = Database::open(dir.path(), &options).unwrap();
            epochs.push(recovered.epochs.current());
            database.commit(&mut group(run * 10..run * 10 + 10)).unwrap();
            database.close().unwrap();
        }
        let (database, recovered) = Database::open(dir.path(), &options).unwrap();
        // The log has 40 to 49. Who was at the end of the last but one, at 40, has missed nothing.
        assert!(recovered.epochs.hold(epochs[4], 45));
        assert!(recovered.epochs.hold(epochs[3], 40));
        assert!(!recovered.epochs.hold(epochs[2], 30));
        let kept: i64 =
            database.connection.query_row("SELECT count(*) FROM epochs", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 3);
    }
}
