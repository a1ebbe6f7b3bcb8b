//! The metrics over HTTP: `GET /metrics`, and `GET /health` for who asks only whether the process is there, and stays.

use super::{Measured, Meter, ProcessCounters};
use crate::{Newcomers, Peer, Stream, advice};
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use std::any::Any;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout;
use tracing::debug;

/// More than a few monitors ask at once is no monitoring.
const CONNECTIONS_MAX: usize = 16;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Who has not taken the answer by then does not keep the place from others.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// hyper asks for 8 KiB at least.
const HEADER_BYTES_MAX: usize = 8 << 10;

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {}", advice(source, Some(address.port())))]
pub struct BindError {
    /// The address asked for.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Listens already; [`Listener::serve`] makes it answer.
#[derive(Debug)]
pub struct Listener {
    listener: std::net::TcpListener,
    address: SocketAddr,
    process: ProcessCounters,
}

impl Listener {
    /// Listens on `address`; port 0 takes a free one. What `process` counts is told besides.
    ///
    /// # Errors
    /// [`BindError`]: the port is in use, the address is not this machine's.
    pub fn bind(address: SocketAddr, process: ProcessCounters) -> Result<Self, BindError> {
        let listen = || {
            let listener = std::net::TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = listen().map_err(|source| BindError { address, source })?;
        Ok(Listener { listener, address, process })
    }

    /// Where it listens, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, on a thread of its own: then who asks too often takes nothing from what is measured.
    /// `/health` says 503 once `draining` is true.
    ///
    /// # Errors
    /// What the system says when it cannot begin.
    pub fn serve(self, measured: impl Measured, draining: Arc<AtomicBool>) -> io::Result<Serving> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(self.listener)?.into()
        };
        let answers = Arc::new(Answers { meter: Meter::new(measured, self.process), draining });
        Serving::start(move || runtime.block_on(serve(listener, answers)))
    }
}

/// A thread that answers until the process ends; by default there is none.
#[derive(Debug, Default)]
pub struct Serving(Option<mpsc::Receiver<Box<dyn Any + Send>>>);

impl Serving {
    fn start(answer: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (crash, crashed) = mpsc::channel(1);
        thread::Builder::new().name("metrics".into()).spawn(move || {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(answer)) {
                // Nobody asks any more when the owner has ended.
                let _ = crash.try_send(panic);
            }
        })?;
        Ok(Serving(Some(crashed)))
    }

    /// Ends only by a panic: that of the thread, which is its owner's, too. A process that nobody can watch any more
    /// is not to live on in silence. Cancel-safe.
    ///
    /// # Panics
    /// When the thread did.
    pub async fn failed(&mut self) -> Infallible {
        if let Some(crashed) = &mut self.0
            && let Some(panic) = crashed.recv().await
        {
            resume_unwind(panic);
        }
        pending().await
    }
}

/// What is answered.
struct Answers {
    meter: Meter,
    draining: Arc<AtomicBool>,
}

async fn serve(listener: crate::Listener, answers: Arc<Answers>) {
    let mut newcomers = Newcomers::new(CONNECTIONS_MAX);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = listener.accept().await;
        let Some(peer) = stream.peer() else { continue };
        let displaced = newcomers.begin();
        // The semaphore is never closed. Whoever is displaced gives its place back at once.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            let asked = Arc::new(Notify::new());
            let answering =
                timeout(CONNECTION_TIMEOUT, answer_one(stream, peer, answers, Arc::clone(&asked)));
            let in_the_way = async {
                tokio::select! {
                    _ = displaced => {}
                    () = asked.notified() => pending().await,
                }
            };
            tokio::select! {
                answered = answering => {
                    if answered.is_err() {
                        debug!(%peer, "metrics: the connection took too long");
                    }
                }
                () = in_the_way => debug!(%peer, "metrics: others needed the place of the silent connection"),
            }
            drop(place);
        });
    }
}

/// Serves one request: a connection that is kept would only hold a place.
async fn answer_one(stream: Stream, peer: Peer, answers: Arc<Answers>, asked: Arc<Notify>) {
    let service = service_fn(move |request| {
        asked.notify_one();
        let answers = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(answers.answer(&request)) }
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

impl Answers {
    fn answer(&self, request: &Request<Incoming>) -> Response<String> {
        let plain = "text/plain; charset=utf-8";
        let (status, kind, body) = match (request.uri().path(), request.method()) {
            ("/metrics", &Method::GET | &Method::HEAD) => (StatusCode::OK, CONTENT_TYPE, self.meter.text()),
            ("/health", &Method::GET | &Method::HEAD) if self.draining.load(Relaxed) => {
                (StatusCode::SERVICE_UNAVAILABLE, plain, "draining\n".into())
            }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crashed_thread_ends_its_owner() {
        let mut serving = Serving::start(|| panic!("a fault of ours")).unwrap();
        let owner = tokio::spawn(async move {
            serving.failed().await;
        });
        assert!(owner.await.unwrap_err().is_panic());
    }
}
