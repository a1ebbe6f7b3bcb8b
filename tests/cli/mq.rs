//! Flags, environment and exit codes of `pushnote-mq`.

use pushnote_tests::{Forwarder, Launch};

use super::fails;

#[test]
fn faults_are_one_line_with_the_flag_and_an_exit_code() {
    let forwarder = Forwarder::start();
    let (taken, any) = (format!("--sub={}", forwarder.sub), "--pub=tcp://127.0.0.1:0");
    let cases: [(&[&str], i32, &[&str]); 7] = [
        (&[], 64, &["--sub", "--pub", "--help"]),
        (&["--sub=tcp://127.0.0.1", any], 64, &["--sub", "port"]),
        (&["-s", "8002", any], 64, &["--sub", "tcp://"]),
        (&["--sub=tcp://127.0.0.1:0", "-p", "tcp://127.0.0.1:0", "--what"], 64, &["--what"]),
        (&[&taken, any], 69, &["--sub", "in use", "another"]),
        (&["--sub=tcp://127.0.0.1:0", "--pub=tcp://192.0.2.1:1"], 78, &["--pub", "192.0.2.1", "CURVE"]),
        (
            &["--sub=tcp://127.0.0.1:0", "--pub=ipc:///no/such/folder/mq"],
            69,
            &["--pub", "/no/such/folder/mq"],
        ),
    ];
    for (arguments, code, words) in cases {
        fails("pushnote-mq", arguments, &[], code, words);
    }
}

#[test]
fn signals_end_it_with_success() {
    for signal in ["-TERM", "-INT"] {
        let mut forwarder = Forwarder::start();
        forwarder.process.signal(signal);
        assert!(forwarder.process.ended().success(), "{signal}");
    }
}

#[test]
fn the_environment_serves_for_flags_and_takes_several_endpoints() {
    let folder = tempfile::tempdir().unwrap();
    let several = format!("tcp://127.0.0.1:0,ipc://{}/sub", folder.path().display());
    let launch =
        Launch::forwarder().variable("PUSHNOTE_SUB", &several).variable("PUSHNOTE_PUB", "tcp://[::1]:0");
    let forwarder = launch.start();
    assert!(forwarder.line_after("sub listening on ").starts_with("tcp://127.0.0.1:"));
    assert!(forwarder.line_after("sub listening on ").ends_with("/sub"));
    assert!(forwarder.line_after("pub listening on ").starts_with("tcp://[::1]:"));
    assert!(folder.path().join("sub").exists());
}
