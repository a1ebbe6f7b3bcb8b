//! Logs, on their way to stderr: whoever writes a line waits for nobody, and a line that cannot be written is lost, not
//! the process.
//!
//! Lines go into a bounded queue; a thread of its own takes them to stderr. When the queue is full, because the reader
//! of the log stands still, or when stderr does not take a line (its reader has ended, its disk is full), the line
//! is counted, and a later line says how many are missing.

use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::Failure;
use crate::journal::{self, JournalLine};

/// Environment variable with the log filter, for example `info` or `pushnote_hub=debug`.
pub const LOG_VARIABLE: &str = "PUSHNOTE_LOG";

/// Lines that wait for stderr, at most, and their bytes.
const QUEUE_LINES_MAX: usize = 4096;
const QUEUE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long the end of the process waits for the last lines to be written.
const END_WAIT: Duration = Duration::from_secs(1);

static PANICS: AtomicU64 = AtomicU64::new(0);
static LINES_LOST: AtomicU64 = AtomicU64::new(0);

/// How many times a task or a thread of this process has panicked since [`start_logs`].
pub fn panics() -> u64 {
    PANICS.load(Relaxed)
}

/// How many lines of this process's log were not written: nobody took them, or not in time.
pub fn log_lines_lost() -> u64 {
    LINES_LOST.load(Relaxed)
}

/// What keeps the logs running; dropping it waits a second at most for what is still queued.
#[derive(Debug)]
#[must_use = "dropped, nothing is logged any more"]
pub struct Logs {
    queue: Queue,
    ended: Receiver<()>,
}

/// Sends logs to stderr, filtered by [`LOG_VARIABLE`] (default: `info`). A panic is a line of the log, too, and counted.
pub fn start_logs() -> Result<Logs, Failure> {
    let filter = filter(&std::env::var(LOG_VARIABLE).unwrap_or_default())?;
    let (queue, ended) = Queue::start(io::stderr())
        .map_err(|error| Failure::system(format!("cannot start the log's thread: {error}")))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(queue.clone())
        // A fault of the log is not to be printed: printing panics where stderr is gone.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    if journal::has_stderr() {
        log.event_format(JournalLine::new()).init()
    } else {
        log.init()
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(Logs { queue, ended })
}

/// What is logged; an empty text is as none.
fn filter(text: &str) -> Result<EnvFilter, Failure> {
    if text.trim().is_empty() {
        return Ok(EnvFilter::new("info"));
    }
    let wrong = |what: &str| Failure::config(format!("{LOG_VARIABLE}={text}: {what}"));
    // A word that is no level would be a crate's name: all others' logs were off.
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    if let Some(word) =
        text.split(',').map(str::trim).filter(is_word).find(|word| word.parse::<LevelFilter>().is_err())
    {
        return Err(wrong(&format!(
            "{word} is no level: give off, error, warn, info, debug or trace, and those of some crates behind it, as in \
             info,pushnote_hub=debug"
        )));
    }
    EnvFilter::try_new(text).map_err(|error| wrong(&error.to_string()))
}

impl Drop for Logs {
    fn drop(&mut self) {
        // A full queue ends later or not at all; nobody waits for it.
        if self.queue.lines.try_send(Entry::End).is_ok() {
            let _ = self.ended.recv_timeout(END_WAIT);
        }
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    PANICS.fetch_add(1, Relaxed);
    let (payload, text) = (panic.payload(), panic.payload().downcast_ref::<String>().map(String::as_str));
    let what = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no text");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current().name().unwrap_or("unnamed").to_owned();
    tracing::error!(place, thread, "panic, a fault of this program: {what}");
}

/// The way to the thread that writes.
#[derive(Debug, Clone)]
struct Queue {
    lines: SyncSender<Entry>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    End,
}

#[derive(Debug, Default)]
struct Counts {
    queued_bytes: AtomicUsize,
    /// Lines that found no room, and that no line has told of yet.
    dropped: AtomicU64,
}

impl Queue {
    /// Starts the thread that writes to `out`; it says when it has ended.
    fn start(out: impl Write + Send + 'static) -> io::Result<(Self, Receiver<()>)> {
        let (lines, waiting) = sync_channel(QUEUE_LINES_MAX);
        let (end, ended) = sync_channel(1);
        let counts = Arc::<Counts>::default();
        let queue = Self { lines, counts: Arc::clone(&counts) };
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            write_all(out, &waiting, &counts);
            let _ = end.send(());
        })?;
        Ok((queue, ended))
    }
}

impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let queued = self.counts.queued_bytes.fetch_add(line.len(), Relaxed);
        if queued + line.len() > QUEUE_BYTES_MAX || self.lines.try_send(Entry::Line(line.to_vec())).is_err() {
            self.counts.queued_bytes.fetch_sub(line.len(), Relaxed);
            self.counts.dropped.fetch_add(1, Relaxed);
            LINES_LOST.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// Writes what is queued until [`Entry::End`].
fn write_all(mut out: impl Write, waiting: &Receiver<Entry>, counts: &Counts) {
    let mut lost = 0;
    while let Ok(Entry::Line(line)) = waiting.recv() {
        counts.queued_bytes.fetch_sub(line.len(), Relaxed);
        lost += counts.dropped.swap(0, Relaxed);
        if lost > 0
            && writeln!(out, "{lost} log lines are missing here: the log's reader did not take them").is_ok()
        {
            lost = 0;
        }
        if out.write_all(&line).is_err() {
            lost += 1;
            LINES_LOST.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Refuses as many writes as are left of the first number.
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<(usize, String)>>);

    impl Sink {
        fn text(&self) -> String {
            self.0.lock().unwrap().1.clone()
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (refusals, text) = &mut *self.0.lock().unwrap();
            if let Some(left) = refusals.checked_sub(1) {
                *refusals = left;
                return Err(io::ErrorKind::StorageFull.into());
            }
            text.push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_could_not_be_written_are_told_of_by_the_next_that_can() {
        // One write of the first line, two of the second: what it tells of, and itself.
        let sink = Sink(Arc::new(Mutex::new((3, String::new()))));
        let (queue, ended) = Queue::start(sink.clone()).unwrap();
        for line in ["lost\n", "lost\n", "three\n", "four\n"] {
            (&queue).write_all(line.as_bytes()).unwrap();
        }
        drop(Logs { queue, ended });
        let told = "2 log lines are missing here: the log's reader did not take them";
        assert_eq!(sink.text(), format!("{told}\nthree\nfour\n"));
    }

    #[test]
    fn a_word_that_is_no_level_does_not_silence_the_log() {
        for (text, shown) in [
            ("", "info"),
            (" ", "info"),
            ("warn", "warn"),
            ("WARN,pushnote_hub=debug", "pushnote_hub=debug,warn"),
        ] {
            assert_eq!(filter(text).unwrap().to_string(), shown, "{text}");
        }
        for text in ["verbose", "info,hyper", "info,pushnote_hub=verbose"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_full_queue_is_no_reason_to_wait() {
        let (lines, waiting) = sync_channel(2);
        let counts = Arc::<Counts>::default();
        let queue = Queue { lines, counts: Arc::clone(&counts) };
        let sink = Sink::default();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            (&queue).write_all(line.as_bytes()).unwrap();
        }
        let writer = thread::spawn({
            let sink = sink.clone();
            move || write_all(sink, &waiting, &counts)
        });
        queue.lines.send(Entry::End).unwrap();
        writer.join().unwrap();
        let text = sink.text();
        assert_eq!(text, "2 log lines are missing here: the log's reader did not take them\none\ntwo\n");
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let (queue, _waiting) = {
            let (lines, waiting) = sync_channel(QUEUE_LINES_MAX);
            (Queue { lines, counts: Arc::default() }, waiting)
        };
        let line = vec![b'x'; QUEUE_BYTES_MAX / 2];
        (0..3).for_each(|_| (&queue).write_all(&line).unwrap());
        assert_eq!(queue.counts.dropped.load(Relaxed), 1);
        assert_eq!(queue.counts.queued_bytes.load(Relaxed), QUEUE_BYTES_MAX);
    }
}
