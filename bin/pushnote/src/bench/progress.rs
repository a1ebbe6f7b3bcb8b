//! One line on a terminal that says how far a run is.

use std::io::{IsTerminal, Write};

const INTERVAL_NS: u64 = 200_000_000;
/// Back to the line's start and clear it.
const CLEAR: &str = "\r\x1b[2K";

/// Shows nothing where nobody looks.
pub(crate) struct Progress {
    label: String,
    shown: bool,
    terminal: bool,
    next_ns: u64,
}

impl Progress {
    pub(crate) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), shown: false, terminal: std::io::stderr().is_terminal(), next_ns: 0 }
    }

    #[inline]
    pub(crate) fn show(&mut self, now_ns: u64, text: impl FnOnce() -> String) {
        if self.terminal && now_ns >= self.next_ns {
            self.next_ns = now_ns + INTERVAL_NS;
            self.shown = true;
            eprint!("{CLEAR}{}: {}", self.label, text());
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("{CLEAR}");
        }
    }
}
