//! What somebody asks for where browsers are served, and what is served at another address, or not at all: they are told where.
//! As a problem, which programs can quote.

use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;
use pushnote_sockjs::AllowedOrigin;

use super::paths::{PUSH_KEY, PUSH_SHOWN, PUSH_SUBSCRIBE};
use super::{Answering, Front};
use crate::cors::Cors;
use crate::problem::Problem;
use crate::route::Route;

/// What the API's paths begin with.
const API: &str = "/v1/";

/// See the module's documentation. It is asked last.
pub(crate) struct Elsewhere {
    /// SockJS is served under it, by whoever is asked after this.
    route: Route,
    cors: Cors,
}

impl Elsewhere {
    /// Pages of these origins may read it.
    pub(crate) fn new(route: Route, allowed_origins: Arc<[AllowedOrigin]>) -> Self {
        Self { route, cors: Cors::new(allowed_origins) }
    }
}

impl Front for Elsewhere {
    fn takes(&self, path: &str) -> bool {
        (is_push(path) || path.starts_with(API)) && !self.route.has(path)
    }

    fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answering {
        Box::pin(async move {
            let (kind, detail) = match is_push(request.uri().path()) {
                true => ("push_off", "Web Push is off: --vapid-subject switches it on"),
                false => (
                    "not_found",
                    "nothing is served at this path: applications publish at the address of --api",
                ),
            };
            let mut response = Problem::answer(StatusCode::NOT_FOUND, kind, detail);
            self.cors.put(request.headers(), response.headers_mut());
            response
        })
    }
}

/// Where Web Push is served if it is on.
fn is_push(path: &str) -> bool {
    matches!(path, PUSH_KEY | PUSH_SUBSCRIBE | PUSH_SHOWN)
}
