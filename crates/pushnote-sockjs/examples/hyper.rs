//! An echo over plain hyper.
//!
//! `cargo run --example hyper`, and in the page: `new SockJS("http://localhost:8081/echo")`.

use std::{convert::Infallible, io};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
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
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let mount = mount.clone();
        let service = service_fn(move |mut request| {
            request.extensions_mut().insert(Peer::Tcp(peer));
            let answer = mount.answer(request);
            async { Ok::<_, Infallible>(answer.await) }
        });
        tokio::spawn(async move {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.with_upgrades().await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}
