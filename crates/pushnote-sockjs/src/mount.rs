//! From a request to an answer: which URL it is, whether its method fits, who handles it.

use std::{
    pin::{Pin, pin},
    sync::Arc,
};

use http::{Method, StatusCode};
use http_body::Body as HttpBody;
use pushnote_net::Network;
use pushnote_sockjs_proto::route::{self, Route};

use crate::{
    handler::Handler,
    headers, info, receive,
    request::Request,
    response::{Body, Response, forbidden, method_not_allowed, not_found, text},
    send,
    service::Service,
    site::Site,
    transport::{Transport, endpoint::Role},
    upgrade,
};

/// A service under a prefix, for any server that has [`http`]'s requests. A clone is another handle to the same one.
///
/// What the server knows, and the service can use, is in the extensions of a request:
///
/// - the client's address, as a [`Peer`](crate::Peer);
/// - hyper's [`OnUpgrade`](hyper::upgrade::OnUpgrade), without which there are no WebSockets. Servers on hyper leave it there; they have to
///   allow upgrades;
/// - a [`Handover`](crate::Handover), if the server runs on [`HttpStream`](crate::HttpStream)s: streaming responses leave it
///   by that, and cost what a WebSocket costs;
/// - a [`ConnectionGuard`](crate::ConnectionGuard), if the server counts connections.
pub struct Mount<H: Handler>(Arc<Site<H>>);

impl<H: Handler> Clone for Mount<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: Handler> std::fmt::Debug for Mount<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mount").field("prefix", &self.0.prefix).finish_non_exhaustive()
    }
}

impl<H: Handler> Mount<H> {
    pub(crate) fn new(service: &Arc<Service<H>>, prefix: &str) -> Self {
        Self(Arc::new(Site::new(service, prefix)))
    }

    /// Whether a path, as it stands in the request, is one of the service's: every one under its prefix, but for a service at
    /// the root, which leaves what it does not know to others.
    pub fn owns(&self, path: &str) -> bool {
        let site = &*self.0;
        let Some(rest) = route::under_prefix(path, &site.prefix) else { return false };
        if !site.prefix.is_empty() || site.iframe.as_ref().is_some_and(|page| page.script_at(rest).is_some())
        {
            return true;
        }
        match Route::parse(rest) {
            Some(Route::Greeting | Route::Info | Route::Iframe) => true,
            Some(route) => Transport::endpoint(&Transport::ALL, &route).is_some(),
            None => false,
        }
    }

    /// Answers a request. What the service does not [own](Self::owns) is not found.
    pub fn answer<B>(
        &self,
        request: http::Request<B>,
    ) -> impl Future<Output = http::Response<Body>> + Send + use<H, B>
    where
        B: HttpBody<Data: Send> + Send,
    {
        let mount = self.clone();
        async move {
            let (mut head, body) = request.into_parts();
            let mut request = Request::new(&mut head, mount.trusted_proxies());
            mount.answer_to(head.uri.path(), &mut request, pin!(body)).await
        }
    }

    pub(crate) fn trusted_proxies(&self) -> &[Network] {
        &self.0.service.options.trusted_proxies
    }

    /// Request and body are borrowed, as each future on the way would hold them anew, for as long as a poll waits.
    pub(crate) async fn answer_to<B: HttpBody>(
        &self,
        path: &str,
        request: &mut Request,
        body: Pin<&mut B>,
    ) -> Response {
        let site = &self.0;
        let Some(rest) = route::under_prefix(path, &site.prefix) else { return not_found() };
        if let Some(script) = site.iframe.as_ref().and_then(|page| page.script_at(rest)) {
            return if request.is_read() { script } else { method_not_allowed(&[Method::GET, Method::HEAD]) };
        }
        let Some(route) = Route::parse(rest) else { return not_found() };
        match route {
            Route::Greeting if request.is_read() => text(StatusCode::OK, "Welcome to SockJS!\n"),
            Route::Info if request.is_read() => info::answer(site, request),
            Route::Info if request.method == Method::OPTIONS => info::preflight(site, request),
            Route::Iframe if request.is_read() => iframe_page(site, request),
            Route::Greeting | Route::Iframe => method_not_allowed(&[Method::GET, Method::HEAD]),
            Route::Info => method_not_allowed(&[Method::GET, Method::HEAD, Method::OPTIONS]),
            Route::Base(_) | Route::Session { .. } => transport(site, request, &route, body).await,
        }
    }
}

fn iframe_page<H: Handler>(site: &Site<H>, request: &Request) -> Response {
    if let Some(page) = &site.iframe {
        return page.answer(&request.headers);
    }
    if let Some(unlogged) = site.service.log.due("iframe_page") {
        tracing::warn!(
            prefix = site.prefix,
            unlogged,
            "a browser asks for the iframe page, which is off: set sockjs_url to a URL of sockjs-client or to a local \
             copy of it (with allowed origins, the page is always off)"
        );
    }
    not_found()
}

/// A transport's URL.
async fn transport<H: Handler, B: HttpBody>(
    site: &Arc<Site<H>>,
    request: &mut Request,
    route: &Route<'_>,
    body: Pin<&mut B>,
) -> Response {
    let options = &site.service.options;
    let Some((transport, endpoint)) = Transport::endpoint(&options.transports, route) else {
        return not_found();
    };
    if !endpoint.methods.contains(&request.method) {
        return method_not_allowed(endpoint.methods);
    }
    let id = if let Route::Session { id, .. } = *route { id } else { "" };
    let mut response = match &endpoint.role {
        Role::WebSocket(how) => return upgrade::answer(site, request, transport, how),
        _ if request.method == Method::OPTIONS => headers::preflight(endpoint.methods),
        _ if !options.allowed_origins.allow(&request.headers) => forbidden(),
        Role::Receive(how) => receive::answer(site, request, id, transport, how, body).await,
        Role::Send(how) => send::answer(site, request, id, how, body).await,
    };
    // Whatever the answers say, they share their headers.
    let headers = response.headers_mut();
    if request.method != Method::OPTIONS {
        headers::not_cached(headers);
    }
    headers::sticky_cookie(options, &request.headers, headers);
    if endpoint.cors {
        headers::cors(options, &request.headers, headers);
    }
    response
}
