//! When to end.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;
use crate::supervisor::tell_stopping;

// As shells report a death by these signals: 128 and the signal's number.
const ASKED_BY_SIGINT: i32 = 130;
const ASKED_BY_SIGTERM: i32 = 143;

/// A future that is ready once the process is asked to end: SIGTERM (a supervisor) or SIGINT (Ctrl-C).
///
/// The handlers are in place when this returns, so that no signal is missed before the future is polled. Who asks
/// a second time does not want to wait any more: the process ends at once.
///
/// A supervisor is told that the program ends, and may take `grace` for it.
///
/// SIGUSR1 and SIGUSR2, which mean nothing here, do not end the process either.
pub fn shutdown_signal(grace: Duration) -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::system(format!("cannot handle signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    for meaningless in [SignalKind::user_defined1(), SignalKind::user_defined2()] {
        // Once there is a handler, it stays, though nobody listens.
        drop(listen(meaningless)?);
    }
    let mut asked = async move || {
        tokio::select! {
            _ = terminate.recv() => ASKED_BY_SIGTERM,
            _ = interrupt.recv() => ASKED_BY_SIGINT,
        }
    };
    Ok(async move {
        asked().await;
        tell_stopping(grace);
        tracing::info!("asked to end; ask again to end at once");
        tokio::spawn(async move { std::process::exit(asked().await) });
    })
}
