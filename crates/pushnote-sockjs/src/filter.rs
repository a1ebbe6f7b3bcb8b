//! From a warp request to an answer: which URL it is, whether its method fits, who handles it.

use std::{
    future::ready,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Buf;
use futures_util::Stream;
use http::{HeaderMap, Method, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use pushnote_net::Peer;
use pushnote_sockjs_proto::route::{self, Endpoint, Route};
use warp::{
    Filter, Rejection,
    path::FullPath,
    reply::{Reply, Response},
};

use crate::{
    guard::ConnectionGuard,
    handler::{Handler, SessionInfo},
    headers, proxy,
    service::Service,
    transport::{
        Transport, eventsource, htmlfile,
        iframe::{self, IframePage},
        info, jsonp,
        send::collect,
        websocket, xhr,
    },
};

/// A service under one prefix.
pub(crate) struct Mount<H: Handler> {
    pub(crate) service: Arc<Service<H>>,
    /// Begins with a slash and does not end with one; empty for the root.
    pub(crate) prefix: String,
    pub(crate) iframe: Option<IframePage>,
}

/// A request, without its body.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    /// The client's address.
    pub(crate) client: Option<IpAddr>,
    pub(crate) upgrade: Option<OnUpgrade>,
    /// The accept loop's, if it has one.
    pub(crate) guard: Option<ConnectionGuard>,
}

pub(crate) fn filter<H: Handler>(
    service: &Arc<Service<H>>,
    prefix: &str,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<H> {
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    let iframe = service.options.client_script.as_ref().map(|script| IframePage::new(script, &prefix));
    let mount = Arc::new(Mount { service: Arc::clone(service), prefix, iframe });
    let ours = Arc::clone(&mount);
    warp::path::full()
        .and_then(move |path: FullPath| {
            ready(if ours.owns(&path) { Ok(path) } else { Err(warp::reject::not_found()) })
        })
        .and(warp::method())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::addr::remote().map(|remote: Option<SocketAddr>| remote.map(Peer::Tcp)))
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::optional::<ConnectionGuard>())
        .and(warp::body::stream())
        .then(move |path, method, query, headers, peer: Option<Peer>, remote, upgrade, guard, body| {
            let client =
                proxy::client_addr(peer.or(remote), &headers, &mount.service.options.trusted_proxies);
            let request = Request { method, query, headers, client, upgrade, guard };
            answer(Arc::clone(&mount), path, request, body)
        })
}

impl<H: Handler> Mount<H> {
    /// A service at the root leaves what it does not know to the filters beside it.
    fn owns(&self, path: &FullPath) -> bool {
        match route::under_prefix(path.as_str(), &self.prefix) {
            Some(rest) => !self.prefix.is_empty() || Route::parse(rest).is_some() || self.serves_script(rest),
            None => false,
        }
    }

    fn serves_script(&self, rest: &str) -> bool {
        self.iframe.as_ref().is_some_and(|page| page.script_at(rest).is_some())
    }
}

