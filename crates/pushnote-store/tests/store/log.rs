//! What is there after an ordinary restart.

use std::time::Duration;

use bytes::Bytes;
use pushnote_store::{AppendError, Failure, Fsync, Options, Record, Remembered, Store};

use super::{offsets, open, record, store};

#[tokio::test]
async fn a_restart_loses_nothing_and_places_hold() {
    let dir = tempfile::tempdir().unwrap();
    let (first, recovered) = open(dir.path());
    assert_eq!((recovered.next_offset, recovered.records.len()), (0, 0));
    let epoch = recovered.epochs.current();
    // Not waited for: closing stores what waits.
    for offset in 0..1000 {
        first.append(record(offset)).unwrap();
    }
    first.close().await.unwrap();
    assert!(matches!(first.append(record(1000)), Err(AppendError::Failed(Failure::Closed { .. }))));
    first.durable(999).await.unwrap();
    assert!(matches!(first.durable(1000).await, Err(Failure::Closed { .. })));
    drop(first);

    let (second, recovered) = open(dir.path());
    assert_eq!(offsets(&recovered), Vec::from_iter(0..1000));
    assert_eq!(recovered.next_offset, 1000);
    assert_ne!(recovered.epochs.current(), epoch);
    assert!(recovered.epochs.hold(epoch, 0) && recovered.epochs.hold(epoch, 1000));
    assert!(!recovered.epochs.hold(epoch, 1001));
    second.append(record(1000)).unwrap();
    drop(second);
    assert_eq!(offsets(&open(dir.path()).1), Vec::from_iter(0..1001), "dropped is closed");
}

#[tokio::test]
async fn the_log_stays_within_its_bounds() {
    let bounds = [
        (Options { count_max: 100, ..Options::default() }, 900),
        (Options { bytes_max: 200 * 100, ..Options::default() }, 900),
        (Options { age_max: Duration::ZERO, ..Options::default() }, 1000),
    ];
    for (options, first) in bounds {
        let dir = tempfile::tempdir().unwrap();
        let (written, _) = Store::open(dir.path(), &options).unwrap();
        for offset in (0..1000).step_by(50) {
            store(&written, offset..offset + 50).await;
        }
        drop(written);
        // Trimmed while it ran: what a store without bounds finds is little more.
        let copy = tempfile::tempdir().unwrap();
        std::fs::copy(dir.path().join("pushnote.db"), copy.path().join("pushnote.db")).unwrap();
        let (_, held) = open(copy.path());
        assert!(offsets(&held).len() <= 152, "{options:?}");

        let (_, recovered) = Store::open(dir.path(), &options).unwrap();
        let kept = offsets(&recovered);
        assert!(kept.first().is_none_or(|&offset| offset >= first), "{options:?}: {kept:?}");
        assert!(kept.is_empty() || kept.len() == 100, "{options:?}");
        assert_eq!(recovered.next_offset, 1000, "{options:?}: no offset is given out twice");
        // An empty log still knows where it is.
        let (_, again) = Store::open(dir.path(), &options).unwrap();
        assert_eq!(again.next_offset, 1000);
    }
}

#[tokio::test]
async fn what_was_not_appended_is_a_hole_before_which_nothing_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (written, _) = open(dir.path());
    store(&written, 0..10).await;
    store(&written, 20..30).await;
    drop(written);
    let (_, recovered) = open(dir.path());
    assert_eq!(offsets(&recovered), Vec::from_iter(20..30));
}

#[tokio::test]
async fn a_full_queue_is_told_and_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { queue_bytes_max: 1000, fsync: Fsync::Always, ..Options::default() };
    let (written, _) = Store::open(dir.path(), &options).unwrap();
    let mut refused = 0;
    for offset in 0..200 {
        while let Err(error) = written.append(record(offset)) {
            assert_eq!(error, AppendError::Full);
            refused += 1;
            written.ready().await;
        }
    }
    assert!(refused > 0);
    // Larger than the queue, and taken when nothing else waits.
    let large = Record { body: Bytes::from(vec![0; 100_000]), ..record(200) };
    while written.append(large.clone()).is_err() {
        written.ready().await;
    }
    written.durable(200).await.unwrap();
    assert_eq!(written.failure(), None);
    drop(written);
    assert_eq!(open(dir.path()).1.records.len(), 201);
}

#[tokio::test]
async fn what_is_remembered_is_there_by_its_name_until_it_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (written, recovered) = open(dir.path());
    assert!(recovered.remembered.is_empty());
    for (name, value) in [("b", Some("1")), ("a", Some("2")), ("b", Some("3")), ("c", Some("4")), ("c", None)]
    {
        let value = value.map(Bytes::from);
        written.remember(Remembered { name: name.to_owned(), value }).await.unwrap();
    }
    drop(written);
    let there = open(dir.path()).1.remembered;
    assert_eq!(there, [("a".to_owned(), Bytes::from("2")), ("b".to_owned(), Bytes::from("3"))]);
}
