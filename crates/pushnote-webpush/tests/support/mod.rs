//! A push service that behaves as the path of an endpoint says, over TLS (HTTP/2 and HTTP/1.1) with a CA of its own, or in plain.
//!
//! - `/ok/…`: 201, as services answer
//! - `/{status}/…`: that status; 429 and 503 with `Retry-After: 1`, 302 with a `Location` at this service
//! - `/once{status}/…`: that status to the first request of a path, 201 to the others
//! - `/slow/…`: no answer at all
//! - `/wait/…`: 201 after 100 ms
//! - `/endless/…`: 201, and a body that does not end
//! - `/trickle/…`: 201, and a body of a byte now and then
//! - `/headers/…`: 201, with more headers than anybody reads
//! - `/key/…`: 403, as FCM tells of another key

#![allow(dead_code, reason = "each test uses its part")]

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;

/// Requests that are remembered with all that came in them: the first.
const RECEIVED_MAX: usize = 1000;

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    /// How often each path was asked.
    asked: HashMap<String, u32>,
    connections: usize,
    in_flight: usize,
    in_flight_max: usize,
    /// Paths with a request under way, and those that had two at once.
    under_way: HashSet<String>,
    overlapped: Vec<String>,
}

/// The service, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct MockService {
    pub(crate) address: SocketAddr,
    /// The certificate of its CA, as DER; `None` if it speaks plain HTTP.
    pub(crate) ca: Option<Vec<u8>>,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl MockService {
    /// By TLS, for `localhost`.
    pub(crate) async fn tls() -> Self {
        Self::start(true, &[b"h2", b"http/1.1"]).await
    }

    /// By TLS, without HTTP/2.
    pub(crate) async fn tls_http_1() -> Self {
        Self::start(true, &[b"http/1.1"]).await
    }

    pub(crate) async fn plain() -> Self {
        Self::start(false, &[]).await
    }

    async fn start(with_tls: bool, protocols: &[&[u8]]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (acceptor, ca) = if with_tls { acceptor(protocols) } else { (None, None) };
        let state = Arc::new(Mutex::new(State::default()));
        let task = tokio::spawn(accept(listener, acceptor, state.clone()));
        Self { address, ca, state, task }
    }

    /// An endpoint here: the path begins with what it does.
    pub(crate) fn endpoint(&self, path: &str) -> String {
        match self.ca {
            Some(_) => format!("https://localhost:{}{path}", self.address.port()),
            None => format!("http://127.0.0.1:{}{path}", self.address.port()),
        }
    }

    /// All that came so far, up to a number.
    pub(crate) fn received(&self) -> Vec<Received> {
        lock(&self.state).received.clone()
    }

    /// How often each path was asked.
    pub(crate) fn asked(&self) -> HashMap<String, u32> {
        lock(&self.state).asked.clone()
    }

    pub(crate) fn requests(&self) -> u32 {
        lock(&self.state).asked.values().sum()
    }

    pub(crate) fn connections(&self) -> usize {
        lock(&self.state).connections
    }

    /// The most requests that were here at once.
    pub(crate) fn in_flight_max(&self) -> usize {
        lock(&self.state).in_flight_max
    }

    /// Paths that were asked while a request for them was under way.
    pub(crate) fn overlapped(&self) -> Vec<String> {
        lock(&self.state).overlapped.clone()
    }
}

impl Drop for MockService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

fn acceptor(protocols: &[&[u8]]) -> (Option<TlsAcceptor>, Option<Vec<u8>>) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap().der().clone();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    (Some(TlsAcceptor::from(Arc::new(config))), Some(ca_certificate.to_vec()))
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        lock(&state).connections += 1;
        stream.set_nodelay(true).unwrap();
        let (acceptor, state) = (acceptor.clone(), state.clone());
        tokio::spawn(async move {
            match acceptor {
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, state).await;
                    }
                }
                None => serve(stream, state).await,
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<Mutex<State>>) {
    let service = service_fn(move |request| answer(request, state.clone()));
    // How a client goes is its own affair.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

type Body = BoxBody<Bytes, Infallible>;

/// A request that is here.
struct UnderWay {
    path: String,
    state: Arc<Mutex<State>>,
}

impl UnderWay {
    fn new(path: String, state: Arc<Mutex<State>>) -> Self {
        {
            let mut state = lock(&state);
            state.in_flight += 1;
            state.in_flight_max = state.in_flight_max.max(state.in_flight);
            if !state.under_way.insert(path.clone()) {
                state.overlapped.push(path.clone());
            }
        }
        Self { path, state }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.in_flight -= 1;
        state.under_way.remove(&self.path);
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().unwrap().as_str().to_owned();
    let _under_way = UnderWay::new(path.clone(), state.clone());
    let Ok(body) = body.collect().await else { return Ok(Response::new(full("broken off"))) };
    let times = {
        let mut state = lock(&state);
        let times = state.asked.entry(path.clone()).or_default();
        *times += 1;
        let times = *times;
        let (version, headers, body) = (head.version, head.headers, body.to_bytes());
        if state.received.len() < RECEIVED_MAX {
            state.received.push(Received { path: path.clone(), version, headers, body });
        }
        times
    };
    let behaviour = path.trim_start_matches('/').split(['/', '?']).next().unwrap();
    let once = behaviour.strip_prefix("once");
    Ok(match behaviour {
        _ if once.is_some() && times > 1 => status("201"),
        "slow" => std::future::pending().await,
        "wait" => {
            sleep(Duration::from_millis(100)).await;
            status("201")
        }
        "endless" => with_body(endless(Duration::ZERO, 1 << 16)),
        "trickle" => with_body(endless(Duration::from_millis(100), 1)),
        "headers" => with_headers(),
        "key" => {
            let words = "the VAPID credentials in the authorization header do not correspond to the credentials \
                used to create the subscriptions.";
            let mut response = Response::new(full(words));
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        }
        "ok" => status("201"),
        behaviour => status(once.unwrap_or(behaviour)),
    })
}

fn full(text: &str) -> Body {
    Full::new(Bytes::copy_from_slice(text.as_bytes())).boxed()
}

fn status(text: &str) -> Response<Body> {
    let status: StatusCode = text.parse().unwrap_or(StatusCode::IM_A_TEAPOT);
    let mut response = Response::new(full(&format!("{{\"status\":{text}}}")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    match status.as_u16() {
        201 => drop(headers.insert(LOCATION, "https://push.example/m/1".parse().unwrap())),
        302 => drop(headers.insert(LOCATION, "/ok/redirected".parse().unwrap())),
        429 | 503 => drop(headers.insert(RETRY_AFTER, "1".parse().unwrap())),
        _ => {}
    }
    response
}

fn with_body(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// A body that does not end: so many bytes, and again after a pause.
fn endless(pause: Duration, bytes: usize) -> Body {
    let frames = futures_util::stream::unfold((), move |()| async move {
        sleep(pause).await;
        tokio::task::yield_now().await;
        Some((Ok(Frame::data(Bytes::from(vec![b'x'; bytes]))), ()))
    });
    StreamBody::new(frames).boxed()
}

fn with_headers() -> Response<Body> {
    let mut response = status("201");
    for number in 0..400 {
        let name: HeaderName = format!("x-header-{number}").parse().unwrap();
        response.headers_mut().insert(name, "x".repeat(1000).parse().unwrap());
    }
    response
}
