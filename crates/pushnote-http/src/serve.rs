//! The accept loop: what warp's own lacks — limits, a deadline for request heads, an end in bounded time.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{self, FutureExt, TryFutureExt};
use http::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use http::{StatusCode, Version};
use http_body_util::{BodyExt, Either};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use pushnote_core::Limits;
use pushnote_net::http::{ClientSide, Handovers, HttpStream};
use pushnote_net::{Admission, Listener, LogOnce, Peer, Permit, Stream};
use pushnote_sockjs::ConnectionGuard;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::api::Api;
use crate::api::plain::{self, Bounds};
use crate::front::{Body, Front};
use crate::request_check;

mod streams;

use streams::Streams;

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
    /// Takes plain requests that publish before anybody else sees them.
    pub(crate) publishes: Option<Arc<Api>>,
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
        places: Arc::new(Places { admission: Arc::clone(&admission), log: LogOnce::new() }),
        draining,
    };
    tokio::pin!(over);
    let outcome = loop {
        let stream = tokio::select! {
            outcome = &mut over => break outcome,
            stream = listener.accept() => stream,
        };
        let Some(peer) = stream.peer() else { continue };
        match connection.places.admit(peer) {
            Some(permit) => {
                tokio::spawn(connection.clone().serve(stream, peer, permit));
            }
            None => {
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

/// Places for connections, and for streams of HTTP/2, of which each may be another browser's.
struct Places {
    admission: Arc<Admission>,
    log: LogOnce,
}

impl Places {
    fn admit(&self, peer: Peer) -> Option<Arc<Permit>> {
        let refused = match self.admission.admit(peer.ip()) {
            Ok(permit) => return Some(permit),
            Err(refused) => refused,
        };
        let kind = refused.kind();
        if let Some(unlogged) = self.log.due(kind) {
            tracing::warn!(kind, why = %refused, unlogged, "connection refused; more of this kind in the next minute are not logged");
        }
        None
    }
}

#[derive(Clone)]
struct HttpConnection {
    site: Site,
    header_bytes_max: usize,
    header_timeout: Duration,
    keep_alive: Duration,
    write_timeout: Duration,
    places: Arc<Places>,
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

    async fn serve(mut self, mut stream: Stream, peer: Peer, permit: Arc<Permit>) {
        stream.set_nodelay();
        // A client that takes nothing of what is sent to it is gone after that time, WebSocket or not.
        stream.set_write_timeout(self.write_timeout);
        if let Some(read) = self.serve_plain(&mut stream).await {
            self.serve_all(read, stream, peer, permit).await;
        }
    }

    /// Serves plain requests that publish, where there are any; gives what was read of the first that is another.
    async fn serve_plain(&mut self, stream: &mut Stream) -> Option<Bytes> {
        let Some(api) = &self.site.publishes else { return Some(Bytes::new()) };
        let bounds =
            Bounds { head_bytes: self.header_bytes_max, request: self.header_timeout, idle: self.keep_alive };
        plain::serve(api, stream, bounds, &mut self.draining).await
    }

    /// Serves whatever is asked, from what was `read` on.
    async fn serve_all(mut self, read: Bytes, stream: Stream, peer: Peer, permit: Arc<Permit>) {
        let builder = self.builder();
        let Site { fronts, routes, .. } = self.site;
        let routes = TowerToHyperService::new(warp::service(routes));
        let asked = Arc::new(Notify::new());
        let first_head = Arc::clone(&asked);
        let stream = HttpStream::behind(read, stream);
        let (handovers, client, streams) = (stream.handovers(), stream.client_side(), Streams::default());
        let requests = Requests {
            peer,
            permit,
            places: self.places,
            handovers: handovers.clone(),
            client: client.clone(),
            streams: streams.clone(),
        };
        let service = hyper::service::service_fn(move |mut request: http::Request<_>| {
            asked.notify_one();
            let (ends, refusal) = requests.prepare(&mut request);
            // One future or the other, and not one around both: each connection has room for it.
            if let Some(refusal) = refusal {
                return future::Either::Left(future::Either::Left(ready(Ok::<_, Infallible>(
                    ends.by_routes(refusal),
                ))));
            }
            match fronts.iter().find(|front| front.takes(request.uri().path())) {
                Some(front) => {
                    let answering = Arc::clone(front).respond(request);
                    future::Either::Left(future::Either::Right(
                        answering.map(move |answer| Ok(ends.by_front(answer))),
                    ))
                }
                None => {
                    let answering = hyper::service::Service::call(&routes, request);
                    future::Either::Right(answering.map_ok(move |answer| ends.by_routes(answer)))
                }
            }
        });
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        let over = streams.watch(self.write_timeout, self.keep_alive);
        tokio::pin!(connection, over);
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
                tokio::select! {
                    served = &mut connection => served,
                    () = deaf(&client) => Ok(()),
                    () = &mut over => Ok(()),
                }
            }
            () = silent => Ok(()),
            () = &mut over => {
                connection.as_mut().graceful_shutdown();
                timeout(LAST_ANSWER, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = served
            && !handovers.taken_over()
        {
            tracing::debug!(%peer, %error, "connection ended early");
        }
    }
}

/// Ends when a client takes nothing of its last answer.
async fn deaf(client: &ClientSide) {
    while client.deaf_for() < LAST_ANSWER {
        sleep(LAST_ANSWER).await;
    }
}

/// What a stream is answered for which there is no place.
fn no_place() -> Response {
    let mut response =
        Response::new("there are as many connections as there may be: try again in some seconds\n".into());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Of one connection: what its requests are told of it.
struct Requests {
    peer: Peer,
    permit: Arc<Permit>,
    places: Arc<Places>,
    handovers: Handovers,
    client: ClientSide,
    streams: Streams,
}

impl Requests {
    /// What ends with the request's answer; and the answer, if it is a refusal.
    fn prepare<B>(&self, request: &mut http::Request<B>) -> (Ends, Option<Response>) {
        let mut ends = Ends { closes: request_check::closes(request), stream: None };
        let (mut refusal, version) = (request_check::refusal(request), request.version());
        let mut place = Arc::clone(&self.permit);
        let extensions = request.extensions_mut();
        // Where the SockJS filter looks for the client's address.
        extensions.insert(self.peer);
        if version == Version::HTTP_2 {
            match self.places.admit(self.peer) {
                Some(permit) => {
                    ends.stream = Some(self.streams.begin(Arc::clone(&permit)));
                    place = permit;
                }
                None => refusal = Some(no_place()),
            }
        } else {
            // What goes on for ever leaves hyper by this; not a stream of HTTP/2, which shares its connection.
            extensions.insert(self.handovers.offer(version == Version::HTTP_11));
            extensions.insert(self.client.clone());
        }
        // A WebSocket outlives this task, and so does a stream; it keeps its place as long as it lives.
        extensions.insert(ConnectionGuard::new(place));
        (ends, refusal)
    }
}

/// What ends with an answer.
struct Ends {
    /// The connection.
    closes: bool,
    /// Its stream, of HTTP/2.
    stream: Option<streams::Stream>,
}

/// An answer to hyper.
type Answer<B> = http::Response<Either<B, Body>>;

impl Ends {
    /// Of a front.
    fn by_front<B>(self, mut answer: http::Response<Body>) -> Answer<B> {
        if self.closes {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(|body| match self.stream {
            Some(stream) => Either::Right(stream.answer(body).boxed_unsync()),
            None => Either::Right(body),
        })
    }

    /// Of all else.
    fn by_routes<B>(self, mut answer: http::Response<B>) -> Answer<B>
    where
        B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static,
    {
        if self.stream.is_some() {
            return self.by_front(answer.map(|body| body.map_err(io::Error::other).boxed_unsync()));
        }
        if self.closes {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer.map(Either::Left)
    }
}

#[cfg(test)]
mod tests;
