//! docs/lightpush.md, as it is printed.

use futures_util::StreamExt;
use pushnote_tests::PATIENCE;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::PORTS;
use crate::blocks::block_of;
use crate::shell::Shell;

const PAGE: &str = include_str!("../../docs/lightpush.md");

async fn hears(page: &mut WebSocketStream<MaybeTlsStream<TcpStream>>, text: &str) {
    loop {
        let message = tokio::time::timeout(PATIENCE, page.next()).await.expect("a message");
        if let Message::Text(heard) = message.expect("an open page").expect("an open page") {
            return assert_eq!(heard.as_str(), text);
        }
    }
}

#[tokio::test]
async fn lightpush_publishers_reach_its_pages() {
    let _ports = PORTS.lock().await;
    let shell = Shell::new();
    shell.run(&block_of(PAGE, "## Starting it", "openssl"));
    let server = shell.start(&block_of(PAGE, "## Starting it", "pushnote-server"));
    server.line_after("lightpush listening on");
    let (mut page, _) = connect_async("ws://127.0.0.1:8086").await.expect("a page");
    let (mut football, _) = connect_async("ws://127.0.0.1:8086/football").await.expect("a page");
    for part in ["refresh' -X", "kick-off"] {
        let answer = shell.run(&block_of(PAGE, "## Publishing", part));
        assert!(answer.contains("202 Accepted") && answer.ends_with(r#"{"message":"accepted"}"#), "{answer}");
    }
    hears(&mut page, "refresh").await;
    hears(&mut football, "refresh").await;
    hears(&mut football, "kick-off").await;
    shell.python(&block_of(PAGE, "## Publishing", "requests.post"));
    hears(&mut page, "refresh").await;
}