impl Request {
    pub(crate) fn info<H: Handler>(&self, mount: &Mount<H>, transport: Transport) -> SessionInfo {
        let names = mount.service.options.exposed_headers.iter();
        let mut headers = HeaderMap::new();
        for name in names {
            for value in self.headers.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        SessionInfo {
            remote_addr: self.client,
            transport,
            path: mount.prefix.clone(),
            query: Some(self.query.clone()).filter(|query| !query.is_empty()),
            headers,
        }
    }
}

async fn answer<H, S, B>(mount: Arc<Mount<H>>, path: FullPath, request: Request, body: S) -> Response
where
    H: Handler,
    S: Stream<Item = Result<B, warp::Error>> + Send + 'static,
    B: Buf,
{
    let rest = route::under_prefix(path.as_str(), &mount.prefix).unwrap_or_default();
    let Some(route) = Route::parse(rest) else {
        return match mount.iframe.as_ref().and_then(|page| page.script_at(rest)) {
            Some(script) if is_read(&request.method) => script,
            Some(_) => method_not_allowed(&[Method::GET, Method::HEAD]),
            None => not_found(),
        };
    };
    match route {
        Route::Greeting if is_read(&request.method) => text(StatusCode::OK, "Welcome to SockJS!\n"),
        Route::Info if is_read(&request.method) => info::answer(&mount, &request),
        Route::Info if request.method == Method::OPTIONS => info::preflight(&mount, &request),
        Route::Iframe if is_read(&request.method) => iframe::answer(&mount, &request),
        Route::Greeting | Route::Iframe => method_not_allowed(&[Method::GET, Method::HEAD]),
        Route::Info => method_not_allowed(&[Method::GET, Method::HEAD, Method::OPTIONS]),
        Route::RawWebSocket => websocket::answer(&mount, request, Transport::RawWebSocket),
        Route::Session { endpoint: Endpoint::WebSocket, .. } => {
            websocket::answer(&mount, request, Transport::WebSocket)
        }
        Route::Session { id, endpoint } => session(&mount, &request, id, endpoint, body).await,
    }
}

/// A session's URLs over HTTP, whose answers share their headers whatever they say.
async fn session<H, S, B>(
    mount: &Arc<Mount<H>>,
    request: &Request,
    id: &str,
    endpoint: Endpoint,
    body: S,
) -> Response
where
    H: Handler,
    S: Stream<Item = Result<B, warp::Error>>,
    B: Buf,
{
    let options = &mount.service.options;
    if !offered(mount, endpoint) {
        return not_found();
    }
    if !methods(endpoint).contains(&request.method) {
        return method_not_allowed(methods(endpoint));
    }
    let mut response = if request.method == Method::OPTIONS {
        headers::preflight(methods(endpoint))
    } else if !options.allowed_origins.allow(&request.headers) {
        forbidden()
    } else {
        // Also where no body is wanted: behind an unread one the server would not see the client go.
        match collect(&request.headers, body, &options.limits).await {
            Ok(body) => handle(mount, request, id, endpoint, &body).await,
            Err(refused) => refused.response(),
        }
    };
    let headers = response.headers_mut();
    if request.method != Method::OPTIONS {
        headers::not_cached(headers);
    }
    headers::sticky_cookie(options, &request.headers, headers);
    if !matches!(endpoint, Endpoint::HtmlFile | Endpoint::Jsonp | Endpoint::JsonpSend) {
        headers::cors(options, &request.headers, headers);
    }
    response
}

async fn handle<H: Handler>(
    mount: &Arc<Mount<H>>,
    request: &Request,
    id: &str,
    endpoint: Endpoint,
    body: &[u8],
) -> Response {
    match endpoint {
        Endpoint::EventSource => eventsource::stream(mount, request, id).await,
        Endpoint::HtmlFile => htmlfile::stream(mount, request, id).await,
        Endpoint::Jsonp => jsonp::poll(mount, request, id).await,
        Endpoint::JsonpSend => jsonp::send(mount, request, id, body),
        Endpoint::WebSocket => not_found(),
        Endpoint::Xhr => xhr::poll(mount, request, id).await,
        Endpoint::XhrSend => xhr::send(mount, request, id, body),
        Endpoint::XhrStreaming => xhr::stream(mount, request, id).await,
    }
}

fn methods(endpoint: Endpoint) -> &'static [Method] {
    match endpoint {
        Endpoint::EventSource | Endpoint::HtmlFile | Endpoint::Jsonp | Endpoint::WebSocket => &[Method::GET],
        Endpoint::JsonpSend => &[Method::POST],
        Endpoint::Xhr | Endpoint::XhrSend | Endpoint::XhrStreaming => &[Method::OPTIONS, Method::POST],
    }
}

/// Whether the transports that are offered include one that uses this URL.
fn offered<H: Handler>(mount: &Mount<H>, endpoint: Endpoint) -> bool {
    let any = |transports: &[Transport]| transports.iter().any(|&one| mount.service.offers(one));
    match endpoint {
        Endpoint::EventSource => any(&[Transport::EventSource]),
        Endpoint::HtmlFile => any(&[Transport::HtmlFile]),
        Endpoint::Jsonp | Endpoint::JsonpSend => any(&[Transport::JsonpPolling]),
        Endpoint::WebSocket => any(&[Transport::WebSocket]),
        Endpoint::Xhr => any(&[Transport::XhrPolling]),
        Endpoint::XhrStreaming => any(&[Transport::XhrStreaming]),
        Endpoint::XhrSend => any(&[
            Transport::XhrPolling,
            Transport::XhrStreaming,
            Transport::EventSource,
            Transport::HtmlFile,
        ]),
    }
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response {
    let mut response = text.into().into_response();
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, headers::PLAIN);
    response
}

pub(crate) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 Error: Page not found\n")
}

pub(crate) fn forbidden() -> Response {
    text(StatusCode::FORBIDDEN, "This origin may not use the service.\n")
}

/// Without a body or content type, as the protocol wants it.
pub(crate) fn method_not_allowed(allowed: &[Method]) -> Response {
    let mut response = StatusCode::METHOD_NOT_ALLOWED.into_response();
    response.headers_mut().insert(header::ALLOW, headers::list(allowed));
    response
}
