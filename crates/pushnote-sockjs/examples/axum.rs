//! An echo beside a page of axum's.
//!
//! `cargo run --example axum`, and in the page: `new SockJS("http://localhost:8081/echo")`.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    routing::get,
    serve::ListenerExt,
};
use pushnote_sockjs::{Message, Peer, Session, SessionInfo, SockJs};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> io::Result<()> {
    serve(TcpListener::bind("127.0.0.1:8081").await?).await
}

pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    let echo = SockJs::builder().build(|session: &Session, _: &SessionInfo| {
        let session = session.clone();
        Ok(move |text: &str| {
            let _ = session.send(&Message::text(text));
        })
    });
    let mount = echo.mount("/echo");
    // What no route has is the service's, which finds nothing beyond its prefix.
    let sockjs = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request| {
        request.extensions_mut().insert(Peer::Tcp(peer));
        let answer = mount.answer(request);
        async { answer.await.map(Body::new) }
    };
    let app = Router::new().route("/", get(async || "a page\n")).fallback(sockjs);
    let listener = listener.tap_io(|stream| {
        // Fails on a stream that is broken already.
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
}
