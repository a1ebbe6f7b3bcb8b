//! docs/languages.md: each language's block is run as it is printed, where the machine has what it needs.

use std::process::Command;

use crate::blocks::block_of;
use crate::shell::Shell;
use crate::{PORTS, parsed};

const PAGE: &str = include_str!("../../docs/languages.md");

/// A heading, and what tells whether what its block is run by is there. The block itself says which file it is.
const LANGUAGES: [(&str, &str); 6] = [
    ("## Node", "node --version"),
    ("## PHP", "php -r 'curl_version();'"),
    ("## Ruby", "ruby --version"),
    ("## Go", "go version"),
    ("## Java", "javac -version"),
    ("## A shell", "curl --version"),
];

#[tokio::test]
async fn each_language_publishes_as_it_is_printed() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let lines = block_of(PAGE, "# From any language", "keygen --api");
    let (made, server) = lines.trim_end().rsplit_once('\n').expect("several lines");
    shell.run(made);
    let server = shell.start(server);
    server.line_after("api listening on http://");
    // A process of its own, which answers pings also while a compiler is at work here.
    let page = shell.start("pushnote tail --user 42 --secret-file=secret");
    let ask = "curl -s http://127.0.0.1:8081/v1/publish -H \"Authorization: Bearer $(cat site.key)\" \
               -d '{\"users\":[42],\"data\":\"subscribed?\"}'";
    while parsed(&shell.run(ask))["connections"] != 1 {}

    for (heading, probe) in LANGUAGES {
        if !Command::new("bash").args(["-c", probe]).output().is_ok_and(|output| output.status.success()) {
            eprintln!("{heading}: `{probe}` fails: it is not here, and its block is not run");
            continue;
        }
        let command = file(&shell, heading, "Hi all!");
        shell.run(&format!("PUSHNOTE_API_KEY=$(cat site.key) {command}"));
        page.line_after("Hi all!");
        page.line_after(r#""Hi""#);
        // What is missing is said, and where the API is else counts.
        let said = shell.run(&format!("! PUSHNOTE_API_KEY= {command} 2>&1"));
        assert!(said.contains("PUSHNOTE_API_KEY") && said.contains("is not set"), "{heading}: {said}");
        shell.run(&format!(
            "! PUSHNOTE_API=http://127.0.0.1:1 PUSHNOTE_API_KEY=key {command} 2> failed && grep -q . failed"
        ));
    }
}

#[test]
fn a_token_is_made_without_a_library() {
    let shell = Shell::new();
    let command = file(&shell, "## Tokens", "createHmac");
    std::fs::write(
        shell.folder().join("secret"),
        format!("{}\n{}\n", pushnote_tests::SECRET, "old".repeat(20)),
    )
    .expect("a file");
    let checked = shell.run(&format!(
        "pushnote token --check $(PUSHNOTE_SECRET=$(cat secret) {command}) --secret-file=secret"
    ));
    assert!(checked.contains("user 42"), "{checked}");
    let said = shell.run(&format!("! env -u PUSHNOTE_SECRET {command} 2>&1"));
    assert!(said.contains("PUSHNOTE_SECRET is not set"), "{said}");
}

/// Writes the block to the file that its first line names, and returns the command that this has for it.
fn file(shell: &Shell, heading: &str, part: &str) -> String {
    let block = block_of(PAGE, heading, part);
    let (first, _) = block.split_once('\n').expect("several lines");
    let (before, command) = first.split_once(", run by: ").expect("how it is run");
    let name = before.split_whitespace().last().expect("its name");
    std::fs::write(shell.folder().join(name), &block).expect("a file");
    command.to_owned()
}
