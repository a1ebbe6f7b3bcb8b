//! Files that are read again while the program runs.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use crate::Failure;

/// Reads a file again and puts what it says in the place of what it said before; when it fails, that stays.
pub type Reread = Box<dyn Fn() -> Result<(), Failure> + Send + Sync>;

/// Has `files` read again on each SIGHUP. The handler is in place when this returns.
///
/// # Errors
///
/// The system has no handler for it.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn reread_on_hangup(files: Vec<Reread>) -> Result<(), Failure> {
    let hangup = signal(SignalKind::hangup());
    let mut hangup = hangup.map_err(|error| Failure::system(format!("cannot handle signals: {error}")))?;
    let files = Arc::new(files);
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let files = Arc::clone(&files);
            // A file may be far away; a panic is in the log.
            let _ = spawn_blocking(move || reread(&files)).await;
        }
    });
    Ok(())
}

fn reread(files: &[Reread]) {
    let mut taken = 0;
    for file in files {
        match file() {
            Ok(()) => taken += 1,
            Err(failure) => tracing::error!("a file is not taken, and what it said before stays: {failure}"),
        }
    }
    tracing::info!(taken, of = files.len(), "files read again, as SIGHUP asks");
}
