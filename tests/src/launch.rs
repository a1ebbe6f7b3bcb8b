//! How the programs of this workspace are started: by every suite in this one way.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::process::Process;

/// The secret of every set-up of the suites.
pub const SECRET: &str = "a-secret-of-the-test-suites-0123456789abcdef";

/// A program with what it is given; it starts with [`Launch::start`]. A clone starts another one.
#[derive(Clone, Debug)]
pub struct Launch {
    binary: String,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    open_files_max: Option<u32>,
}

impl Launch {
    /// A binary of this workspace, or `examples/NAME`.
    pub fn of(binary: &str) -> Self {
        Self { binary: binary.to_owned(), arguments: Vec::new(), variables: Vec::new(), open_files_max: None }
    }

    /// `pushnote-server` with the suites' secret.
    pub fn server() -> Self {
        Self::of("pushnote-server").variable("PUSHNOTE_SECRET", SECRET)
    }

    /// `pushnote-mq`.
    pub fn forwarder() -> Self {
        Self::of("pushnote-mq")
    }

    /// Further arguments.
    #[must_use]
    pub fn arguments<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// A variable of its environment, beside those of the suite's own.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How many files it may have open.
    #[must_use]
    pub fn open_files_max(mut self, files: u32) -> Self {
        self.open_files_max = Some(files);
        self
    }

    /// Starts it. What it logs goes where the suite's own does.
    pub fn start(&self) -> Process {
        Process::spawn(&mut self.command())
    }

    /// Starts it with a log that can be read: [`Process::log`].
    ///
    /// # Panics
    ///
    /// If there is no room for the log.
    pub fn start_logged(&self) -> Process {
        let folder = tempfile::tempdir().expect("a folder");
        let log = File::create(folder.path().join("log")).expect("a log");
        Process::spawn(self.command().stderr(log)).with_log(folder)
    }

    /// Starts it with a log that goes there.
    pub fn start_logging_to(&self, log: impl Into<Stdio>) -> Process {
        Process::spawn(self.command().stderr(log))
    }

    fn command(&self) -> Command {
        let path = Process::path(&self.binary);
        let mut command = match self.open_files_max {
            None => Command::new(path),
            Some(files) => {
                let mut command = Command::new("sh");
                command.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")]).arg(path);
                command
            }
        };
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        command.args(&self.arguments).env_remove("PUSHNOTE_SECRET").envs(variables);
        command
    }
}
