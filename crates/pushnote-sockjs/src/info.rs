//! `/info`: what the client asks first, also to measure the round trip by which it sets its timeouts.

use http::{Method, StatusCode};
use pushnote_sockjs_proto::info::Info;

use crate::{
    handler::Handler,
    headers,
    request::Request,
    response::{self, Response, text},
    site::Site,
    transport::Transport,
};

pub(crate) fn answer<H: Handler>(site: &Site<H>, request: &Request) -> Response {
    let options = &site.service.options;
    let Ok(entropy) = getrandom::u32() else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "no entropy\n");
    };
    let info = Info {
        websocket: site.service.offers(Transport::WebSocket),
        any_origin: options.allowed_origins.is_any(),
        cookie_needed: options.jsessionid,
        base_url: options.base_url.as_deref(),
        heartbeat_delay_ms: site.service.heartbeat_delay_ms(),
        entropy,
    };
    let mut response = response::ok(info.to_json(), "application/json; charset=UTF-8");
    let headers = response.headers_mut();
    headers::not_cached(headers);
    headers::cors(options, &request.headers, headers);
    response
}

pub(crate) fn preflight<H: Handler>(site: &Site<H>, request: &Request) -> Response {
    let mut response = headers::preflight(&[Method::OPTIONS, Method::GET]);
    headers::cors(&site.service.options, &request.headers, response.headers_mut());
    response
}
