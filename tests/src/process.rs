//! A binary of this workspace, started as a process and ended with the value.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::PATIENCE;

/// Between two looks at whether a process has ended.
const LOOK: Duration = Duration::from_millis(10);

/// A running process. Dropping it kills it.
pub struct Process {
    child: Child,
    lines: mpsc::Receiver<String>,
    /// Holds its log, if that is kept.
    log: Option<TempDir>,
}

impl Process {
    /// The path of a binary of this workspace, built beside the tests.
    ///
    /// # Panics
    ///
    /// If it has not been built.
    pub fn path(binary: &str) -> PathBuf {
        let tests = std::env::current_exe().expect("the path of this test");
        // target/debug/deps/SUITE-HASH → target/debug/BINARY
        let path = tests.ancestors().nth(2).expect("a target folder").join(binary);
        assert!(path.exists(), "{} is missing: run 'make build' first", path.display());
        path
    }

    /// Starts any command; its lines on stdout can be waited for, stderr goes to the test's.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = child.stdout.take().expect("a pipe");
        let (line_in, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line_in.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, log: None }
    }

    /// It logs to `log` in this folder.
    pub(crate) fn with_log(mut self, folder: TempDir) -> Self {
        self.log = Some(folder);
        self
    }

    /// What it has logged so far.
    ///
    /// # Panics
    ///
    /// If it was not started by [`Launch::start_logged`](crate::Launch::start_logged).
    pub fn log(&self) -> String {
        let folder = self.log.as_ref().expect("started with a log");
        std::fs::read_to_string(folder.path().join("log")).expect("a log")
    }

    /// Runs a binary to its end.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    pub fn output(binary: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        Command::new(Self::path(binary))
            .args(arguments)
            .env_remove("PUSHNOTE_SECRET")
            .envs(environment.iter().copied())
            .output()
            .expect("a binary that starts")
    }

    /// Waits for a line on stdout that contains `part`, and returns what follows it.
    ///
    /// # Panics
    ///
    /// If none comes in time.
    pub fn line_after(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no line with {part:?} came"));
            if let Some((_, rest)) = line.split_once(part) {
                return rest.to_owned();
            }
        }
    }

    /// Waits for a line in its log that contains `part`, and returns it.
    ///
    /// # Panics
    ///
    /// If none comes in time, or the log is not kept.
    pub fn logged(&self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.log().lines().find(|line| line.contains(part)) {
                return line.to_owned();
            }
            assert!(Instant::now() < deadline, "nothing with {part:?} is logged");
            std::thread::sleep(LOOK);
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a crash would: SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end: SIGTERM.
    ///
    /// # Panics
    ///
    /// If it is gone already.
    pub fn terminate(&self) {
        assert!(self.try_terminate(), "the process is gone already");
    }

    /// Asks it to end; `false` if it is gone already.
    ///
    /// # Panics
    ///
    /// Without kill(1).
    pub fn try_terminate(&self) -> bool {
        Command::new("kill").args(["-TERM", &self.id().to_string()]).status().expect("kill(1)").success()
    }

    /// Sends a signal, as kill(1) names it: `-STOP`, after which the process stands still when this returns.
    ///
    /// # Panics
    ///
    /// Without kill(1) and /proc, or if the process is gone.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().expect("kill(1)");
        assert!(sent.success(), "the process is gone already");
        // kill(1) does not wait for that.
        while signal == "-STOP" && !self.stands_still() {
            std::thread::yield_now();
        }
    }

    /// Whether all its threads are stopped.
    fn stands_still(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("the process's threads");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        })
    }

    /// Whether it has not ended.
    ///
    /// # Panics
    ///
    /// If the system does not know it.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end in time.
    pub fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            std::thread::sleep(LOOK);
        }
    }

    /// Its standard input.
    ///
    /// # Panics
    ///
    /// If it was closed.
    pub fn stdin(&mut self) -> &mut std::process::ChildStdin {
        self.child.stdin.as_mut().expect("an open stdin")
    }

    /// Closes its standard input, which many programs take as the end of their work.
    pub fn close_stdin(&mut self) {
        self.child.stdin = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() && self.log.is_some() {
            eprintln!("its log:\n{}", self.log());
        }
        self.kill();
    }
}
