//! Stores on real files: what is there after a restart, a kill, a full disk, and what is refused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod full;
mod killed;
mod log;
mod refused;
mod transact;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pushnote_store::{Options, Record, Recovered, Store};

fn open(dir: &Path) -> (Store, Recovered) {
    Store::open(dir, &Options::default()).unwrap()
}

/// A record that says its own offset, of now.
fn record(offset: u64) -> Record {
    let unix_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    Record { offset, unix_ms, body: Bytes::from(format!("{offset:0200}")) }
}

/// Appends, and waits until the last of them is durable.
async fn store(store: &Store, offsets: std::ops::Range<u64>) {
    for offset in offsets.clone() {
        store.append(record(offset)).unwrap();
    }
    store.durable(offsets.end - 1).await.unwrap();
}

/// The offsets of what was recovered, each with its own body.
fn offsets(recovered: &Recovered) -> Vec<u64> {
    recovered
        .records
        .iter()
        .map(|record| {
            assert_eq!(record.body, format!("{:0200}", record.offset));
            record.offset
        })
        .collect()
}
