//! What only a start would find, `pushnote config --check` finds as well: addresses that are not this machine's, places that
//! this user may not use. It takes none, and a server that is running is no fault.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use pushnote_tests::{Launch, Process, SECRET};

use super::{WITH_SECRET, fails};

/// A check of a file with this text.
fn check(folder: &Path, text: &str) -> Output {
    let path = folder.join("pushnote.toml");
    std::fs::write(&path, text).unwrap();
    Process::output("pushnote", &["config", "--check", path.to_str().unwrap()], WITH_SECRET)
}

#[track_caller]
fn fault(folder: &Path, text: &str, words: &[&str]) {
    let checked = check(folder, text);
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(78), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{words:?} are not in: {said}");
}

#[test]
fn an_address_of_another_machine_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let single = |more: &str| format!("[server]\nsingle = true\nmq_socket = 'tcp://127.0.0.1:0'\n{more}");
    let none = "this machine has no such address";
    let at = "cannot listen on 192.0.2.1:8083";
    fault(folder.path(), &single("port = 8083\naddress = '192.0.2.1'"), &["[server]: --address: ", at, none]);
    fault(
        folder.path(),
        &single("port = 0\nmetrics = '192.0.2.1:8083'"),
        &["[server]: --metrics: ", at, none],
    );
    let plain = "port = 0\nallow_plaintext = true\nack = 'tcp://192.0.2.1:8083'";
    fault(folder.path(), &single(plain), &["[server]: --ack: ", at, none]);
    let mq = "[mq]\nsub = 'tcp://127.0.0.1:0'\npub = 'tcp://127.0.0.1:0'\nmetrics = '192.0.2.1:8083'";
    fault(folder.path(), mq, &["[mq]: --metrics: ", at, none]);
    // As the start says it.
    let start = ["--single", "--mq_socket=tcp://127.0.0.1:0", "--port=8083", "--address=192.0.2.1"];
    fails("pushnote-server", &start, WITH_SECRET, 69, &[": --address: ", at, none]);
}

#[test]
fn a_place_that_is_in_use_is_worth_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("mq.sock");
    let data = folder.path().join("data");
    let launch = Launch::server().arguments(["--single", "--port=0", "--address=127.0.0.1"]);
    let launch = launch.arguments([format!("--mq_socket=ipc://{}", socket.display())]);
    let mut server = launch.arguments([format!("--data-dir={}", data.display())]).start_logged();
    let line = server.line_after("listening on http://127.0.0.1:");
    let port = line.split('/').next().unwrap();
    let text = format!(
        "[server]\nsingle = true\nport = {port}\naddress = '127.0.0.1'\nmq_socket = 'ipc://{}'\ndata_dir = '{}'\n",
        socket.display(),
        data.display()
    );
    let checked = check(folder.path(), &text);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success(), "{said}{}", String::from_utf8_lossy(&checked.stderr));
    let port =
        [format!("note: --port: 127.0.0.1:{port} is in use now"), format!("ss -ltnp 'sport = :{port}'")];
    assert!(port.iter().all(|words| said.contains(words)), "{said}");
    assert!(
        said.contains(&format!("note: --mq_socket: the socket {} is there now", socket.display())),
        "{said}"
    );
    assert_eq!(said.lines().count(), 3, "{said}");
    // Nobody has noticed.
    assert!(server.is_running() && !server.log().contains("WARN"), "{}", server.log());
    drop(server);
    let checked = check(folder.path(), &text.replace("mq.sock", "other.sock"));
    assert_eq!(String::from_utf8(checked.stdout).unwrap().lines().count(), 1);
}

#[test]
fn paths_that_cannot_be_made_are_faults() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let single = |more: &str| format!("[server]\nsingle = true\nmq_socket = 'tcp://127.0.0.1:0'\n{more}");
    let socket = |path: &str| single(&format!("unix_socket = '{path}'"));
    fault(
        folder.path(),
        &socket(&at("none/http")),
        &["--unix-socket: cannot listen on ", "no such folder: make it first"],
    );
    fault(folder.path(), &socket(&at("file")), &["--unix-socket: ", "a file is there that is no socket"]);
    fault(folder.path(), &socket(&at("file/http")), &["--unix-socket: ", "is a file"]);
    fault(folder.path(), &socket(&at(&"x".repeat(108))), &["--unix-socket: ", "107 bytes"]);
    let data = |path: &str| single(&format!("port = 0\ndata_dir = '{path}'"));
    fault(folder.path(), &data(&at("file/data")), &["--data-dir: ", "is not a directory"]);
    let push =
        format!("\nvapid_subject = 'mailto:ops@example.org'\nvapid_key_file = '{}'", at("none/vapid.pem"));
    fault(
        folder.path(),
        &(data(&at("data")) + &push),
        &["--vapid-key-file: there is no folder", "make it first"],
    );
    assert!(!folder.path().join("data").exists(), "a check makes nothing");
}

/// As another user than the one who may do all, where the tests are that one's.
#[test]
fn what_this_user_may_not_do_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
    let path = folder.path().join("pushnote.toml");
    let privileged = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let has_low_ports = privileged.trim() != "0";
    let port = if has_low_ports { 1 } else { 0 };
    let text = format!(
        "[server]\nsingle = true\nmq_socket = 'ipc://{0}/mq'\nport = {port}\ndata_dir = '{0}/data'\n",
        closed.display()
    );
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new("setpriv");
    if rustix::process::geteuid().is_root() {
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    }
    command.arg(Process::path("pushnote")).args(["config", "--check"]).arg(&path);
    let checked = command.env("PUSHNOTE_SECRET", SECRET).output().unwrap();
    let said = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(78), "{said}");
    let mut faults = said.lines();
    let words =
        ["--mq_socket: cannot listen on ", "permission denied: this user may not make files in the folder"];
    let line = faults.next().unwrap();
    assert!(words.iter().all(|word| line.contains(word)), "{said}");
    if has_low_ports {
        let words =
            ["--port: cannot listen on port 1: permission denied: ", "CAP_NET_BIND_SERVICE", "above 1023"];
        let line = faults.next().unwrap();
        assert!(words.iter().all(|word| line.contains(word)), "{said}");
    }
    let words = format!("--data-dir: this user may not make files in {}", closed.display());
    assert!(faults.next().unwrap().contains(&words), "{said}");
    assert_eq!(faults.next(), None);
}

#[test]
fn a_socket_that_a_killed_server_has_left_is_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("http");
    drop(UnixListener::bind(&socket).unwrap());
    let text = format!(
        "[server]\nsingle = true\nmq_socket = 'tcp://127.0.0.1:0'\nunix_socket = '{}'\n",
        socket.display()
    );
    let checked = check(folder.path(), &text);
    assert!(checked.status.success() && socket.exists(), "{checked:?}");
}
