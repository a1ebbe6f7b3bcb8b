//! Messages a second that a store takes, for each policy of fsync: `cargo run --release -p pushnote-store --example rate
//! [DIRECTORY]`. The directory should be on the disk in question; it is the current one otherwise.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pushnote_store::{AppendError, Fsync, Options, Record, Store};

/// Messages of a run.
const COUNT: u64 = 400_000;

/// Bytes of a message.
const LENGTH: usize = 200;

/// Messages of which each waits until it is durable before the next one is appended.
const ONE_BY_ONE: u32 = 200;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    for fsync in [Fsync::Always, Fsync::Interval(Duration::from_secs(1)), Fsync::Never] {
        let dir = tempfile::tempdir_in(&place)?;
        let (rate, latency) = measure(dir.path(), fsync).await?;
        let began = Instant::now();
        let (_, recovered) = Store::open(dir.path(), &options(fsync))?;
        println!(
            "{fsync:?}: {rate:.0} messages/s of {LENGTH} bytes; one alone is durable after {latency:.1?}; \
             {} recovered in {:.0?}",
            recovered.records.len(),
            began.elapsed(),
        );
    }
    Ok(())
}

fn options(fsync: Fsync) -> Options {
    Options { fsync, ..Options::default() }
}

async fn measure(dir: &Path, fsync: Fsync) -> Result<(f64, Duration), Box<dyn Error>> {
    let (store, recovered) = Store::open(dir, &options(fsync))?;
    let body = Bytes::from(vec![b'x'; LENGTH]);
    let unix_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut offset = recovered.next_offset;

    let began = Instant::now();
    for _ in 0..COUNT {
        while let Err(error) = store.append(Record { offset, unix_ms, body: body.clone() }) {
            if error != AppendError::Full {
                return Err(error.into());
            }
            store.ready().await;
        }
        offset += 1;
    }
    store.durable(offset - 1).await?;
    let rate = COUNT as f64 / began.elapsed().as_secs_f64();

    let began = Instant::now();
    for _ in 0..ONE_BY_ONE {
        store.append(Record { offset, unix_ms, body: body.clone() })?;
        store.durable(offset).await?;
        offset += 1;
    }
    let latency = began.elapsed() / ONE_BY_ONE;
    store.close().await?;
    Ok((rate, latency))
}
