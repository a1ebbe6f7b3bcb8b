//! docs/long-poll.md, as it is printed.

use crate::PORTS;
use crate::blocks::{block, block_of};
use crate::shell::Shell;

const PAGE: &str = include_str!("../../docs/long-poll.md");

#[tokio::test]
async fn curl_and_fetch_read_a_channel() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let dev = shell.start(&block("## Try it", "cargo run"));
    dev.line_after("listening on http://");
    let key = dev.line_after("Authorization: Bearer ");
    let (key, _) = key.split_once('\'').expect("a key between quotes");

    let curl = block_of(PAGE, "## Reading with curl", "curl");
    let mut said = shell.run(&curl);
    // The server may not have heard it yet.
    while !said.contains("Hi all!") {
        said = shell.run(&curl);
    }
    let (head, body) = said.split_once("\r\n\r\n").expect("a head and a body");
    let head = head.to_lowercase();
    assert!(head.contains("stream-next-offset: ") && head.contains("stream-up-to-date: true"), "{head}");
    assert!(body.trim().starts_with(r#"[{"msg":"Hi all!"}"#), "{body}");

    let program = block_of(PAGE, "## Reading with fetch", "await fetch");
    std::fs::write(shell.folder().join("reader.mjs"), program).expect("a file");
    let reader = shell.start("node reader.mjs");
    reader.line_after("{ msg: 'Hi all!' }");
    shell.run("pushnote publish --channel public.news '\"and more\"'");
    reader.line_after("and more");

    let writing = block_of(PAGE, "## Writing", "curl -X DELETE");
    let read = shell.run(&format!("KEY={key}\n{writing}"));
    assert!(read.contains(r#"[{"order":1},{"order":2}]"#), "{read}");
    let gone =
        shell.run("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/streams/public.orders");
    assert_eq!(gone, "404");
}
