//! The ways to install the programs, each tried as docs/deploy.md prints it: `make install`, and the Debian package, with their
//! systemd units, in a Debian of its own.

mod checkout;
mod containers;
mod machine;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use checkout::Checkout;
use machine::Machine;
use pushnote_tests::{Process, block_of};

const PAGE: &str = include_str!("../../docs/deploy.md");

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the checkout")
}

/// Where the programs lie that this test was built with.
fn built() -> PathBuf {
    Process::path("pushnote").parent().expect("a folder").to_owned()
}

/// As in a shell of its own: these tests may be run by make themselves.
fn make() -> Command {
    let mut make = Command::new("make");
    make.arg("--no-print-directory").env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    make
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("a program that starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{told}{}", String::from_utf8_lossy(&output.stderr));
    told
}

/// Manual pages and completions of these programs, once for all tests.
fn generate() {
    static GENERATED: Once = Once::new();
    GENERATED.call_once(|| {
        let folder = built().parent().expect("a folder").join("generated");
        succeeds(Command::new(Process::path("pushnote")).arg("generate").arg(folder));
    });
}

/// All files below a folder, by their paths in it.
fn files(folder: &Path) -> String {
    succeeds(Command::new("find").args([".", "-not", "-type", "d"]).current_dir(folder))
}

#[test]
fn make_installs_what_it_says_and_takes_it_away() {
    generate();
    let there = tempfile::tempdir().expect("a folder");
    let run = |job: &str| {
        let mut make = make();
        make.arg(job).arg("PREFIX=/opt/pushnote").arg(format!("DESTDIR={}", there.path().display()));
        succeeds(make.arg(format!("BUILT={}", built().display())).current_dir(root()))
    };
    run("install");
    let bin = there.path().join("opt/pushnote/bin");
    for program in ["pushnote", "pushnote-server", "pushnote-mq"] {
        let version = succeeds(Command::new(bin.join(program)).arg("--version"));
        assert!(version.starts_with(&format!("{program} ")), "{version}");
    }
    let installed = files(there.path());
    for file in ["share/man/man1/pushnote-server.1", "share/bash-completion/completions/pushnote"] {
        assert!(installed.contains(file), "{file}: {installed}");
    }
    let unit = there.path().join("opt/pushnote/lib/systemd/system/pushnote-server.service");
    let unit = std::fs::read_to_string(unit).expect("a unit");
    assert!(unit.contains("ExecStart=/opt/pushnote/bin/pushnote-server "), "{unit}");

    // Settings are the operator's own.
    let settings = there.path().join("etc/pushnote/pushnote.toml");
    std::fs::write(&settings, "# mine\n").expect("a file");
    run("install");
    run("uninstall");
    assert_eq!(std::fs::read_to_string(&settings).expect("a file"), "# mine\n");
    assert_eq!(files(there.path()), "./etc/pushnote/pushnote.toml\n");
}

/// All that is on the machine's disk, but for what dpkg, apt, the journal and caches keep of their own.
const EVERYTHING: &str = "find / -xdev -not -path '/var/lib/dpkg/*' -not -path '/var/lib/apt/*' -not -path '/var/log/*' \
                          -not -path '/var/cache/*' -not -path '/var/lib/systemd/*'";

