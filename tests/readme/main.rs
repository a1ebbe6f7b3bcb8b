//! The README's blocks, run as they are printed, on the ports that they name.

mod blocks;
mod flask_sse;
mod guarantees;
mod lightpush;
mod long_poll;
mod relay;
mod rust;
mod shell;
mod sse;
mod web_push;

use std::time::Duration;

use pushnote_tests::{Browser, Page, SECRET};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use blocks::{block, block_of};
use shell::Shell;

/// The blocks name ports, so only one of these tests runs at a time.
static PORTS: Mutex<()> = Mutex::const_new(());

const HI_ALL: &str = r#"{"msg":"Hi all!"}"#;

async fn browser(port: u16) -> Browser {
    Browser::open(&format!("ws://127.0.0.1:{port}/sockjs/websocket")).await
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}

/// The set-up's processes: the forwarder and two servers, which it has as subscribers.
fn set_up(shell: &Shell) -> Vec<pushnote_tests::Process> {
    let lines = block("## The real set-up", "pushnote-mq --sub");
    let processes: Vec<_> = lines.lines().map(|line| shell.start(line)).collect();
    assert_eq!(processes.len(), 3);
    processes[0].line_after("pub listening on");
    for server in &processes[1..] {
        server.line_after("listening on http://");
    }
    // As long as nobody is there, it fails.
    let ask = "pushnote publish --ack=tcp://127.0.0.1:8003 '\"is everybody there?\"' || true";
    while !shell.run(ask).contains("taken by 2 of 2") {}
    processes
}

#[tokio::test]
async fn the_first_two_commands_bring_a_message_to_a_page() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let dev = shell.start(&block("## Try it", "cargo run"));
    dev.line_after("listening on http://");
    let mut page = browser(8080).await;
    shell.run(&block("## Try it", "target/release/pushnote publish"));
    assert_eq!(page.next().await, parsed(HI_ALL));
    let curl = dev.line_after("or        ");
    shell.run(&curl);
    assert_eq!(page.next().await, parsed(HI_ALL));

    // A page of another local server imports the script; what has a token in it is for this one's own.
    let head = |path: &str| shell.run(&format!("curl -sI http://127.0.0.1:8080/{path}")).to_lowercase();
    assert!(head("pushnote.mjs").contains("access-control-allow-origin: *"));
    assert!(head("dev.json").contains("200 ok") && !head("dev.json").contains("access-control"));

    dev.line_after("channels for all         public.news");
    let mut page = Page::open("127.0.0.1:8080").await;
    page.say(r#"{"name":"subscribe","data":{"id":2,"channel":"public.news"}}"#).await;
    assert_eq!(page.next().await["type"], "subscribed");
    shell.run("pushnote publish --channel public.news '\"for readers\"'");
    assert_eq!(page.next().await["messages"][0], json!({"channel": "public.news", "data": "for readers"}));
}

#[test]
fn what_cargo_is_to_install_is_there() {
    let lines = block("## The real set-up", "cargo install");
    assert_eq!(lines.lines().count(), 3);
    Shell::new().run(&format!("set -e\n{lines}"));
}

#[test]
fn a_file_of_settings_is_made_and_checked() {
    let shell = Shell::new();
    let said = shell.run(&block("## The real set-up", "pushnote config --default"));
    assert!(said.contains("pushnote.toml: sound"), "{said}");
}

#[tokio::test]
async fn each_way_to_publish_reaches_the_pages_of_both_servers() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    shell.run(&block("## The real set-up", "openssl rand"));
    let _processes = set_up(&shell);
    let token = shell.run("PUSHNOTE_SECRET=$(cat secret) pushnote token 42");
    let mut pages = [browser(8080).await, browser(8081).await];
    for page in &mut pages {
        page.subscribe(token.trim()).await;
    }
    // A subscription is in force before what the same connection's server accepts later: it says so by delivering.
    let (everyone, mine) = (parsed(HI_ALL), json!({"msg": "Hi"}));
    while {
        shell.run("pushnote publish --user 42 '\"subscribed?\"'; pushnote publish '\"end\"'");
        let mut subscribed = true;
        for page in &mut pages {
            let mut seen = Vec::new();
            while seen.last() != Some(&json!("end")) {
                seen.push(page.next().await);
            }
            subscribed &= seen.len() == 2;
        }
        !subscribed
    } {}

    let answer = shell.python(&block("## Publishing", "zmq.REQ"));
    assert!(answer.contains("'servers': 2, 'of': 2"), "{answer}");
    expect(&mut pages, &[&everyone]).await;
    shell.python(&block("## Publishing", "zmq.XPUB"));
    expect(&mut pages, &[&everyone, &mine]).await;
    shell.run(&block("## Publishing", "pushnote publish --user 42"));
    expect(&mut pages, &[&mine]).await;
    // What is built from this example is the block to the letter: the test below.
    let environment = block("## Publishing", "export PUSHNOTE_MQ_SOCKET");
    shell.run(&format!("{environment}readme-publish"));
    expect(&mut pages, &[&everyone, &mine, &mine]).await;
}

async fn expect(pages: &mut [Browser], messages: &[&Value]) {
    for page in pages {
        for &message in messages {
            assert_eq!(&page.next().await, message);
        }
    }
}

