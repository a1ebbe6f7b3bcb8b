//! Flags, environment, exit codes, restarts of `pushnote-mq`.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};
use support::{Flow, Mq};

/// Runs it with what it cannot start with: its exit code, and what it says.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pushnote-mq")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn faults_are_one_line_with_the_flag_and_an_exit_code() {
    let mq = Mq::start();
    let (taken, any) = (format!("--sub={}", mq.sub), "--pub=tcp://127.0.0.1:0");
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
        let (actual, text) = refused(arguments);
        assert_eq!(actual, Some(code), "{arguments:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{arguments:?}: {text}");
    }
}

#[test]
fn signals_end_it_with_success() {
    for signal in ["-TERM", "-INT"] {
        assert_eq!(Mq::start().stop(signal), Some(0));
    }
}

#[test]
fn the_environment_serves_for_flags_and_takes_several_endpoints() {
    let folder = std::env::temp_dir().join(format!("pushnote-mq-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let several = format!("tcp://127.0.0.1:0,ipc://{}/sub", folder.display());
    let mut child = Command::new(env!("CARGO_BIN_EXE_pushnote-mq"))
        .envs([("PUSHNOTE_SUB", several.as_str()), ("PUSHNOTE_PUB", "tcp://[::1]:0")])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let lines: Vec<String> = lines.take(3).map(Result::unwrap).collect();
    assert!(lines[1].ends_with("/sub") && lines[2].contains("pub listening on tcp://[::1]:"), "{lines:?}");
    assert!(folder.join("sub").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn killed_and_started_again_it_is_found_within_two_seconds() {
    let mq = Mq::start();
    let (sub, r#pub) = (mq.sub.to_string(), mq.r#pub.to_string());
    let mut flow = Flow::through(&mq).await;
    mq.stop("-KILL");
    let mq = Mq::start_with("", &sub, &r#pub);
    let start = Instant::now();
    flow.heal().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    flow.check(100, 1000).await;
    drop(mq);
}
