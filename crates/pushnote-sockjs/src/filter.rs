//! The service as a filter of warp's.

use std::{convert::Infallible, future::ready, net::SocketAddr, pin::pin};

use futures_util::{StreamExt, TryStreamExt};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::upgrade::OnUpgrade;
use pushnote_net::{Peer, http::Handover};
use warp::{
    Filter, Rejection,
    path::FullPath,
    reply::{Reply, Response},
};

use crate::{
    guard::ConnectionGuard,
    handler::Handler,
    mount::Mount,
    proxy,
    request::Request,
    response::{self, Content},
    sockjs::SockJs,
};

impl<H: Handler> SockJs<H> {
    /// A filter that serves every URL under `prefix` (such as `/echo`; `/` serves from the root) and rejects every other.
    ///
    /// It matches the request's whole path, undecoded, so it does not go behind `warp::path`. The client's address is that
    /// of `warp::serve`; another accept loop puts it into the request's extensions, as a [`Peer`].
    pub fn filter(
        &self,
        prefix: &str,
    ) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<H> {
        filter(self.mount(prefix))
    }
}

fn filter<H: Handler>(
    mount: Mount<H>,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static + use<H> {
    let ours = mount.clone();
    warp::path::full()
        .and_then(move |path: FullPath| {
            ready(if ours.owns(path.as_str()) { Ok(path) } else { Err(warp::reject::not_found()) })
        })
        .and(warp::method())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::addr::remote().map(|remote: Option<SocketAddr>| remote.map(Peer::Tcp)))
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::optional::<Handover>())
        .and(warp::ext::optional::<ConnectionGuard>())
        .and(warp::body::stream())
        .then(
            move |path: FullPath,
                  method,
                  query,
                  headers,
                  peer: Option<Peer>,
                  remote,
                  upgrade,
                  handover,
                  guard,
                  body| {
                let client = proxy::client_addr(peer.or(remote), &headers, mount.trusted_proxies());
                let mut request = Request { method, query, headers, client, upgrade, handover, guard };
                let mount = mount.clone();
                async move {
                    let body = StreamBody::new(TryStreamExt::map_ok(body, Frame::data));
                    reply(mount.answer_to(path.as_str(), &mut request, pin!(body)).await)
                }
            },
        )
}

/// An answer as warp has them.
fn reply(answer: response::Response) -> Response {
    let (head, body) = answer.into_parts();
    let body = match body.into_content() {
        Content::Whole(whole) => http::Response::new(whole).into_response(),
        Content::Chunks(chunks) => warp::reply::stream(chunks.map(Ok::<_, Infallible>)).into_response(),
    };
    Response::from_parts(head, body.into_body())
}
