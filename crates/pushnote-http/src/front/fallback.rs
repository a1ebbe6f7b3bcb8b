//! The application behind: it gets all requests that are for nothing else here, WebSockets among them.
//!
//! By hyper-util's client, which hyper's authors keep: the crates that call themselves reverse proxies are a few hundred lines
//! around it, and either buffer bodies or leave WebSockets out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use pushnote_net::http::{ClientSide, Owed};
use pushnote_net::{LogOnce, Peer};
use pushnote_sockjs::ConnectionGuard;
use tokio::io::copy_bidirectional;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::paths::HEALTH;
use super::timed::{Timed, has_paused};
use super::upstream::{
    Upstream, as_http_1, asks_for_websocket, has_option, is_forwarding, overdue, strip_hop_by_hop, upstream,
    watched,
};
use super::{Answering, Body, Front, plain, whole};
use crate::context::Context;
use crate::route::Route;
use crate::waiter::Waiter;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// When to ask again for which there was no place, in seconds.
const RETRY_AFTER_S: &str = "5";

/// Passes requests on.
pub(crate) struct Fallback {
    context: Arc<Context>,
    authority: Authority,
    /// SockJS is served under it, by whoever is asked after this.
    route: Route,
    upstream: Upstream,
    /// For requests that are there, until they are answered in full; a WebSocket has none.
    places: Arc<Semaphore>,
    log: LogOnce,
}

/// What a request has until it is answered.
struct Asking {
    /// At the application.
    place: OwnedSemaphorePermit,
    /// The answer, to a client that has ended its side behind its request; not of HTTP/2.
    _owed: Option<Owed>,
}

impl Fallback {
    /// To the server at `to`, an address on HTTP.
    pub(crate) fn new(context: Arc<Context>, to: &Uri, route: Route) -> Option<Self> {
        let authority = to.authority()?.clone();
        let places =
            Arc::new(Semaphore::new(context.limits.fallback_requests_max.min(Semaphore::MAX_PERMITS)));
        Some(Self { context, authority, route, upstream: upstream(), places, log: LogOnce::new() })
    }

