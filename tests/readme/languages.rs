//! docs/languages.md: each language's block is run as it is printed, where the machine has what it needs.

use std::process::Command;

use crate::blocks::block_of;
use crate::shell::Shell;
use crate::{PORTS, parsed};

const PAGE: &str = include_str!("../../docs/languages.md");

/// A heading, the file its block is written to, what runs that, and what tells whether it is there.
const LANGUAGES: [(&str, &str, &str, &str); 6] = [
    ("## Node", "publish.mjs", "node publish.mjs", "node --version"),
    ("## PHP", "publish.php", "php publish.php", "php -r 'curl_version();'"),
    ("## Ruby", "publish.rb", "ruby publish.rb", "ruby --version"),
    ("## Go", "publish.go", "go run publish.go", "go version"),
    ("## Java", "Publish.java", "java Publish.java", "javac -version"),
    ("## A shell", "publish.sh", "bash publish.sh", "curl --version"),
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

    for (heading, file, command, probe) in LANGUAGES {
        if !Command::new("bash").args(["-c", probe]).output().is_ok_and(|output| output.status.success()) {
            eprintln!("{heading}: `{probe}` fails: it is not here, and its block is not run");
            continue;
        }
        write(&shell, file, &block_of(PAGE, heading, "Hi all!"));
        shell.run(&format!("PUSHNOTE_API_KEY=$(cat site.key) {command}"));
        page.line_after("Hi all!");
        page.line_after(r#""Hi""#);
    }
}

#[test]
fn a_token_is_made_without_a_library() {
    let shell = Shell::new();
    write(&shell, "token.mjs", &block_of(PAGE, "## Tokens", "createHmac"));
    write(&shell, "secret", pushnote_tests::SECRET);
    let checked = shell
        .run("pushnote token --check $(PUSHNOTE_SECRET=$(cat secret) node token.mjs) --secret-file=secret");
    assert!(checked.contains("user 42"), "{checked}");
}

fn write(shell: &Shell, file: &str, text: &str) {
    std::fs::write(shell.folder().join(file), text).expect("a file");
}
