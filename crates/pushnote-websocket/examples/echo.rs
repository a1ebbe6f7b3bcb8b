//! Sends every message back, behind a bare hyper server. For conformance suites and measurements:
//! `cargo run --release --example echo -- 127.0.0.1:9001`.

use std::convert::Infallible;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use pushnote_websocket::{Event, HyperIo, Socket, SocketError, SocketOptions, encode, handshake, take_over};
use tokio::net::TcpListener;

/// The longest message of the conformance suites is 16 MiB.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    let listener = TcpListener::bind(&address).await?;
    println!("echo on ws://{}", listener.local_addr()?);
    let options = Arc::new(SocketOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        outbox_bytes_max: 4 * MESSAGE_BYTES_MAX,
        ..SocketOptions::default()
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let options = Arc::clone(&options);
        let service = service_fn(move |request| {
            let response = answer(request, &options);
            async move { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
    }
}

fn answer(mut request: Request<Incoming>, options: &Arc<SocketOptions>) -> Response<String> {
    match handshake::check(request.method(), request.version(), request.headers()) {
        Ok(accept) => {
            tokio::spawn(echo(hyper::upgrade::on(&mut request), Arc::clone(options)));
            accept.response().map(|()| String::new())
        }
        Err(error) => error.response(),
    }
}

async fn echo(upgrade: OnUpgrade, options: Arc<SocketOptions>) {
    let Ok((stream, read_ahead)) = take_over(upgrade, &HyperIo::default()).await else { return };
    let (socket, driver) = Socket::new(stream, read_ahead, options);
    let on_event = |event: Event<'_>| {
        let frame = match event {
            Event::Text(text) => encode::text(text),
            Event::Binary(bytes) => encode::binary(bytes),
            Event::Room => return ControlFlow::Continue(()),
        };
        if socket.send(&frame) == Err(SocketError::Full) {
            // It would miss this one without knowing.
            socket.abort(3008, "messages came faster than you read them");
        }
        ControlFlow::Continue(())
    };
    driver.run(on_event).await;
}