/// Nothing has come that was not there before, and nothing has gone.
#[track_caller]
fn is_as_before(before: &str, now: &str) {
    let [before, now] = [before, now].map(|files| files.lines().collect::<BTreeSet<_>>());
    assert_eq!(before.symmetric_difference(&now).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn the_debian_package_runs_under_systemd_and_leaves_nothing() {
    let checkout = Checkout::with_package();
    let Some(machine) = checkout.machine() else { return };
    let before = machine.run(EVERYTHING);
    let lines = block_of(PAGE, "## Install", "make deb");
    let (cargo, install) = lines.trim_end().rsplit_once('\n').expect("several lines");
    assert_eq!(cargo, "cargo install --locked cargo-deb\nmake deb", "which is done");
    machine.run(&format!("cd /given && {install}"));
    machine.run("systemctl is-active pushnote-server.socket pushnote-server.service");
    assert_eq!(machine.run("stat -c '%a %U' /etc/pushnote/secret"), "600 root\n");
    machine.run("pushnote config --check /etc/pushnote/pushnote.toml");
    let status = machine.run("systemctl show -P StatusText pushnote-server");
    assert_eq!(status, "running\n");
    for unit in ["pushnote-server.service", "pushnote-server.socket", "pushnote-mq.service"] {
        let said = machine.run(&format!("systemd-analyze verify --man=no {unit} 2>&1"));
        assert_eq!(said, "", "{unit}");
    }
    for unit in ["pushnote-server", "pushnote-mq"] {
        // Exposure in tenths, of 100: 20 is "OK".
        let path = format!("/usr/lib/systemd/system/{unit}.service");
        machine.run(&format!("systemd-analyze security --offline=true --threshold=20 {path}"));
    }

    a_message_arrives(&machine);
    a_restart_refuses_nobody(&machine);
    machine.run("systemctl reload pushnote-server");
    machine.until("journalctl --unit=pushnote-server --output=cat | grep 'files read again'");
    a_new_secret_logs_nobody_out(&machine);
    with_a_forwarder(&machine);
    browsers_come_to_another_port(&machine);
    a_key_that_only_root_may_read(&machine);
    let lines = machine.run("journalctl --unit=pushnote-server --output=cat");
    let year = machine.run("date +%Y");
    assert!(!lines.lines().any(|line| line.starts_with(year.trim()) || line.starts_with('<')), "{lines}");

    // The same version once more is an upgrade.
    let secret = machine.run("cat /etc/pushnote/secret");
    machine.run("dpkg --install /given/target/debian/pushnote_*.deb");
    machine.run("systemctl is-active pushnote-server.service");
    assert_eq!(machine.run("cat /etc/pushnote/secret"), secret);
    a_message_arrives(&machine);
    machine.run("apt-get purge --yes pushnote");
    is_as_before(&before, &machine.run(EVERYTHING));
}

#[test]
fn what_make_installs_runs_under_systemd_and_is_taken_away() {
    const FILES: &str = "find /usr -xdev -type f";
    let checkout = Checkout::new();
    let Some(machine) = checkout.machine() else { return };
    let before = machine.run(FILES);
    let lines = block_of(PAGE, "## Install", "sudo make install");
    let (release, install) = lines.split_once('\n').expect("several lines");
    assert_eq!(release, "make release", "which is done");
    machine.run(&format!("cd /given && {install}"));
    machine.run("systemctl is-active pushnote-server.socket pushnote-server.service");
    machine.run("systemctl is-enabled pushnote-server.socket pushnote-server.service");
    assert_eq!(machine.run("stat -c '%a %U' /etc/pushnote/secret"), "600 root\n");
    a_message_arrives(&machine);

    let uninstall = block_of(PAGE, "## Install", "make uninstall");
    machine.run(&format!("cd /given && {uninstall}"));
    is_as_before(&before, &machine.run(FILES));
    assert_eq!(machine.run("ls /etc/pushnote"), "pushnote.toml\nsecret\n");
    assert_eq!(machine.try_run("systemctl is-active pushnote-server.socket"), None);
}

/// The package's version is Cargo's, with the package's own number behind it; its changelog is written by hand.
#[test]
fn the_debian_changelog_is_of_this_version() {
    let changelog = include_str!("../../packaging/debian/changelog");
    let version = concat!("pushnote (", env!("CARGO_PKG_VERSION"), "-");
    assert!(changelog.starts_with(version), "packaging/debian/changelog does not begin with {version}");
}

/// From an application to a page, by the installed programs.
fn a_message_arrives(machine: &Machine) {
    let lines = block_of(PAGE, "## Install", "pushnote publish");
    let (health, publish) = lines.split_once('\n').expect("two lines");
    assert_eq!(machine.run(health), "ok\n");
    machine.run("rm -f /tmp/heard; (pushnote tail > /tmp/heard 2>/dev/null &)");
    // It is attached in its own time.
    machine.until(&format!("{} >/dev/null; grep -q 'Hi all!' /tmp/heard", publish.trim_end()));
}

fn a_new_secret_logs_nobody_out(machine: &Machine) {
    let token = || machine.run("pushnote token 42 --secret-file=/etc/pushnote/secret").trim().to_owned();
    let is_good = |token: &str| {
        let doctor = "pushnote doctor http://127.0.0.1:8080/sockjs --transport=websocket --keep-alive=0s";
        machine.try_run(&format!("{doctor} --token={token}")).is_some()
    };
    let old = token();
    machine.run(&block_of(PAGE, "## A new secret", "openssl rand"));
    let new = token();
    assert_eq!(machine.run("wc -l < /etc/pushnote/secret"), "2\n");
    assert!(is_good(&old) && is_good(&new));
    machine.run(&block_of(PAGE, "## A new secret", "2,$d"));
    assert!(!is_good(&old) && is_good(&new));
    assert_eq!(machine.run("stat -c '%a %U' /etc/pushnote/secret"), "600 root\n");
}

/// As a comment in the settings says.
fn with_a_forwarder(machine: &Machine) {
    let settings = include_str!("../../packaging/pushnote.toml");
    let [before, after] = ["mq_socket = \"tcp://127.0.0.1:8002\"", "mq_socket = \"tcp://127.0.0.1:8001\""];
    assert!(
        settings.contains(&format!("# with a forwarder: false, and {after}")) && settings.contains(before)
    );
    machine.run(&format!(
        "sed -i 's#^single = true#single = false#; s#^{before}#{after}#' /etc/pushnote/pushnote.toml"
    ));
    assert!(PAGE.contains("`systemctl enable --now pushnote-mq`, and `single = false`"));
    machine.run("systemctl restart pushnote-server && systemctl enable --now pushnote-mq");
    a_message_arrives(machine);
    machine.run("systemctl is-active pushnote-mq && systemctl disable --now pushnote-mq");
    machine.run(&format!(
        "sed -i 's#^single = false#single = true#; s#^{after}#{before}#' /etc/pushnote/pushnote.toml"
    ));
    machine.run("systemctl restart pushnote-server");
}

/// What `systemctl edit` asks for, and writes to this file.
fn browsers_come_to_another_port(machine: &Machine) {
    let restart = "systemctl restart pushnote-server.socket";
    assert!(PAGE.contains(&format!("`ListenStream=` first, and `{restart}`")));
    let folder = "/etc/systemd/system/pushnote-server.socket.d";
    let lines = "[Socket]\\nListenStream=\\nListenStream=127.0.0.1:8099\\nListenStream=/run/pushnote.sock\\n";
    machine.run(&format!("mkdir {folder} && printf '{lines}' > {folder}/override.conf"));
    let again = format!("systemctl daemon-reload && {restart}");
    machine.run(&again);
    assert_eq!(machine.run("pushnote health http://127.0.0.1:8099/health"), "ok\n");
    assert_eq!(machine.try_run("pushnote health http://127.0.0.1:8080/health"), None);
    machine.run("test -S /run/pushnote.sock");
    machine.run(&format!("rm -r {folder} && {again}"));
    machine.run("rm /run/pushnote.sock");
}

fn a_key_that_only_root_may_read(machine: &Machine) {
    let path = "/run/credentials/pushnote-server.service/key";
    assert!(PAGE.contains(&format!("`{path}` is its path")));
    let folder = "/etc/systemd/system/pushnote-server.service.d";
    let lines = block_of(PAGE, "## Run it", "LoadCredential=");
    machine.run(&format!("mkdir {folder} && cat > {folder}/override.conf <<'END'\n{lines}END"));
    machine.run("umask 077 && openssl rand -hex 32 > /etc/pushnote/key");
    machine.run("cp -p /etc/pushnote/pushnote.toml /tmp/before");
    let settings = format!("lightpush_port = 8095\\nlightpush_key_file = \"{path}\"");
    machine.run(&format!("sed -i '/^.server.$/a {settings}' /etc/pushnote/pushnote.toml"));
    let again = "systemctl daemon-reload && systemctl restart pushnote-server";
    machine.run(again);
    assert_eq!(machine.run("systemctl show -P StatusText pushnote-server"), "running\n");
    machine.run("journalctl -u pushnote-server --output=cat | grep 'lightpush listening on'");
    machine.run(&format!("mv /tmp/before /etc/pushnote/pushnote.toml && rm -r {folder} /etc/pushnote/key"));
    machine.run(again);
}

/// Who comes while it restarts waits, and is answered.
fn a_restart_refuses_nobody(machine: &Machine) {
    let asks =
        "while test ! -e /tmp/enough; do pushnote health http://127.0.0.1:8080/health || echo refused; done";
    machine.run(&format!("rm -f /tmp/enough; ({asks}) > /tmp/asked 2>&1 & "));
    machine.until("test $(grep -c '^ok' /tmp/asked) -gt 3");
    machine.run("systemctl restart pushnote-server");
    let soon = machine.run("wc -l < /tmp/asked");
    machine.until(&format!("test $(wc -l < /tmp/asked) -gt $(({} + 3))", soon.trim()));
    machine.run("touch /tmp/enough");
    let asked = machine.run("cat /tmp/asked");
    // A server that ends says so with 503 as long as it listens; nobody finds a closed port.
    assert!(!asked.contains("refused by") && !asked.contains("nothing listens"), "{asked}");
}
