//! Files that are read again while the program runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::Failure;
use crate::supervisor::{tell_reread, tell_rereading};

/// How long files may take to be read before that is an error.
const PATIENCE: Duration = Duration::from_secs(5);

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
            let (files, (done, finished)) = (Arc::clone(&files), oneshot::channel());
            // A thread that nobody waits for when the process ends: a file may be far away, or a pipe without a writer.
            let reading = std::thread::Builder::new().name("reread".into()).spawn(move || {
                reread(&files);
                let _ = done.send(());
            });
            if let Err(error) = reading {
                tracing::error!(%error, "files are not read again, as the system gives no thread");
            } else if timeout(PATIENCE, finished).await.is_err() {
                tracing::error!(
                    after = ?PATIENCE,
                    "files are not read yet, and what they said before stays: one of them does not answer"
                );
            }
        }
    });
    Ok(())
}

fn reread(files: &[Reread]) {
    tell_rereading();
    let mut taken = 0;
    for file in files {
        match file() {
            Ok(()) => taken += 1,
            Err(failure) => tracing::error!("a file is not taken, and what it said before stays: {failure}"),
        }
    }
    tracing::info!(taken, of = files.len(), "files read again, as SIGHUP asks");
    tell_reread(&format!("running; {taken} of {} files read again were taken", files.len()));
}
