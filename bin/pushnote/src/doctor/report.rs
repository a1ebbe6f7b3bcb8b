//! What came of each check, a line each, and of all.

use std::fmt::Display;

use pushnote_cli::{Failure, say};

/// A check that failed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) check: &'static str,
    /// A setting is wrong; otherwise something is not there or does not answer.
    wrong_setting: bool,
    /// What is wrong, and what to do.
    text: String,
}

impl Fault {
    pub(super) fn setting(check: &'static str, text: impl Into<String>) -> Self {
        Fault { check, wrong_setting: true, text: text.into() }
    }

    pub(super) fn unavailable(check: &'static str, text: impl Into<String>) -> Self {
        Fault { check, wrong_setting: false, text: text.into() }
    }
}

#[derive(Debug, Default)]
pub(super) struct Report {
    checks: usize,
    failed: usize,
    /// The first fault is one of settings.
    wrong_setting: bool,
}

impl Report {
    pub(super) fn ok(&mut self, end: &str, check: &str, text: impl Display) {
        self.line("ok", end, check, text);
    }

    pub(super) fn warn(&mut self, end: &str, check: &str, text: impl Display) {
        self.line("warn", end, check, text);
    }

    pub(super) fn fail(&mut self, end: &str, fault: &Fault) {
        if self.failed == 0 {
            self.wrong_setting = fault.wrong_setting;
        }
        self.failed += 1;
        self.line("FAIL", end, fault.check, &fault.text);
    }

    fn line(&mut self, mark: &str, end: &str, check: &str, text: impl Display) {
        self.checks += 1;
        say(format_args!("{mark:<4}  {end:<4}  {check:<10}  {text}"));
    }

    /// Whether anything failed.
    pub(super) fn result(&self) -> Result<(), Failure> {
        let text = format!("{} of {} checks failed", self.failed, self.checks);
        match (self.failed, self.wrong_setting) {
            (0, _) => Ok(()),
            (_, true) => Err(Failure::config(text)),
            (_, false) => Err(Failure::unavailable(text)),
        }
    }
}