#[tokio::test]
async fn the_api_s_page_publishes_as_it_is_printed() {
    const PAGE: &str = include_str!("../../docs/api.md");
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    let lines = block_of(PAGE, "# The API for applications", "keygen --api");
    let (made, server) = lines.trim_end().rsplit_once('\n').expect("several lines");
    shell.run(made);
    let server = shell.start(server);
    server.line_after("api listening on http://");
    let mut page = browser(8080).await;
    let receipt = parsed(&shell.run(&block_of(PAGE, "## Publish", "everyone\":true,\"data\"")));
    let printed = parsed(&block_of(PAGE, "## Publish", "\"offset\":0"));
    assert_eq!((&receipt["offset"], &receipt["connections"]), (&printed["offset"], &printed["connections"]));
    assert_eq!(page.next().await, parsed(HI_ALL));
    let receipts = parsed(&shell.run(&block_of(PAGE, "## Publish", "order-7")));
    assert_eq!(receipts[1]["id"], "order-7");
    let token = shell.run("pushnote token 42 --secret-file=secret");
    page.subscribe(token.trim()).await;
    while parsed(&shell.run(&block_of(PAGE, "## Users who are to be gone", "/v1/revoke")))
        == json!({"connections": 0})
    {}
    assert_eq!(page.close_code().await, Some(3502));
    let channel = parsed(&shell.run(&block_of(PAGE, "## See what is there", "/v1/channels")));
    assert_eq!(channel["messages"], json!([{"channel": "news", "event": "rain", "data": "for readers"}]));
}

#[test]
fn a_json_web_token_is_made_and_looked_into() {
    const PAGE: &str = include_str!("../../docs/tokens.md");
    let shell = Shell::new();
    shell.run(&block("## The real set-up", "openssl rand"));
    let token = shell.python(&block_of(PAGE, "## JSON Web Tokens", "jwt.encode"));
    let check = block_of(PAGE, "## What is wrong with a token", "--check");
    let said = shell.run(&format!("TOKEN={}\n{check}", token.trim()));
    let printed = block_of(PAGE, "## What is wrong with a token", "good for");
    // It may have grown older by some seconds.
    assert_eq!(said.split_once(" s: ").unwrap().1, printed.split_once(" s: ").unwrap().1, "{said}");
    assert!(said.starts_with("good for another 3"), "{said}");
}

#[test]
fn the_rust_example_is_the_block() {
    let example = include_str!("../examples/readme-publish.rs");
    let (_, code) = example.split_once("\n\n").expect("a comment, then the block");
    assert_eq!(code, block("## Publishing", "pushnote::notify_all"));
}

#[test]
fn the_readme_names_each_page() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("a file");
    for page in root.join("docs").read_dir().expect("a folder") {
        let page = page.expect("an entry").file_name();
        let page = page.to_str().expect("a name");
        let is_page = page.ends_with(".md") && page != "SUMMARY.md"; // that is the book's
        assert!(!is_page || readme.contains(&format!("(docs/{page})")), "{page}");
    }
}

#[test]
fn each_crate_says_what_it_is_and_brings_its_licence() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{path:?}"));
    let licence = read(&root.join("LICENSE"));
    let rust = format!("Rust {} or newer. MIT or Apache-2.0", env!("CARGO_PKG_RUST_VERSION"));
    for folder in ["crates", "bin"] {
        for member in root.join(folder).read_dir().expect("a folder") {
            let member = member.expect("an entry").path();
            assert_eq!(read(&member.join("LICENSE")), licence, "{member:?}");
            let (readme, manifest) = (read(&member.join("README.md")), read(&member.join("Cargo.toml")));
            for key in ["description", "readme", "keywords", "categories", "documentation"] {
                assert!(manifest.contains(&format!("\n{key} = ")), "{member:?}: {key}");
            }
            let is_part = readme.contains("\nA part of [pushnote]");
            let has_example = readme.contains("```rust") || readme.contains("```sh");
            assert!(readme.contains(&rust), "{member:?}");
            assert!(has_example || is_part && readme.contains("no promise of stability"), "{member:?}");
        }
    }
}

#[tokio::test]
async fn one_server_needs_no_forwarder() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    std::fs::write(shell.folder().join("secret"), SECRET).expect("a file");
    let single = shell.start(&block("## The real set-up", "pushnote-server --single"));
    single.line_after("listening on http://");
    let mut page = browser(8080).await;
    shell.run("pushnote publish '{\"msg\":\"Hi all!\"}'");
    assert_eq!(page.next().await, parsed(HI_ALL));
}

async fn hears_hi_all(page: &mut Browser) -> bool {
    let heard = page.next_within(Duration::from_millis(200)).await;
    matches!(heard, Some(Ok(message)) if message == parsed(HI_ALL))
}

#[tokio::test]
async fn keys_on_every_connection() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    shell.run(&block("## The real set-up", "openssl rand"));
    shell.run(&block("## Across machines", "--secret-file shop.key"));
    let lines = block("## Across machines", "--curve-clients=clients").replace("\\\n", " ");
    let mut lines = lines.lines();
    let forwarder = shell.start(lines.next().expect("the forwarder's line"));
    forwarder.line_after("pub listening on");
    let server = shell.start(lines.next().expect("the server's line"));
    server.line_after("listening on http://");
    let mut page = browser(8080).await;
    // A server subscribes in its own time.
    while {
        shell.run(&block("## Across machines", "export PUSHNOTE_CURVE"));
        !hears_hi_all(&mut page).await
    } {}
}
