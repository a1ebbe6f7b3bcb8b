//! A connection's heartbeat.

use crate::outbox::Outbox;
use crate::stats::CloseCause;
use pushnote_zmtp_proto::command::put_ping;
use pushnote_zmtp_proto::handshake::Version;
use pushnote_zmtp_proto::heartbeat::{Beat, Heartbeat};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The connection's heartbeat, shared by its reader and its timer.
pub(super) struct Pulse {
    interval: Duration,
    heartbeat: Mutex<Heartbeat>,
}

pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl Pulse {
    pub(super) fn new(interval: Duration) -> Self {
        Pulse { interval, heartbeat: Mutex::new(Heartbeat::new(interval, now())) }
    }

    pub(super) fn heartbeat(&self) -> MutexGuard<'_, Heartbeat> {
        self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Peers before ZMTP 3.1 do not know PING; some hang up when they see one.
    pub(super) async fn run(&self, version: Version, outbox: &Outbox) -> Result<(), CloseCause> {
        if version < Version::V3_1 {
            std::future::pending::<()>().await;
        }
        let ttl_tenths = u16::try_from(self.interval.as_millis() / 50).unwrap_or(u16::MAX);
        loop {
            let beat = self.heartbeat().poll(now());
            match beat {
                Beat::Ping => outbox.push_control(|out| put_ping(out, ttl_tenths, b"")),
                Beat::Dead => return Err(CloseCause::HeartbeatLost),
                Beat::Wait(until) => sleep_until(until.into()).await,
            }
        }
    }
}
