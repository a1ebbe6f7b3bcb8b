//! `/info`: what the client asks first, also to measure the round trip by which it sets its timeouts.

use http::{HeaderValue, Method, StatusCode, header};
use pushnote_sockjs_proto::info::Info;
use warp::reply::{Reply, Response};

use super::Transport;
use crate::{
    filter::{Mount, Request, text},
    handler::Handler,
    headers,
};

pub(crate) fn answer<H: Handler>(mount: &Mount<H>, request: &Request) -> Response {
    let options = &mount.service.options;
    let Ok(entropy) = getrandom::u32() else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "no entropy\n");
    };
    let info = Info {
        websocket: mount.service.offers(Transport::WebSocket),
        any_origin: options.allowed_origins.is_any(),
        cookie_needed: options.jsessionid,
        base_url: options.base_url.as_deref(),
        heartbeat_delay_ms: mount.service.heartbeat_delay_ms(),
        entropy,
    };
    let mut response = info.to_json().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8"));
    headers::not_cached(headers);
    headers::cors(options, &request.headers, headers);
    response
}

pub(crate) fn preflight<H: Handler>(mount: &Mount<H>, request: &Request) -> Response {
    let mut response = headers::preflight(&[Method::OPTIONS, Method::GET]);
    headers::cors(&mount.service.options, &request.headers, response.headers_mut());
    response
}
