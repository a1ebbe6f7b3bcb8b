//! A shell as the README's reader has one: in a checkout, with the programs on its search path.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use pushnote_tests::Process;
use tempfile::TempDir;

/// Stands for Cargo: what it would build is built, of what is there.
const CARGO: &str = r#"#!/bin/bash
[ "$1 $2" = "install --path" ] && [ -f "$CHECKOUT/$3/src/main.rs" ] && [ -f "target/release/${3##*/}" ] && exit
[ "$1 $2 $3" = "run --release --bin" ] && [ "$5" = "--" ] && exec "target/release/$4" "${@:6}"
echo "not what the README says: cargo $*" >&2
exit 1
"#;

pub(crate) struct Shell {
    folder: TempDir,
    programs: PathBuf,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let built = Process::path("pushnote").parent().expect("a folder").to_owned();
        std::fs::create_dir(folder.path().join("target")).expect("a folder");
        symlink(&built, folder.path().join("target/release")).expect("a link");
        let cargo = folder.path().join("bin/cargo");
        std::fs::create_dir(folder.path().join("bin")).expect("a folder");
        std::fs::write(&cargo, CARGO).expect("a file");
        std::fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).expect("its mode");
        Self { folder, programs: built }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn bash(&self, text: &str) -> Command {
        let mut command = Command::new("bash");
        let (own, built) = (self.folder().join("bin"), &self.programs);
        let path = std::env::var("PATH").unwrap_or_default();
        let path =
            format!("{}:{}:{}:{path}", own.display(), built.display(), built.join("examples").display());
        command.args(["-c", text]).env("PATH", path).env_remove("PUSHNOTE_SECRET").current_dir(self.folder());
        command.env("CHECKOUT", Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        command
    }

    /// Starts a line that does not end by itself.
    pub(crate) fn start(&self, line: &str) -> Process {
        Process::spawn(&mut self.bash(&format!("exec {line}")))
    }

    /// Runs lines to their end and returns what they print.
    pub(crate) fn run(&self, lines: &str) -> String {
        output(&mut self.bash(lines), lines)
    }

    /// Runs a program in Python to its end.
    pub(crate) fn python(&self, program: &str) -> String {
        output(&mut self.python_command(program), program)
    }

    /// Starts a program in Python.
    pub(crate) fn start_python(&self, program: &str) -> Process {
        Process::spawn(&mut self.python_command(program))
    }

    fn python_command(&self, program: &str) -> Command {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
        assert!(python.exists(), "{} is missing: run 'make test-setup' first", python.display());
        let mut command = Command::new(python);
        command.args(["-c", program]).current_dir(self.folder());
        command
    }
}

fn output(command: &mut Command, what: &str) -> String {
    let output = command.output().expect("a program that starts");
    assert!(output.status.success(), "{what}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
