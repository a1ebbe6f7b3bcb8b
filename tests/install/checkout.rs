//! A checkout in which everything is built, as `make release` and `make deb` leave it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::machine::Machine;
use crate::{built, generate, make, root, succeeds};

/// Who runs the lines is root already.
const SUDO: &str = "#!/bin/sh\nexec \"$@\"\n";
/// What the lines want besides, which the machine has not: it is of the same Debian as this one.
const PROGRAMS: [&str; 2] = ["make", "openssl"];

pub(crate) struct Checkout {
    folder: TempDir,
}

impl Checkout {
    /// The programs are those that are built for tests.
    pub(crate) fn new() -> Self {
        generate();
        let folder = tempfile::tempdir().expect("a folder");
        let (root, built, at) = (root(), built(), folder.path());
        let copy = |from: &Path, to: &str| succeeds(Command::new("cp").arg("-R").arg(from).arg(at.join(to)));
        copy(&root.join("Makefile"), "");
        copy(&root.join("packaging"), "");
        let mut install = Command::new("install");
        install.args(["-D", "--strip", "--target-directory"]).arg(at.join("target/release"));
        succeeds(install.args(["pushnote", "pushnote-server", "pushnote-mq"].map(|name| built.join(name))));
        copy(&built.join("../generated"), "target");

        std::fs::create_dir(at.join("bin")).expect("a folder");
        for name in PROGRAMS {
            copy(&Path::new("/usr/bin").join(name), "bin");
        }
        std::fs::write(at.join("bin/sudo"), SUDO).expect("a file");
        std::fs::set_permissions(at.join("bin/sudo"), PermissionsExt::from_mode(0o755)).expect("its mode");
        Self { folder }
    }

    /// With the package.
    pub(crate) fn with_package() -> Self {
        let checkout = Self::new();
        let target = checkout.folder.path().join("target/debian");
        std::fs::create_dir(&target).expect("a folder");
        // As make does it, but quick rather than small.
        let how = ["--strip", "--profile", "dev", "--fast", "--compress-system", "--output"];
        let lines = succeeds(make().args(["--dry-run", "deb"]).current_dir(root()));
        let line = lines.lines().last().expect("a line of cargo's");
        let mut cargo = Command::new("bash");
        cargo.args(["-c", &format!("{line} \"$@\""), "bash"]).args(how).current_dir(root());
        succeeds(cargo.arg(target.join("pushnote_of_tests.deb")));
        checkout
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A machine that has it at /given; `None` where that cannot be.
    pub(crate) fn machine(&self) -> Option<Machine> {
        let machine = Machine::boot(self.path())?;
        machine.run("cp /given/bin/* /usr/local/bin/");
        Some(machine)
    }
}
