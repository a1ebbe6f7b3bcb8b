//! What a server keeps on disk is copied while it is stopped, and put back, as docs/operate.md has it.

use std::path::Path;
use std::process::Command;

use pushnote_tests::{Launch, Metrics, Process, Single, block_of};

const PAGE: &str = include_str!("../../docs/operate.md");

/// A server that keeps what it has there, and where it is measured.
fn server(data: &Path) -> (Single, Metrics) {
    let kept = [format!("--data-dir={}", data.display()), "--metrics=127.0.0.1:0".to_owned()];
    let single = Single::of(Launch::server().arguments(kept));
    let metrics = Metrics::of(&single.server.process);
    (single, metrics)
}

/// The message is on disk when the server has ended.
fn publish(single: &Single, metrics: &Metrics, messages: f64) {
    let published = Process::output("pushnote", &["publish", "1", "--mq_socket", &single.endpoint], &[]);
    assert!(published.status.success(), "{published:?}");
    metrics.until("pushnote_server_log_messages", |kept| kept == messages);
}

fn stop(mut single: Single) {
    single.server.process.terminate();
    assert!(single.server.process.ended().success());
}

/// The lines of a block that say what is done while the server is stopped, here in folders of the test's.
fn between_stop_and_start(part: &str, folder: &Path) {
    let block = block_of(PAGE, "## A copy of what is kept", part);
    let lines: Vec<_> = block.lines().collect();
    let [stop, line, start] = lines[..] else { panic!("{block}") };
    assert!(
        stop.starts_with("sudo systemctl stop ") && start.starts_with("sudo systemctl start "),
        "{block}"
    );
    let line = line.replacen("sudo ", "", 1);
    let line = line.replace("/var/lib/pushnote", folder.join("data").to_str().unwrap());
    let line = line.replace("/var/backups", folder.to_str().unwrap());
    assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line}");
}

#[test]
fn a_copy_is_made_and_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (single, metrics) = server(&data);
    publish(&single, &metrics, 1.0);
    // No other program reads it meanwhile.
    let read =
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('select count(*) from sqlite_master')";
    let file = data.join("pushnote.db");
    let other = Command::new("python3").args(["-c", read]).arg(&file).output().unwrap();
    let said = String::from_utf8(other.stderr).unwrap();
    assert!(said.contains("database is locked") && PAGE.contains("(`database is locked`)"), "{said}");
    stop(single);
    between_stop_and_start("-czf", folder.path());

    let (single, metrics) = server(&data);
    publish(&single, &metrics, 2.0);
    stop(single);
    between_stop_and_start("-xzf", folder.path());

    let (single, metrics) = server(&data);
    metrics.until("pushnote_server_log_messages", |kept| kept == 1.0);
    publish(&single, &metrics, 2.0);
}
