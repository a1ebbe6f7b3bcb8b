//! A machine of its own, which is gone when it is dropped: a Debian with its systemd, or this one with a Docker engine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pushnote_tests::{PATIENCE, skipped};

use crate::root;

/// Between two looks at whether something is so.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) struct Machine {
    unshare: Child,
    /// Its first process.
    first: String,
}

impl Machine {
    /// Boots what tests/setup has unpacked, with `given` to be seen at /given, until its systemd has started everything; `None`,
    /// and a line that says why, where that cannot be.
    pub(crate) fn boot(given: &Path) -> Option<Self> {
        let base = debian()?;
        let machine = Self::start("machine.sh", &[&base, given]);
        until("its /given", || machine.try_run("test ! -e /old && test -d /given && echo yes"));
        until("systemd", || machine.try_run("systemctl is-system-running --wait"));
        Some(machine)
    }

    /// This machine, with another network and a Docker engine whose images and log are in `folder`; `None` where that cannot be.
    pub(crate) fn with_docker(folder: &Path) -> Option<Self> {
        debian()?;
        if Command::new("dockerd").arg("--version").output().is_err() {
            skipped("there is no dockerd, which tests/setup installs for root");
            return None;
        }
        let machine = Self::start("docker.sh", &[&folder.join("docker")]);
        until("its engine", || machine.try_run("docker version"));
        Some(machine)
    }

    /// Runs a script as the first process in namespaces of its own.
    fn start(script: &str, arguments: &[&Path]) -> Self {
        let kinds = ["--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup"];
        let mut unshare = Command::new("unshare")
            .args(["--fork", "--kill-child"])
            .args(kinds)
            .arg("bash")
            .arg(root().join("tests/install").join(script))
            .args(arguments)
            .current_dir(root())
            .stdin(Stdio::null())
            .spawn()
            .expect("unshare(1)");
        let children = PathBuf::from(format!("/proc/{id}/task/{id}/children", id = unshare.id()));
        let first = until("a first process", || {
            assert!(unshare.try_wait().expect("a child").is_none(), "the machine has not started");
            let children = std::fs::read_to_string(&children).unwrap_or_default();
            children.split_whitespace().next().map(str::to_owned)
        });
        Self { unshare, first }
    }

    /// Runs lines of a shell in it, and returns what they print.
    pub(crate) fn run(&self, lines: &str) -> String {
        let output = self.command(lines).output().expect("nsenter(1)");
        let (told, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{lines}\n{told}{errors}");
        told.into_owned()
    }

    /// What they print, or `None` if they fail.
    pub(crate) fn try_run(&self, lines: &str) -> Option<String> {
        let output = self.command(lines).stderr(Stdio::null()).output().expect("nsenter(1)");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What they print as soon as they succeed.
    pub(crate) fn until(&self, lines: &str) -> String {
        until(lines, || self.try_run(lines))
    }

    pub(crate) fn command(&self, lines: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]);
        command.args(["--root", "--wd", "--", "bash", "-c", lines]);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With the first process of a machine end all.
        let _ = Command::new("kill").args(["-KILL", &self.first]).status();
        let _ = self.unshare.wait();
    }
}

/// The Debian of tests/setup; `None`, and a line that says why, where there could be none.
fn debian() -> Option<PathBuf> {
    let cache = root().join("tests/.cache");
    if let Ok(why) = std::fs::read_to_string(cache.join("debian.absent")) {
        skipped(&why);
        return None;
    }
    let base = cache.join("debian");
    assert!(base.exists(), "{} is missing: run 'make test-setup' first", base.display());
    Some(base)
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(LOOK);
    }
}
