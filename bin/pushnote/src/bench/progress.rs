//! One line on a terminal that says how far a run is.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(200);
/// Back to the line's start and clear it.
const CLEAR: &str = "\r\x1b[2K";

/// Shows nothing where nobody looks.
pub(crate) struct ProgressLine {
    label: String,
    terminal: bool,
    shown: Option<Instant>,
}

impl ProgressLine {
    pub(crate) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), terminal: std::io::stderr().is_terminal(), shown: None }
    }

    #[inline]
    pub(crate) fn show(&mut self, progress: impl Display) {
        if self.terminal && self.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL) {
            self.shown = Some(Instant::now());
            eprint!("{CLEAR}{}: {progress}", self.label);
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprint!("{CLEAR}");
        }
    }
}
