//! The accept loop: what warp's own lacks — limits, a deadline for request heads, an end in bounded time.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, FutureExt, TryFutureExt};
use http::Version;
use http::header::{CONNECTION, HeaderValue};
use http_body_util::Either as Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use pushnote_core::Limits;
use pushnote_net::http::HttpStream;
use pushnote_net::{Admission, Listener, LogOnce, Peer, Permit, Stream};
use pushnote_sockjs::ConnectionGuard;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::front::Front;
use crate::request_check;

/// When the server stops: how long a client may take nothing of its last answer.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// How often a connection of HTTP/2 is asked whether its peer is there.
const PING_INTERVAL: Duration = Duration::from_secs(25);

/// Requests at one time on a connection of HTTP/2: a proxy's may be those of many browsers.
const STREAMS_MAX: u32 = 256;

/// What a client gets instead of a hang-up when there is no place for it.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What is served at a listener.
#[derive(Clone)]
pub(crate) struct Site {
    /// Each is asked whether a path is its own, in this order.
    pub(crate) fronts: Arc<[Arc<dyn Front>]>,
    /// All else.
    pub(crate) routes: BoxedFilter<(Response,)>,
}

/// Accepts and serves connections until `over`, then returns what is needed to wait for their end, and
/// what came of it.
pub(crate) async fn accept_until<T>(
    listener: Listener,
    site: Site,
    limits: &Limits,
    admission: Arc<Admission>,
    over: impl Future<Output = T>,
) -> (OpenConnections, T) {
    let (drain, draining) = watch::channel(());
    let connection = HttpConnection {
        site,
        header_bytes_max: limits.header_bytes_max,
        header_timeout: Duration::from_secs(limits.handshake_timeout_s),
        keep_alive: Duration::from_secs(limits.keep_alive_s),
        write_timeout: Duration::from_secs(limits.write_timeout_s),
        draining,
    };
    let log = LogOnce::new();
    tokio::pin!(over);
    let outcome = loop {
        let stream = tokio::select! {
            outcome = &mut over => break outcome,
            stream = listener.accept() => stream,
        };
        let Some(peer) = stream.peer() else { continue };
        match admission.admit(peer.ip()) {
            Ok(permit) => {
                tokio::spawn(connection.clone().serve(stream, peer, permit));
            }
            Err(refused) => {
                let kind = refused.kind();
                if let Some(unlogged) = log.due(kind) {
                    tracing::warn!(kind, why = %refused, unlogged, "connection refused; more of this kind in the next minute are not logged");
                }
                // The kernel takes these few bytes on a fresh socket, or the client just sees the end.
                let _ = stream.try_write(NO_PLACE);
            }
        }
    };
    (OpenConnections { admission, drain: Some(drain) }, outcome)
}

/// Connections that outlive the listener.
pub(crate) struct OpenConnections {
    admission: Arc<Admission>,
    drain: Option<watch::Sender<()>>,
}

impl OpenConnections {
    /// Lets every connection take no more requests after the one it is in.
    pub(crate) fn begin_drain(&mut self) {
        self.drain = None;
    }

    /// Waits until all connections are gone or `deadline` is over; returns how many are left.
    pub(crate) async fn drained(self, deadline: Duration) -> usize {
        // Running out of time is an answer, too: the count below.
        let _ = timeout(deadline, self.admission.emptied()).await;
        self.admission.open()
    }
}

#[derive(Clone)]
struct HttpConnection {
    site: Site,
    header_bytes_max: usize,
    header_timeout: Duration,
    keep_alive: Duration,
    write_timeout: Duration,
    draining: watch::Receiver<()>,
}

impl HttpConnection {
    /// HTTP/1 for browsers and most proxies; HTTP/2, by its preface, for proxies that speak it.
    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            // For hyper, the time between two requests is part of reading the second one's head.
            .header_read_timeout(self.keep_alive)
            .max_buf_size(self.header_bytes_max);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(self.header_bytes_max).unwrap_or(u32::MAX));
        builder
    }

    async fn serve(mut self, stream: Stream, peer: Peer, permit: Arc<Permit>) {
        stream.set_nodelay();
        // A client that takes nothing of what is sent to it is gone after that time, WebSocket or not.
        stream.set_write_timeout(self.write_timeout);
        let builder = self.builder();
        let Site { fronts, routes } = self.site;
        let routes = TowerToHyperService::new(warp::service(routes));
        let asked = Arc::new(Notify::new());
        let first_head = Arc::clone(&asked);
        let stream = HttpStream::new(stream);
        let (handovers, offers) = (stream.handovers(), stream.handovers());
        let (client, of_request) = (stream.client_side(), stream.client_side());
        let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
            asked.notify_one();
            let refusal = request_check::refusal(&request);
            // Where the SockJS filter looks for the client's address.
            request.extensions_mut().insert(peer);
            // What goes on for ever leaves hyper by this; not a stream of HTTP/2, which shares its connection.
            if request.version() != Version::HTTP_2 {
                let handover = offers.offer(request.version() == Version::HTTP_11);
                request.extensions_mut().insert(handover);
                request.extensions_mut().insert(of_request.clone());
            }
            let closes = request_check::closes(&request);
            // A WebSocket outlives this task, and so does a stream; it keeps its place as long as it lives.
            request.extensions_mut().insert(ConnectionGuard::new(Arc::clone(&permit)));
            // One future or the other, and not one around both: each connection has room for it.
            if let Some(refusal) = refusal {
                return Either::Left(Either::Left(ready(Ok::<_, Infallible>(refusal.map(Body::Left)))));
            }
            match fronts.iter().find(|front| front.takes(request.uri().path())) {
                Some(front) => {
                    let answering = Arc::clone(front).respond(request);
                    Either::Left(Either::Right(
                        answering.map(move |answer| Ok(last(answer, closes).map(Body::Right))),
                    ))
                }
                None => {
                    let answering = hyper::service::Service::call(&routes, request);
                    Either::Right(answering.map_ok(move |answer| last(answer, closes).map(Body::Left)))
                }
            }
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let silent = async {
            if timeout(self.header_timeout, first_head.notified()).await.is_ok() {
                pending::<()>().await;
            }
        };
        let served = tokio::select! {
            served = &mut connection => served,
            // The sender is dropped, never used: changed() ends with an error when the drain begins.
            _ = self.draining.changed() => {
                connection.as_mut().graceful_shutdown();
                // An answer may take as long as the server has to end.
                loop {
                    match timeout(LAST_ANSWER, connection.as_mut()).await {
                        Ok(served) => break served,
                        Err(_) if client.deaf_for() >= LAST_ANSWER => break Ok(()),
                        Err(_) => {}
                    }
                }
            }
            () = silent => Ok(()),
        };
        if let Err(error) = served
            && !handovers.taken_over()
        {
            tracing::debug!(%peer, %error, "connection ended early");
        }
    }
}

/// The answer; with `closes`, the last one of its connection.
fn last<B>(mut answer: http::Response<B>, closes: bool) -> http::Response<B> {
    if closes {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

#[cfg(test)]
mod tests;