    async fn pass_on(&self, request: Request<Incoming>) -> Response<Body> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return self.full() };
        let guard = request.extensions().get::<ConnectionGuard>().cloned();
        let _owed = request.extensions().get::<ClientSide>().map(ClientSide::owe);
        let asking = Asking { place, _owed };
        let peer = request.extensions().get::<Peer>().copied();
        let (mut head, body) = request.into_parts();
        let asked = asks_for_websocket(&head);
        let of_client = head.extensions.remove::<OnUpgrade>().filter(|_| asked);
        as_http_1(&mut head.headers, head.uri.authority());
        strip_hop_by_hop(&mut head.headers);
        self.say_whence(&mut head.headers, peer);
        if of_client.is_some() {
            say_websocket(&mut head.headers);
        }
        let sent = Arc::new(Notify::new());
        let Some(passed) = self.passed(head, body, &sent) else {
            return plain(StatusCode::BAD_REQUEST, "the target is no path");
        };
        let response = tokio::select! {
            biased;
            response = self.upstream.request(passed) => response,
            () = overdue(&sent, self.patience()) => return self.no_answer(Fault::Overdue),
        };
        let response = match response {
            Ok(response) => response,
            Err(error) if error.is_connect() => return self.no_answer(Fault::Unreachable(chain(&error))),
            Err(error) if has_paused(&error) => return self.paused(),
            Err(error) => return self.no_answer(Fault::Improper(chain(&error))),
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return self.answered(response, asking);
        }
        match of_client {
            Some(of_client) if has_option(response.headers(), &UPGRADE, "websocket") => {
                self.switch(of_client, response, guard)
            }
            _ => {
                self.no_answer(Fault::Improper("it switches to a protocol that nobody asked for".to_owned()))
            }
        }
    }

    /// The request as the application gets it; `None` if its target is no path.
    fn passed(&self, mut head: Parts, body: Incoming, sent: &Arc<Notify>) -> Option<Request<Body>> {
        // The server has answered it.
        head.headers.remove(EXPECT);
        // Of methods that have a body seldom, hyper would leave it out.
        if !body.is_end_stream() && !head.headers.contains_key(CONTENT_LENGTH) {
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let mut uri = http::uri::Parts::default();
        (uri.scheme, uri.authority, uri.path_and_query) =
            (Some(Scheme::HTTP), Some(self.authority.clone()), Some(path));
        let pause = Duration::from_secs(self.context.limits.write_timeout_s);
        let mut passed = Request::new(watched(body, pause, Arc::clone(sent)));
        (*passed.method_mut(), *passed.uri_mut(), *passed.headers_mut()) =
            (head.method, Uri::from_parts(uri).ok()?, head.headers);
        Some(passed)
    }

    /// How long the application may be silent that is to answer.
    fn patience(&self) -> Duration {
        Duration::from_secs(self.context.limits.fallback_timeout_s)
    }

    /// The application's answer. Events go on until their client or this server ends, all else until it is over.
    fn answered(&self, response: Response<Incoming>, asking: Asking) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        strip_hop_by_hop(&mut head.headers);
        head.version = Version::HTTP_11;
        let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        let body = if kind.to_ascii_lowercase().starts_with(b"text/event-stream") {
            let events = BodyStream::new(Timed::new(body, self.patience(), asking.place));
            StreamBody::new(events.take_until(self.ended())).boxed_unsync()
        } else {
            Timed::new(body, self.patience(), asking).boxed_unsync()
        };
        Response::from_parts(head, body)
    }

    /// Is there when the server ends. The hub does not wait for whoever waits for this.
    fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let ending = Waiter::idle(&self.context.hub);
        let (mut awaited, ended) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                _ = ending.woken() => {}
                () = awaited.closed() => {}
            }
        });
        ended.map(|_| ())
    }

    /// There is no place for a request.
    fn full(&self) -> Response<Body> {
        self.context.fallback_refused.add(1);
        if let Some(unlogged) = self.log.due("full") {
            let requests = self.context.limits.fallback_requests_max;
            tracing::warn!(
                requests,
                unlogged,
                "fallback: as many requests as may be are at the application (fallback_requests_max); more refusals in the next minute are not logged"
            );
        }
        let text =
            "as many requests as may be are at the application behind this server: ask again in some seconds";
        let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        response
    }

    /// The client has not sent on.
    fn paused(&self) -> Response<Body> {
        let within_s = self.context.limits.write_timeout_s;
        let text = format!("nothing came of the request's body for {within_s} s");
        let mut response = plain(StatusCode::REQUEST_TIMEOUT, &text);
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// Says where a request comes from. What others have said of it counts only if they are trusted proxies.
    fn say_whence(&self, headers: &mut HeaderMap, peer: Option<Peer>) {
        let peer = peer.and_then(Peer::ip);
        let trusted = &self.context.trusted_proxies;
        // Who comes by a Unix socket is a proxy.
        let is_trusted = peer.is_none_or(|peer| trusted.iter().any(|network| network.contains(peer)));
        whence(headers, peer, is_trusted);
    }

    /// The client is told what is wrong; where the application is, and why, is for the log alone.
    fn no_answer(&self, fault: Fault) -> Response<Body> {
        let within_s = self.context.limits.fallback_timeout_s;
        let (kind, status, text, why) = match fault {
            Fault::Unreachable(why) => {
                ("connect", StatusCode::BAD_GATEWAY, "cannot be reached: is it running?".to_owned(), why)
            }
            Fault::Improper(why) => {
                ("answer", StatusCode::BAD_GATEWAY, "gave no proper answer".to_owned(), why)
            }
            Fault::Overdue => {
                let text = format!("gave no answer within {within_s} s");
                ("overdue", StatusCode::GATEWAY_TIMEOUT, text.clone(), text)
            }
        };
        if let Some(unlogged) = self.log.due(kind) {
            let authority = &self.authority;
            tracing::warn!(%authority, why, unlogged, "fallback: no answer from the application; more in the next minute are not logged");
        }
        plain(status, &format!("the application behind this server {text}"))
    }

    /// Lets both sides speak with each other until one has ended, or the server does.
    fn switch(
        &self,
        of_client: OnUpgrade,
        mut response: Response<Incoming>,
        guard: Option<ConnectionGuard>,
    ) -> Response<Body> {
        let of_application = hyper::upgrade::on(&mut response);
        let ending = Waiter::idle(&self.context.hub);
        tokio::spawn(async move {
            let _guard = guard;
            let (Ok(client), Ok(application)) = tokio::join!(of_client, of_application) else { return };
            let (mut client, mut application) = (TokioIo::new(client), TokioIo::new(application));
            tokio::select! {
                // How a connection ends is the two sides' affair.
                _ = copy_bidirectional(&mut client, &mut application) => {}
                _ = ending.woken() => {}
            }
        });
        let (mut head, _) = response.into_parts();
        strip_hop_by_hop(&mut head.headers);
        let mut answer = Response::from_parts(head, whole(""));
        say_websocket(answer.headers_mut());
        answer
    }
}

