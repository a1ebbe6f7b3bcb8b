//! What others do in the store's transactions.

use std::sync::Arc;
use std::time::Duration;

use pushnote_store::rusqlite::{self, Transaction};
use pushnote_store::{Failure, Options, Store, TransactError};

use super::{offsets, open, record, store};

async fn make_table(store: &Store) {
    store
        .transact(|transaction| {
            transaction.execute_batch("CREATE TABLE IF NOT EXISTS numbers (number INTEGER PRIMARY KEY)")
        })
        .await
        .unwrap();
}

fn insert(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<()> {
    transaction.execute("INSERT INTO numbers VALUES (?1)", [number]).map(drop)
}

async fn numbers(store: &Store) -> Vec<i64> {
    store
        .transact(|transaction| {
            let mut select = transaction.prepare("SELECT number FROM numbers ORDER BY number")?;
            select.query_map([], |row| row.get(0))?.collect()
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn work_is_there_in_the_next_run_beside_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (written, _) = open(dir.path());
    make_table(&written).await;
    written.append(record(0)).unwrap();
    assert_eq!(
        written.transact(|transaction| insert(transaction, 7).map(|()| "done")).await.unwrap(),
        "done"
    );
    written.durable(0).await.unwrap();
    drop(written);
    let (read, recovered) = open(dir.path());
    make_table(&read).await;
    assert_eq!(numbers(&read).await, [7]);
    assert_eq!(offsets(&recovered), [0]);
}

#[tokio::test]
async fn work_that_fails_or_panics_undoes_its_own_and_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    make_table(&store).await;
    // All of them in one group, as the writer waits two milliseconds for more.
    let (first, twice, panics, last) = tokio::join!(
        store.transact(|transaction| insert(transaction, 1)),
        store.transact(|transaction| {
            insert(transaction, 2)?;
            insert(transaction, 1)
        }),
        store.transact(|transaction| -> rusqlite::Result<()> {
            insert(transaction, 3)?;
            panic!("on purpose");
        }),
        store.transact(|transaction| insert(transaction, 4)),
    );
    first.unwrap();
    let refused = twice.unwrap_err();
    assert!(refused.to_string().contains("UNIQUE constraint failed: numbers.number"), "{refused}");
    assert!(matches!(panics.unwrap_err(), TransactError::Panicked));
    last.unwrap();
    store.append(record(0)).unwrap();
    store.durable(0).await.unwrap();
    assert_eq!(numbers(&store).await, [1, 4]);
}

#[tokio::test]
async fn more_work_than_the_queue_takes_waits() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { queue_bytes_max: 1, ..Options::default() };
    let store = Arc::new(Store::open(dir.path(), &options).unwrap().0);
    make_table(&store).await;
    let mut works = tokio::task::JoinSet::new();
    for number in 0..200 {
        let store = store.clone();
        works.spawn(async move { store.transact(move |transaction| insert(transaction, number)).await });
    }
    while let Some(done) = works.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(numbers(&store).await, Vec::from_iter(0..200));
}

#[tokio::test]
async fn a_closed_store_refuses_work() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    store.close().await.unwrap();
    let refused = store.transact(|_| Ok(())).await.unwrap_err();
    assert!(matches!(refused, TransactError::Failed(Failure::Closed { .. })), "{refused}");
}

#[tokio::test]
async fn work_that_finds_no_room_is_refused_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (written, _) = open(dir.path());
    store(&written, 0..10).await;
    make_table(&written).await;
    // As a disk on which there are so many pages left.
    let pages = |pages: u32| {
        move |transaction: &Transaction<'_>| transaction.pragma_update(None, "max_page_count", pages)
    };
    written.transact(pages(30)).await.unwrap();
    let refused = written
        .transact(|transaction| (0..100_000).try_for_each(|number| insert(transaction, number)))
        .await
        .unwrap_err();
    assert!(matches!(refused, TransactError::Failed(Failure::DiskFull { .. })), "{refused}");
    assert_eq!(written.failure(), None, "the log has room");
    store(&written, 10..20).await;
    assert_eq!(numbers(&written).await, Vec::<i64>::new());

    // Until there is none for the log, either: then nothing is taken, and all goes on later.
    let mut offset = 20;
    while written.failure().is_none() {
        if written.append(record(offset)).is_ok() {
            offset += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let refused = written.transact(pages(100_000)).await.unwrap_err();
    assert!(refused.to_string().contains("pushnote.db: the disk is full"), "{refused}");
}
