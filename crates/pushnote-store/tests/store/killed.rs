//! A process that is killed while it writes loses nothing that was durable.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pushnote_store::{AppendError, Fsync, Options, Store};

use super::{offsets, open, record};

/// Where the child writes, and how.
const DIR: &str = "PUSHNOTE_STORE_TEST_DIR";
const FSYNC: &str = "PUSHNOTE_STORE_TEST_FSYNC";

/// The child: writes until it is killed, and says what is durable.
#[tokio::test]
async fn child() {
    let Some(dir) = env::var_os(DIR).map(PathBuf::from) else { return };
    let fsync = match env::var(FSYNC).unwrap().as_str() {
        "always" => Fsync::Always,
        "interval" => Fsync::Interval(Duration::from_millis(20)),
        _ => Fsync::Never,
    };
    let (store, recovered) = Store::open(&dir, &Options { fsync, ..Options::default() }).unwrap();
    println!("epoch {}", recovered.epochs.current());
    for offset in recovered.next_offset.. {
        while let Err(error) = store.append(record(offset)) {
            assert_eq!(error, AppendError::Full);
            store.ready().await;
        }
        if offset % 100 == 50 {
            // The newest are not durable yet, when it is killed.
            store.durable(offset - 50).await.unwrap();
            println!("durable {}", offset - 50);
        }
    }
}

/// Runs the child until it has said `count` times what is durable, kills it, and returns its epoch and what it said last.
fn write_until_killed(dir: &Path, fsync: &str, count: usize) -> (u64, u64) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["killed::child", "--exact", "--nocapture"])
        .env(DIR, dir)
        .env(FSYNC, fsync)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut epoch, mut durable, mut said) = (None, None, 0);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map(Result::unwrap) {
        // The harness begins the line.
        if let Some((_, number)) = line.split_once("epoch ") {
            epoch = Some(number.parse().unwrap());
        } else if let Some((_, number)) = line.split_once("durable ") {
            durable = Some(number.parse().unwrap());
            said += 1;
            if said == count {
                // SIGKILL. What it said before that is still in the pipe.
                child.kill().unwrap();
            }
        }
    }
    assert!(!child.wait().unwrap().success());
    (epoch.unwrap(), durable.unwrap())
}

#[tokio::test]
async fn nothing_durable_is_lost_and_what_is_lost_is_known() {
    for fsync in ["always", "interval", "never"] {
        let dir = tempfile::tempdir().unwrap();
        for count in [1, 30, 200] {
            let (epoch, durable) = write_until_killed(dir.path(), fsync, count);
            let (_, recovered) = open(dir.path());
            let next_offset = recovered.next_offset;
            assert!(durable < next_offset, "{fsync}: {durable} was durable, and {next_offset} comes next");
            assert_eq!(offsets(&recovered), Vec::from_iter(0..next_offset), "{fsync}");
            assert!(recovered.epochs.hold(epoch, next_offset), "{fsync}");
            assert!(!recovered.epochs.hold(epoch, next_offset + 1), "{fsync}: it may have been given out");
        }
    }
}
