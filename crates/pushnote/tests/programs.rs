//! `examples/notify.rs` as a process: what its user reads when something is wrong, and that its only message is not lost.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use pushnote_zmtp::{Options, Subscriber};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

/// Beside this test: target/debug/deps/SUITE-HASH → target/debug/examples/notify.
fn notify(environment: &[(&str, &str)]) -> Command {
    let tests = std::env::current_exe().unwrap();
    let path: PathBuf = tests.ancestors().nth(2).unwrap().join("examples/notify");
    let mut command = Command::new(path);
    command.env_clear().envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn an_error_that_main_returns_says_what_to_do() {
    for (environment, said) in [
        (
            &[][..],
            "Error: PUSHNOTE_MQ_SOCKET is not set; set it to the endpoint that pushnote-mq --sub or pushnote-server \
             --single listens on, as in tcp://127.0.0.1:8002\n",
        ),
        (
            &[("PUSHNOTE_MQ_SOCKET", "https://user:password@push.example")],
            "Error: messages go over ZeroMQ, and not to an http:// or https:// address; give the endpoint that \
             pushnote-mq --sub or pushnote-server --single listens on, as in tcp://127.0.0.1:8002, or publish by POST to \
             /v1/publish there with an HTTP client\n",
        ),
        (
            &[("PUSHNOTE_MQ_SOCKET", "localhost:8002")],
            "Error: PUSHNOTE_MQ_SOCKET: endpoint \"localhost:8002\" must begin with tcp:// or ipc://, as in \
             tcp://127.0.0.1:8002\n",
        ),
        (
            &[("PUSHNOTE_MQ_SOCKET", "tcp://127.0.0.1:1"), ("PUSHNOTE_ACK_SOCKET", "tcp://127.0.0.1")],
            "Error: PUSHNOTE_ACK_SOCKET: endpoint \"tcp://127.0.0.1\" needs a port from 0 to 65535, as in \
             tcp://127.0.0.1:8002\n",
        ),
    ] {
        let output = notify(environment).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
    }
}

/// It publishes before anybody is there, and ends at once.
#[tokio::test]
async fn the_only_message_of_a_program_that_ends_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("ipc://{}/mq", folder.path().display());
    let child = notify(&[("PUSHNOTE_MQ_SOCKET", &endpoint)]).spawn().unwrap();
    let mut subscriber = Subscriber::bind(&endpoint.parse().unwrap(), Options::default()).await.unwrap();
    let message = timeout(PATIENCE, subscriber.recv()).await.unwrap().unwrap();
    assert!(message.topic().starts_with(br#"{"name":"notify_all","data":{"msg":"Hi all!"},"#), "{message:?}");
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
