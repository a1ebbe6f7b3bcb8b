//! What a supervisor is told, as systemd has it for units of `Type=notify` (sd_notify(3)). Without one, nobody is.

use std::time::Duration;

use sd_notify::NotifyState::{self, ExtendTimeoutUsec, Ready, Reloading, Status, Stopping};

/// Everything listens: who has waited for this program may start.
pub fn tell_ready() {
    tell(&[Ready, Status("running")]);
}

/// Files are about to be read again; [`tell_reread`] follows.
pub(crate) fn tell_rereading() {
    // The time belongs to it, for units of Type=notify-reload.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[Reloading, now]),
        Err(_) => tell(&[Reloading]),
    }
}

/// Files were read again, or that has failed; the text says which.
pub(crate) fn tell_reread(outcome: &str) {
    tell(&[Ready, Status(outcome)]);
}

/// The program ends, and wants to be left alone for so long, should its unit grant less (`TimeoutStopSec=`).
pub(crate) fn tell_stopping(grace: Duration) {
    let grace = u32::try_from(grace.as_micros()).unwrap_or(u32::MAX);
    tell(&[Stopping, ExtendTimeoutUsec(grace), Status("ending: connections are told to come back")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("the supervisor that set NOTIFY_SOCKET cannot be told how things are: {error}");
    }
}
