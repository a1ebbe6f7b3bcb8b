//! How far a message is: a bar on a terminal, and lines elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pushnote_cli::{Failure, say};
use serde_json::Value;

use crate::web::Api;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Between two lines, where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Characters of the bar.
const BAR: u64 = 30;

/// Shows how far a message is until nothing of it waits.
pub(super) fn follow(api: &Api, id: &str) -> Result<(), Failure> {
    let path = format!("/v1/messages/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
    let on_terminal = stderr().is_terminal();
    let mut next_line = Instant::now();
    loop {
        let message = api.look(&path).map_err(|failure| {
            Failure::unavailable(format!("it is being sent, but how far that is cannot be seen: {failure}"))
        })?;
        let Some(push) = Progress::of(&message["push"]) else {
            return Err(Failure::data("this server does not tell how far a push is"));
        };
        if push.queued == 0 {
            if on_terminal {
                erase();
            }
            say(push.outcomes());
            return Ok(());
        }
        if on_terminal {
            let _ = write!(stderr(), "\r{}\x1b[K", push.bar());
        } else if Instant::now() >= next_line {
            let _ = writeln!(stderr(), "{} of {} sent; {}", push.done(), push.all(), push.outcomes());
            next_line += LINE_INTERVAL;
        }
        sleep(LOOK);
    }
}

fn erase() {
    let _ = write!(stderr(), "\r\x1b[K");
}

/// Browsers, by what has become of the message for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    queued: u64,
    accepted: u64,
    gone: u64,
    failed: u64,
    expired: u64,
    cancelled: u64,
}

impl Progress {
    fn of(push: &Value) -> Option<Self> {
        let number = |name: &str| push[name].as_u64();
        Some(Self {
            queued: number("queued")?,
            accepted: number("accepted")?,
            gone: number("gone")?,
            failed: number("failed")?,
            expired: number("expired")?,
            cancelled: number("cancelled")?,
        })
    }

    fn done(self) -> u64 {
        self.accepted + self.gone + self.failed + self.expired + self.cancelled
    }

    fn all(self) -> u64 {
        self.queued + self.done()
    }

    fn outcomes(self) -> String {
        let Self { accepted, gone, failed, expired, .. } = self;
        format!("{accepted} accepted, {gone} gone, {failed} failed, {expired} expired")
    }

    fn bar(self) -> String {
        let all = self.all().max(1);
        let filled = self.done() * BAR / all;
        let (full, empty) = ("#".repeat(filled as usize), "-".repeat((BAR - filled) as usize));
        let percent = self.done() * 100 / all;
        format!("[{full}{empty}] {percent}% of {all}: {}", self.outcomes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bar_is_as_full_as_what_is_done() {
        let push =
            json!({"queued": 500, "accepted": 480, "gone": 10, "failed": 6, "expired": 4, "cancelled": 0});
        let push = Progress::of(&push).unwrap();
        let bar = "[###############---------------] 50% of 1000: 480 accepted, 10 gone, 6 failed, 4 expired";
        assert_eq!(push.bar(), bar);
        assert_eq!(
            Progress::default().bar(),
            format!("[{}] 0% of 1: {}", "-".repeat(30), Progress::default().outcomes())
        );
        assert_eq!(Progress::of(&json!({"queued": 1})), None, "an older server's answer");
    }
}
