//! When to end.

use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

/// A future that is ready once the process is asked to end: SIGTERM (a supervisor) or SIGINT (Ctrl-C).
///
/// The handlers are in place when this returns, so that no signal is missed before the future is polled.
pub fn shutdown_signal() -> Result<impl Future<Output = ()>, Failure> {
    let listen =
        |kind| signal(kind).map_err(|error| Failure::system(format!("cannot handle signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
    })
}
