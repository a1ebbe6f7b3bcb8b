//! docs/relay.md and docs/fallback.md, as they are printed.

use crate::PORTS;
use crate::blocks::block_of;
use crate::shell::Shell;

#[tokio::test]
async fn a_message_is_relayed() {
    const PAGE: &str = include_str!("../../docs/relay.md");
    const HEADING: &str = "# Push relay: publishers POST, pages poll";
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let settings = block_of(PAGE, HEADING, "[[server.locations]]");
    std::fs::write(shell.folder().join("relay.toml"), settings).expect("a file");
    shell.run(&block_of(PAGE, HEADING, "openssl"));
    let server = shell.start(&block_of(PAGE, HEADING, "pushnote-server"));
    server.line_after("listening on http://");
    let answers = shell.run(&block_of(PAGE, HEADING, "curl"));
    assert!(answers.contains(r#"{"type":"answer","value":42}"#), "{answers}");
    assert!(answers.contains("queued messages: 1") && answers.contains("etag: "), "{answers}");
}

#[tokio::test]
async fn the_application_behind_answers() {
    const PAGE: &str = include_str!("../../docs/fallback.md");
    const HEADING: &str = "# One address for the application and push";
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    shell.run(&block_of(PAGE, HEADING, "openssl"));
    let _application = shell.start(&block_of(PAGE, HEADING, "http.server"));
    let server = shell.start(&block_of(PAGE, HEADING, "pushnote-server"));
    server.line_after("listening on http://");
    let curl = block_of(PAGE, HEADING, "curl");
    // Until the application listens.
    let answer =
        std::iter::repeat_with(|| shell.run(&curl)).find(|answer| !answer.contains("cannot be reached"));
    assert!(answer.is_some_and(|answer| answer.contains("Directory listing for /")));
}
