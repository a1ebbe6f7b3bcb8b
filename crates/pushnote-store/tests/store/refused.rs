//! Files that are not opened, each with an error that names them and says what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pushnote_store::{OpenError, Options, Store};
use rusqlite::Connection;

use super::{open, store};

fn refused(dir: &std::path::Path) -> OpenError {
    let file = dir.join("pushnote.db");
    let before = fs::read(&file).unwrap();
    let error = Store::open(dir, &Options::default()).unwrap_err();
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before, "it is as it was");
    error
}

#[tokio::test]
async fn two_stores_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = open(dir.path());
    store(&first, 0..10).await;
    assert!(matches!(refused(dir.path()), OpenError::InUse { .. }));
    // The first one has not lost its lock by that.
    assert!(matches!(refused(dir.path()), OpenError::InUse { .. }));
    store(&first, 10..20).await;
    drop(first);
    assert_eq!(open(dir.path()).1.records.len(), 20);
}

#[test]
fn what_is_no_database_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("pushnote.db"), "This is no database. ".repeat(1000)).unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Broken { .. }));
}

#[tokio::test]
async fn a_damaged_database_is_broken() {
    let dir = tempfile::tempdir().unwrap();
    let (written, _) = open(dir.path());
    store(&written, 0..1000).await;
    drop(written);
    let file = dir.path().join("pushnote.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8192].fill(0xa5);
    fs::write(&file, bytes).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, OpenError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("move it away"), "{error}");
}

#[test]
fn a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let connection = Connection::open(dir.path().join("pushnote.db")).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    connection.close().unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Newer { version: 7, known: 1, .. }));
}

#[test]
fn a_database_of_something_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let connection = Connection::open(dir.path().join("pushnote.db")).unwrap();
    connection.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    connection.close().unwrap();
    assert!(matches!(refused(dir.path()), OpenError::Foreign { .. }));
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let below = dir.path().join("file/data");
    let error = Store::open(&below, &Options::default()).unwrap_err();
    assert!(error.to_string().contains(&below.display().to_string()), "{error}");
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("some/data");
    let (written, _) = open(&data);
    store(&written, 0..1).await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("pushnote.db")), 0o600);
    assert_eq!(mode(&data.join("pushnote.db-wal")), 0o600);
}
