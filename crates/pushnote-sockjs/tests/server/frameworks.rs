//! The examples: a session over each server that they show.

use std::{future::Future, io};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio_tungstenite::{connect_async, tungstenite::Message as Frame};

use crate::support::{Client, soon};

#[expect(dead_code, reason = "main is the example's own")]
#[path = "../../examples/axum.rs"]
mod on_axum;
#[expect(dead_code, reason = "main is the example's own")]
#[path = "../../examples/hyper.rs"]
mod on_hyper;

#[tokio::test]
async fn hyper() {
    session_over(on_hyper::serve).await;
}

#[tokio::test]
async fn axum() {
    session_over(on_axum::serve).await;
}

async fn session_over<F>(serve: impl FnOnce(TcpListener) -> F)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener));
    let mut client = Client::connect(addr).await;

    let info = client.request("GET", "/echo/info", "", "").await;
    assert_eq!((info.status, info.header("content-type")), (200, "application/json; charset=UTF-8"));
    assert!(info.body.contains("\"websocket\":true"), "{}", info.body);
    assert_eq!(client.request("GET", "/echoes", "", "").await.status, 404);

    assert_eq!(client.request("POST", "/echo/0/id/xhr", "", "").await.body, "o\n");
    assert_eq!(client.request("POST", "/echo/0/id/xhr_send", "", "[\"polled\"]").await.status, 204);
    assert_eq!(client.request("POST", "/echo/0/id/xhr", "", "").await.body, "a[\"polled\"]\n");

    let head = client.open("POST", "/echo/0/other/xhr_streaming").await;
    assert_eq!((head.status, head.header("transfer-encoding")), (200, "chunked"));
    assert_eq!((client.next().await.len(), client.next().await.as_str()), (2049, "o\n"));

    for (path, sent, echoed) in
        [("/echo/0/id/websocket", "[\"framed\"]", "a[\"framed\"]"), ("/echo/websocket", "raw", "raw")]
    {
        let url = format!("ws://{addr}{path}");
        let (mut socket, _) = soon("connecting", connect_async(url)).await.unwrap();
        if path.contains("id") {
            assert_eq!(soon("the opening", socket.next()).await.unwrap().unwrap(), Frame::text("o"));
        }
        socket.send(Frame::text(sent)).await.unwrap();
        assert_eq!(soon("the echo", socket.next()).await.unwrap().unwrap(), Frame::text(echoed));
    }
    serving.abort();
}
