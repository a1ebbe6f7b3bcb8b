//! Unix sockets are files, and files outlive a killed process.

use pushnote_tests::{Browser, Process, SECRET, Server};

use crate::target::{Relay, ipc};
use crate::witness::{AT_ONCE, Ear, newcomers_meet, publisher, settle};

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_killed_forwarder_is_removed_and_that_of_a_running_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (sub, publ) = (ipc(folder.path(), "sub"), ipc(folder.path(), "pub"));
    let mut relay = Relay::start_on(&[&sub], &[&publ], &[]);
    for _ in 0..3 {
        relay.process.kill();
        assert!(folder.path().join("sub").exists(), "SIGKILL leaves no time to clean up");
        relay = Relay::start_on(&[&sub], &[&publ], &[]);
        let took = newcomers_meet(&sub, Ear::subscriber(&publ)).await;
        assert!(took < AT_ONCE, "newcomers met only after {took:?}");
    }

    let witness = relay.witness().await;
    let thief = Process::output("pushnote-mq", &[&format!("--sub={sub}"), &format!("--pub={publ}")], &[]);
    let said = String::from_utf8_lossy(&thief.stderr).into_owned();
    assert!(
        !thief.status.success() && said.contains(&sub) && said.contains("another process listens"),
        "{said}"
    );
    witness.noticed_nothing().await;
    assert!(newcomers_meet(&sub, Ear::subscriber(&publ)).await < AT_ONCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_the_file_over_that_a_killed_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = ipc(folder.path(), "single");
    let arguments = ["--single", &format!("--mq_socket={endpoint}")];
    let mut server = Server::with(&arguments);
    server.process.kill();
    assert!(folder.path().join("single").exists());
    let server = Server::with(&arguments);

    let thief = ["--single", "--port=0", "--address=127.0.0.1", arguments[1]];
    let thief = Process::output("pushnote-server", &thief, &[("PUSHNOTE_SECRET", SECRET)]);
    assert!(!thief.status.success(), "{}", String::from_utf8_lossy(&thief.stdout));
    let mut browser = Browser::open(&server.websocket_url()).await;
    settle(&publisher(&endpoint), &mut browser, "through the file").await;
}
