//! Every route of the server, put together.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use pushnote_sockjs::SockJs;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::client::Clients;
use crate::page::Page;
use crate::server::Settings;

/// The routes that `settings` ask for.
pub(crate) fn all(settings: Settings, clients: Clients) -> BoxedFilter<(Response,)> {
    let Settings { route, limits, sockjs_url, allowed_origins, pages, .. } = settings;
    let mut sockjs = SockJs::builder().limits(sockjs_limits(&limits));
    if let Some(url) = sockjs_url {
        sockjs = sockjs.sockjs_url(url);
    }
    if !allowed_origins.is_empty() {
        sockjs = sockjs.allowed_origins(allowed_origins);
    }
    let sockjs = sockjs.build(clients).filter(route.as_str());
    sockjs.or(fixed(pages)).unify().boxed()
}
