//! The metrics over HTTP: `GET /metrics`, and `GET /health` for who asks only whether the process is there.

use super::Meter;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use pushnote_zmtp::{BindError, Endpoint};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::debug;

/// More than a few monitors ask at once is no monitoring. Further ones wait in the listener's queue.
const CONNECTIONS_MAX: usize = 16;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Who has not taken the answer by then does not keep the place from others.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// hyper asks for 8 KiB at least.
const HEADER_BYTES_MAX: usize = 8 << 10;
/// Out of file descriptors or memory: trying at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A server that is listening; [`Server::run`] makes it answer.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    address: SocketAddr,
    meter: Arc<Meter>,
}

impl Server {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`BindError`]: the port is in use, the address is not this machine's.
    pub fn bind(address: SocketAddr, meter: Meter) -> Result<Server, BindError> {
        let (listener, address) = listen(address).map_err(|source| {
            let (host, port) = (Some(address.ip().to_string()), address.port());
            BindError { endpoint: Endpoint::Tcp { host, port }, source }
        })?;
        Ok(Server { listener, address, meter: Arc::new(meter) })
    }

    /// Where it listens, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers for ever. Best in a runtime of its own: then who asks too often takes nothing from the relay.
    ///
    /// # Errors
    /// What the system says when it cannot begin.
    pub async fn run(self) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let meter = Arc::clone(&self.meter);
                    tokio::spawn(async move {
                        if timeout(CONNECTION_TIMEOUT, serve(stream, peer, meter)).await.is_err() {
                            debug!(%peer, "metrics: the connection took too long");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    debug!(%error, "metrics: cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<(std::net::TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves one request: a connection that is kept would only hold a place.
async fn serve(stream: TcpStream, peer: SocketAddr, meter: Arc<Meter>) {
    let service = service_fn(move |request| {
        let meter = Arc::clone(&meter);
        async move { Ok::<_, Infallible>(answer(&request, &meter)) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%peer, %error, "metrics: the connection ended early");
    }
}

fn answer(request: &Request<Incoming>, meter: &Meter) -> Response<String> {
    let plain = "text/plain; charset=utf-8";
    let (status, kind, body) = match (request.uri().path(), request.method()) {
        ("/metrics", &Method::GET | &Method::HEAD) => (StatusCode::OK, CONTENT_TYPE, meter.text()),
        ("/health", &Method::GET | &Method::HEAD) => (StatusCode::OK, plain, "ok\n".into()),
        ("/metrics" | "/health", _) => {
            (StatusCode::METHOD_NOT_ALLOWED, plain, "only GET and HEAD are answered here\n".into())
        }
        _ => (StatusCode::NOT_FOUND, plain, "there are /metrics and /health here\n".into()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}
