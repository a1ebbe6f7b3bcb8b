//! The ZeroMQ ends.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use pushnote_tests::{Forwarder, Launch, Process, Single, free_endpoint};
use rustix::process::{Pid, Signal, kill_process};

use super::doctor;

/// Runs it: all checks but the last are sound, and the last has these words. Returns its lines.
#[track_caller]
fn fails(arguments: &[&str], code: i32, words: &[&str]) -> Vec<String> {
    let output = doctor(arguments);
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
    let lines: Vec<_> = stdout.lines().map(str::to_owned).collect();
    let failed: Vec<_> = lines.iter().filter(|line| line.starts_with("FAIL")).collect();
    assert!(
        stderr.contains(&format!("{} of {} checks failed", failed.len(), lines.len())),
        "{stdout}{stderr}"
    );
    for word in words {
        assert!(failed[0].contains(word), "{word:?} is not in: {stdout}");
    }
    lines
}

#[track_caller]
fn succeeds(arguments: &[&str], words: &[&str]) -> String {
    let output = doctor(arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{stdout}{:?}", output.stderr);
    assert!(stdout.lines().all(|line| line.starts_with("ok ")), "{stdout}");
    for word in words {
        assert!(stdout.contains(word), "{word:?} is not in: {stdout}");
    }
    stdout
}

fn both(forwarder: &Forwarder) -> [String; 2] {
    [format!("--mq-sub={}", forwarder.sub), format!("--mq-pub={}", forwarder.publ)]
}

#[test]
fn a_sound_set_up_is_sound() {
    let forwarder = Forwarder::start();
    let [sub, publ] = both(&forwarder);
    let text = succeeds(
        &[&sub, &publ],
        &[
            "sub   socket         SUB",
            "pub   socket         PUB",
            "ZMTP 3.1",
            "both  end to end",
            "history        kept: epoch",
        ],
    );
    assert_eq!(text.lines().count(), 6 + 7 + 1, "{text}");
    succeeds(&["--mq", &forwarder.sub], &["mq    socket         SUB", "applications publish here"]);
    succeeds(&["--mq", &forwarder.publ], &["mq    socket         PUB", "servers subscribe here"]);
    let forgetful = Forwarder::with(&["--history-bytes=0"]);
    succeeds(&["--mq", &forgetful.publ], &["history        none kept"]);
    let single = Single::start();
    succeeds(&["-s", &single.endpoint], &["SUB", "heartbeat      answered in"]);
}

#[test]
fn a_way_over_other_machines_without_keys_is_worth_a_warning() {
    let exposed = ["--sub=tcp://*:0", "--pub=tcp://127.0.0.1:0", "--allow-plaintext"];
    let forwarder = Launch::forwarder().arguments(exposed).start();
    let port = forwarder.line_after("sub listening on tcp://*:");
    // No loopback address, and yet this machine's.
    let output = doctor(&[&format!("--mq=tcp://0.0.0.0:{port}")]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    let warned = stdout.lines().find(|line| line.starts_with("warn"));
    assert!(warned.is_some_and(|line| line.contains("security") && line.contains("CURVE")), "{stdout}");
}

#[test]
fn over_unix_sockets_too() {
    let folder = tempfile::tempdir().unwrap();
    let [sub, publ] = ["sub", "pub"].map(|name| format!("ipc://{}/{name}", folder.path().display()));
    let forwarder = Forwarder::start_on(&sub, &publ);
    let [sub, publ] = both(&forwarder);
    succeeds(&[&sub, &publ], &["both  end to end"]);
    fails(&["--mq=ipc:///nowhere/mq"], 69, &["connect", "ipc:///nowhere/mq", "no such socket"]);
}

#[test]
fn nobody_there() {
    let nobody = free_endpoint();
    let advice = "nobody listens there: start pushnote-mq (or pushnote-server --single), or correct --mq-sub";
    fails(&["--mq-sub", &nobody], 69, &["connect", &nobody, advice]);
    let single =
        ["--mq-pub", &nobody, "start pushnote-mq, or", "--single has no such end", "leave --mq-pub away"];
    fails(&single[..2], 69, &single[2..]);
    fails(&["--mq=tcp://no-such-host.invalid:1"], 78, &["name", "no-such-host.invalid", "--mq"]);
    let bad = doctor(&["--mq=localhost:8002"]);
    assert_eq!(bad.status.code(), Some(64), "{bad:?}");
}

#[test]
fn swapped_ends() {
    let forwarder = Forwarder::start();
    let lines = fails(
        &["--mq-sub", &forwarder.publ, "--mq-pub", &forwarder.sub],
        78,
        &["sub", "socket", "swapped", "--mq-pub"],
    );
    assert!(lines.last().unwrap().contains("give it as --mq-sub"), "{lines:?}");
    let single = Single::start();
    fails(&["--mq-pub", &single.endpoint], 78, &["give it as --mq-sub", "--single has this end alone"]);
}

#[test]
fn ends_of_two_forwarders() {
    let (one, other) = (Forwarder::start(), Forwarder::start());
    let words = ["both", "end to end", &one.sub, &other.publ, "same pushnote-mq"];
    fails(&["--timeout=500ms", "--mq-sub", &one.sub, "--mq-pub", &other.publ], 78, &words);
}

#[test]
fn another_protocol() {
    let single = Single::start();
    let http = format!("tcp://{}", single.server.address);
    fails(&["--mq", &http], 78, &["greeting", "another protocol", "HTTP/1.1 400", "--mq"]);
}

#[test]
fn who_breaks_the_protocol_does_not_hang_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp://{}", listener.local_addr().unwrap());
    let broken = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let signature = [&[0xff][..], &[0; 8], &[0x7f, 3, 1]].concat();
        let mechanism = [&b"NULL"[..], &[0; 16 + 32]].concat();
        let ready = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB";
        let reserved = [0xf8, 0];
        stream.write_all(&[&signature, &mechanism, &ready[..], &reserved].concat()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let lines = fails(&["--mq", &endpoint], 69, &["heartbeat", "instead of an answer: protocol fault"]);
    assert!(!lines.concat().contains("hangs up"), "{lines:?}");
    broken.join().unwrap();
}

#[test]
fn a_forwarder_that_is_stopped() {
    let forwarder = Forwarder::start();
    let id = Pid::from_raw(forwarder.process.id().cast_signed()).unwrap();
    kill_process(id, Signal::STOP).unwrap();
    let [sub, _] = both(&forwarder);
    fails(
        &["--timeout=500ms", &sub],
        69,
        &["greeting", "connected, but no greeting within 500ms", "hangs or is stopped"],
    );
    kill_process(id, Signal::CONT).unwrap();
    succeeds(&[&sub], &[]);
}

#[test]
fn keys() {
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str| {
        let path = folder.path().join(name).to_str().unwrap().to_owned();
        let made = Process::output("pushnote", &["keygen", "--secret-file", &path], &[]);
        let public = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        (format!("--curve-secret-key-file={path}"), public)
    };
    let [(own, public), (friend, of_friend), (half, of_half), (stranger, other)] =
        ["own", "friend", "half", "stranger"].map(key);
    let list = folder.path().join("clients");
    std::fs::write(&list, format!("both {of_friend}\npublish {of_half}\n")).unwrap();
    let secured = Forwarder::with(&[&own, &format!("--curve-clients={}", list.display())]);
    let [sub, publ] = both(&secured);
    let server = format!("--curve-server-key={public}");

    succeeds(&[&sub, &publ, &server, &friend], &["security       CURVE", "both  end to end"]);
    let flags = ["security", "it wants CURVE: give --curve-server-key", "--curve-secret-key-file"];
    fails(&[&sub, &publ], 78, &flags);
    let words = ["pub", "security", "may not subscribe", &format!("subscribe {of_half}"), "--curve-clients"];
    fails(&[&sub, &publ, &server, &half], 78, &words);
    fails(&[&sub, &server, &stranger], 78, &["security", "may not publish"]);
    let wrong = format!("--curve-server-key={other}");
    fails(&[&sub, &wrong, &friend], 78, &["security", "--curve-server-key"]);
    fails(&["--mq-sub", &secured.publ, &server, &friend], 78, &["socket", "swapped"]);

    let open = Forwarder::start();
    fails(
        &["--mq", &open.sub, &server, &friend],
        78,
        &["security", "not secured", "--curve-secret-key-file"],
    );
}
