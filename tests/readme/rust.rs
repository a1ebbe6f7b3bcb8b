//! docs/rust.md: its sites are the examples of the crate, which a test in Chromium runs, too. That they compile with what the page
//! has them depend on, .ci/packages.py sees.

use std::time::Duration;

use pushnote_tests::Process;

use crate::blocks::block_of;
use crate::shell::Shell;
use crate::{PORTS, browser};

const PAGE: &str = include_str!("../../docs/rust.md");

#[test]
fn the_sites_are_the_examples() {
    let code = |example: &'static str| example.split_once("\n\n").expect("a comment, then the code").1;
    let axum = include_str!("../../crates/pushnote/examples/axum_site.rs");
    assert_eq!(block_of(PAGE, "## axum", "fn main"), code(axum));
    let actix = include_str!("../../crates/pushnote/examples/actix_site.rs");
    assert_eq!(block_of(PAGE, "## actix-web", "fn main"), code(actix));
    let page = include_str!("../../crates/pushnote/examples/page.html");
    assert_eq!(block_of(PAGE, "# Rust: a site on axum or actix-web", "<!doctype html>"), page);
}

#[tokio::test]
async fn a_site_publishes_to_its_page_as_it_is_printed() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let lines = block_of(PAGE, "# Rust: a site on axum or actix-web", "pushnote-server --single");
    let (made, server) = lines.trim_end().rsplit_once('\n').expect("two lines");
    shell.run(made);
    let server = shell.start(server);
    server.line_after("listening on http://");
    let environment = block_of(PAGE, "# Rust: a site on axum or actix-web", "export");
    for site in ["axum_site", "actix_site"] {
        // The page says where it is otherwise, which may be taken here.
        let process =
            shell.start(&format!("bash -c '{}PORT=0 exec {site}'", environment.replace('\n', "; ")));
        let address = process.line_after("listening on ");
        let mut page = browser(8080).await;
        page.subscribe(&token_of(&shell, &address)).await;
        let order = format!("curl -s -o order -w '%{{http_code}}' -X POST {address}/orders");
        let heard = loop {
            assert_eq!(shell.run(&order), "201");
            // A subscription is in force some time after it was asked for.
            if let Some(message) = page.next_within(Duration::from_millis(100)).await {
                break message.expect("a message");
            }
        };
        assert!(heard["order"].is_u64(), "{heard}");
        assert_eq!(ended(process), Some(0), "{site}");
    }
}

/// What the page subscribes with.
fn token_of(shell: &Shell, address: &str) -> String {
    let html = shell.run(&format!("curl -s {address}"));
    let (_, token) = html.split_once("'subscribe', '").expect("a token");
    token.split_once('\'').expect("its end").0.to_owned()
}

/// As Ctrl-C does.
fn ended(mut process: Process) -> Option<i32> {
    process.signal("-INT");
    process.ended().code()
}
