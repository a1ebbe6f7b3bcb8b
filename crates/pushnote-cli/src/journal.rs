//! Lines for systemd's journal, which knows the time itself.

use std::fmt;
use std::io;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The journal's own socket, as device:inode (systemd.exec(5)): a process that stderr was turned elsewhere for has it, too.
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// Whether stderr goes to the journal.
pub(crate) fn has_stderr() -> bool {
    let (Ok(journal), Ok(stderr)) = (std::env::var(JOURNAL_VARIABLE), rustix::fs::fstat(io::stderr())) else {
        return false;
    };
    journal == format!("{}:{}", stderr.st_dev, stderr.st_ino)
}

/// A line without its time, with its priority in front (sd-daemon(3)), so that `journalctl -p warning` finds it.
#[derive(Debug)]
pub(crate) struct JournalLine(Format<Full, ()>);

impl JournalLine {
    pub(crate) fn new() -> Self {
        Self(Format::default().without_time())
    }
}

impl<S, N> FormatEvent<S, N> for JournalLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(line, "<{priority}>")?;
        self.0.format_event(context, line, event)
    }
}