impl Front for Fallback {
    fn takes(&self, path: &str) -> bool {
        !self.route.has(path) && path != HEALTH
    }

    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        Box::pin(async move { self.pass_on(request).await })
    }
}

/// Why the application's answer is none, with what the log says of it.
enum Fault {
    Unreachable(String),
    Improper(String),
    Overdue,
}

fn say_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

fn whence(headers: &mut HeaderMap, peer: Option<IpAddr>, is_trusted: bool) {
    let kept = [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST];
    let said: Vec<_> = headers.keys().filter(|name| is_forwarding(name)).cloned().collect();
    for name in said {
        // In another spelling nobody looks for them, but the application might find them.
        if !is_trusted || !kept.contains(&name) && name.as_str().contains('_') {
            headers.remove(name);
        }
    }
    if let Some(peer) = peer.map(|peer| peer.to_canonical()) {
        let before = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<_> = before.map(str::to_owned).chain([peer.to_string()]).collect();
        if let Ok(hops) = HeaderValue::from_str(&hops.join(", ")) {
            headers.insert(FORWARDED_FOR, hops);
        }
    }
    if !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if let (false, Some(host)) = (headers.contains_key(FORWARDED_HOST), headers.get(HOST).cloned()) {
        headers.insert(FORWARDED_HOST, host);
    }
}

/// An error with those behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(given: &[(&'static str, &'static str)], peer: Option<&str>, is_trusted: bool) -> Vec<String> {
        let mut headers: HeaderMap = given
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        whence(&mut headers, peer.map(|peer| peer.parse().unwrap()), is_trusted);
        let mut all: Vec<_> = headers
            .iter()
            .filter(|(name, _)| is_forwarding(name))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn where_a_request_comes_from_is_said_and_believed_of_trusted_proxies_alone() {
        let given = [
            ("host", "site"),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-proto", "https"),
            ("x_forwarded_proto", "https"),
            ("x-real-ip", "198.51.100.1"),
        ];
        assert_eq!(
            said(&given, Some("::ffff:192.0.2.1"), false),
            ["x-forwarded-for: 192.0.2.1", "x-forwarded-host: site", "x-forwarded-proto: http"]
        );
        assert_eq!(
            said(&given, Some("192.0.2.1"), true),
            [
                "x-forwarded-for: 198.51.100.1, 192.0.2.1",
                "x-forwarded-host: site",
                "x-forwarded-proto: https",
                "x-real-ip: 198.51.100.1"
            ]
        );
        assert_eq!(
            said(&given[..3], None, true),
            ["x-forwarded-for: 198.51.100.1", "x-forwarded-host: site", "x-forwarded-proto: https"]
        );
    }
}
