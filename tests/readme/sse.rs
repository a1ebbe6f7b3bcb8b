//! docs/sse.md: its commands.

use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use serde_json::{Value, json};

use crate::blocks::block_of;
use crate::shell::Shell;
use crate::{PORTS, parsed};

const PAGE: &str = include_str!("../../docs/sse.md");

#[tokio::test]
async fn streams_are_read_with_curl() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let dev = shell.start(block_of(PAGE, "# Server-sent events", "pushnote dev").trim());
    dev.line_after("listening on http://");
    let token = dev.line_after("a token for user ");
    let token = token.split_whitespace().last().expect("a token");
    let streams = [
        shell.start(block_of(PAGE, "# Server-sent events", "curl").trim()),
        shell.start(block_of(PAGE, "## Proxies, and how many streams a browser has", "curl").trim()),
    ];
    // What the page prints of it: the same fields in the same order.
    let printed = block_of(PAGE, "# Server-sent events", ": pushnote");
    let mut fields =
        printed.lines().filter_map(|line| line.split(": ").next()).filter(|field| !field.is_empty());
    assert!(fields.by_ref().take(2).eq(["retry", "id"]) && fields.eq(["id", "data"]), "{printed}");
    for stream in &streams {
        stream.line_after(": pushnote");
        stream.line_after("retry: ");
        stream.line_after("id: ");
    }
    let python = shell.start_python(&block_of(PAGE, "# Server-sent events", "requests.get"));
    let publish = block_of(PAGE, "# Server-sent events", "pushnote publish");
    // Python does not say when it listens. The last to publish has ended before another test has its server there.
    let (publishing, over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let shell = &shell;
        scope.spawn(move || {
            while over.try_recv() == Err(TryRecvError::Empty) {
                shell.run(&publish);
            }
        });
        let _until_it_is_heard = publishing;
        python.line_after("{'msg': 'Hi all!'}");
    });
    for stream in &streams {
        assert_eq!(parsed(&stream.line_after("data: ")), json!({"msg": "Hi all!"}));
    }
    let ask = block_of(PAGE, "## What a client asks for", "curl");
    let answer: Value = parsed(&shell.run(&format!("TOKEN={token}\n{ask}")));
    let stream =
        format!("curl -sN http://127.0.0.1:8080/events?ticket={}", answer["ticket"].as_str().unwrap());
    shell.start(&stream).line_after("id: ");
}
