//! What came of each check, a line each, and of all.

use std::fmt::Display;

use pushnote_cli::{Failure, say};

/// A token is longer: its signature alone is.
const SECRET_BYTES_MIN: usize = 20;

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
    /// A token, which no line shows, whoever sends it back.
    secret: Option<String>,
}

impl Report {
    pub(super) fn new(secret: Option<String>) -> Self {
        // What is shorter is none, and may be a word of ours: `undefined`.
        Self { secret: secret.filter(|secret| secret.len() >= SECRET_BYTES_MIN), ..Self::default() }
    }

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
        let mut text = visible(&text.to_string());
        if let Some(secret) = &self.secret {
            text = text.replace(secret, "(the token)");
        }
        say(format_args!("{mark:<4}  {end:<4}  {check:<13}  {text}"));
    }

    /// Nothing has failed so far.
    pub(super) fn is_sound(&self) -> bool {
        self.failed == 0
    }

    /// Somebody does not want to wait for the rest.
    pub(super) fn interrupted(&self) -> Failure {
        Failure::interrupted(format!(
            "interrupted, before all was looked at: {} of {} checks failed so far",
            self.failed, self.checks
        ))
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

/// What another end sends may be in a text: whatever a terminal would obey, or that would turn a line round, is shown
/// as its number.
fn visible(text: &str) -> String {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || turns(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_as_its_number() {
        assert_eq!(visible("a\u{1b}[2Jb\nc\u{202e}ü"), "a\\u{1b}[2Jb\\u{a}c\\u{202e}ü");
    }
}
