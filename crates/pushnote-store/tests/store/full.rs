//! A disk that is full, and then is not: a file system of two megabytes, where one may be mounted.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pushnote_store::{AppendError, Failure, OpenError, Options, Remembered, Store};

use super::{offsets, open, record, store};

/// A small file system, gone with its owner.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "none"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            // As pushnote_tests::skipped has it.
            let _ = writeln!(std::io::stderr(), "SKIPPED: no file system may be mounted here");
        }
        mounted.then(|| Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let _ = fs::write(self.path().join("ballast"), vec![0; 4 << 20]);
    }

    fn empty(&self) {
        fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// Appends until the store says that it fails; returns the offset that was not taken.
async fn append_until_failure(store: &Store, first: u64) -> u64 {
    for offset in first.. {
        match store.append(record(offset)) {
            Ok(()) if offset % 20 == 0 => {
                if store.durable(offset).await.is_err() {
                    return offset + 1;
                }
            }
            Ok(()) => {}
            Err(AppendError::Full) => store.ready().await,
            Err(AppendError::Failed(_)) => return offset,
        }
    }
    unreachable!("offsets do not end")
}

#[tokio::test]
async fn a_full_disk_is_told_and_storing_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::mount() else { return };
    let (written, _) = open(disk.path());
    store(&written, 0..100).await;
    disk.fill();
    let refused = append_until_failure(&written, 100).await;
    let failure = written.failure().unwrap();
    assert!(matches!(failure, Failure::DiskFull { .. }), "{failure}");
    assert!(failure.to_string().contains("pushnote.db: the disk is full"), "{failure}");
    assert_eq!(written.append(record(refused)), Err(AppendError::Failed(failure.clone())));
    assert_eq!(
        written.remember(Remembered { name: "a".to_owned(), value: None }).await,
        Err(failure.clone())
    );
    assert_eq!(written.durable(refused - 1).await, Err(failure));
    written.ready().await;

    // What was taken before is stored after all.
    disk.empty();
    while written.failure().is_some() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    written.durable(refused - 1).await.unwrap();
    // What was published meanwhile was not taken: a hole.
    store(&written, refused + 10..refused + 20).await;
    drop(written);
    let (_, recovered) = open(disk.path());
    assert_eq!(offsets(&recovered), Vec::from_iter(refused + 10..refused + 20));
}

#[tokio::test]
async fn a_server_that_ends_while_the_disk_is_full_keeps_what_was_durable() {
    let Some(disk) = SmallDisk::mount() else { return };
    let (written, recovered) = open(disk.path());
    let epoch = recovered.epochs.current();
    store(&written, 0..100).await;
    disk.fill();
    let refused = append_until_failure(&written, 100).await;
    assert!(matches!(written.close().await, Err(Failure::DiskFull { .. })));
    drop(written);

    assert!(matches!(Store::open(disk.path(), &Options::default()).unwrap_err(), OpenError::DiskFull { .. }));
    disk.empty();
    let (_, recovered) = open(disk.path());
    let next_offset = recovered.next_offset;
    assert!((100..refused).contains(&next_offset), "{next_offset} of {refused}");
    assert_eq!(offsets(&recovered), Vec::from_iter(0..next_offset));
    assert!(!recovered.epochs.hold(epoch, refused), "given out, and not stored");
}
