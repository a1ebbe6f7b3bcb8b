//! Every route of the server, put together.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use pushnote_core::Limits;
use pushnote_sockjs::SockJs;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::{Reply, Response};

use crate::client::Clients;
use crate::front::Front;
use crate::front::paths::HEALTH;
use crate::kept::Keeper;
use crate::page::{ACTION_BYTES_MAX, Action, Page, is_from_own_page};
use crate::serve::Site;
use crate::settings::Settings;

/// What waits for a WebSocket besides what the kernel has: one batch, whatever its size. For more it has its place in the
/// log.
const OUTBOX_BYTES_MAX: usize = 1;

/// What waits for a response over HTTP until it is asked for the next chunk, or for the next poll: a few messages.
const QUEUE_BYTES_MAX: usize = 16 * 1024;

/// The routes that `settings` ask for, and the service behind SockJS's.
pub(crate) fn all(
    settings: Settings,
    clients: Clients,
    draining: &Arc<AtomicBool>,
    keeper: Option<Arc<Keeper>>,
) -> (BoxedFilter<(Response,)>, SockJs<Clients>) {
    let Settings {
        route,
        limits,
        sockjs_url,
        allowed_origins,
        trusted_proxies,
        cookie_needed,
        pages,
        actions,
        ..
    } = settings;
    let mut sockjs = SockJs::builder()
        .heartbeat_delay(Duration::from_secs(limits.heartbeat_delay_s))
        .disconnect_delay(Duration::from_secs(limits.disconnect_delay_s))
        .response_limit(limits.response_bytes_max)
        .trusted_proxies(trusted_proxies)
        .jsessionid(cookie_needed)
        .limits(sockjs_limits(&limits));
    if let Some(url) = sockjs_url {
        sockjs = sockjs.sockjs_url(url);
    }
    if !allowed_origins.is_empty() {
        sockjs = sockjs.allowed_origins(allowed_origins);
    }
    let sockjs = sockjs.build(clients);
    let nothing = format!(
        "nothing is served at this path; there are {route} for SockJS, /events, /streams/CHANNEL and /health (applications \
         publish at the address of --api)"
    );
    let own = fixed(pages).or(asked(actions)).unify();
    let routes = sockjs.filter(route.as_str()).or(own).unify().or(health(draining, keeper)).unify();
    (routes.recover(move |_| not_found(&nothing)).unify().boxed(), sockjs)
}

/// What a listener serves that has one front, and nothing else but this text.
pub(crate) fn only(front: Arc<dyn Front>, text: &'static str) -> Site {
    let nothing = warp::any().and_then(|| ready(Err(warp::reject::not_found())));
    let routes = nothing.recover(move |_| not_found(text)).unify().boxed();
    Site { fronts: Arc::new([front]), routes, publishes: None }
}

fn sockjs_limits(limits: &Limits) -> pushnote_sockjs::Limits {
    pushnote_sockjs::Limits {
        request_body_bytes_max: limits.body_bytes_max,
        request_body_timeout: Duration::from_secs(limits.handshake_timeout_s),
        websocket_message_bytes_max: limits.body_bytes_max,
        queue_bytes_max: QUEUE_BYTES_MAX,
        outbox_bytes_max: OUTBOX_BYTES_MAX,
        sessions_max: limits.connections_max,
        address_sessions_per_second_max: limits.address_sessions_per_second_max,
        address_misses_per_second_max: limits.address_misses_per_second_max,
    }
}

fn fixed(pages: Vec<Page>) -> BoxedFilter<(Response,)> {
    let pages = Arc::<[Page]>::from(pages);
    warp::get()
        .or(warp::head())
        .unify()
        .and(warp::path::full())
        .and_then(move |path: FullPath| {
            let page = pages.iter().find(|page| page.path == path.as_str()).cloned();
            async move { page.map(answer).ok_or_else(warp::reject::not_found) }
        })
        .boxed()
}

fn asked(actions: Vec<Action>) -> BoxedFilter<(Response,)> {
    let actions = Arc::<[Action]>::from(actions);
    warp::post()
        .and(warp::path::full())
        .and_then(move |path: FullPath| {
            let action = actions.iter().find(|action| action.path == path.as_str()).cloned();
            ready(action.ok_or_else(warp::reject::not_found))
        })
        .and(warp::header::headers_cloned())
        .and(warp::body::content_length_limit(ACTION_BYTES_MAX))
        .and(warp::body::bytes())
        .map(|action: Action, headers, body| {
            let outcome = if is_from_own_page(&headers) {
                (action.take)(&body).map_err(|why| (StatusCode::BAD_REQUEST, why))
            } else {
                Err((StatusCode::FORBIDDEN, "only the page of this server may ask for that".to_owned()))
            };
            match outcome {
                Ok(()) => StatusCode::NO_CONTENT.into_response(),
                Err((status, why)) => warp::reply::with_status(why, status).into_response(),
            }
        })
        .boxed()
}

/// What load balancers ask: whether there is a server, and whether it takes clients. One that keeps no log on disk any more
/// does, and says so to people.
fn health(draining: &Arc<AtomicBool>, keeper: Option<Arc<Keeper>>) -> BoxedFilter<(Response,)> {
    let draining = Arc::clone(draining);
    warp::method()
        .and(warp::path::full())
        .and_then(move |method: Method, path: FullPath| {
            let asked = match path.as_str() {
                "/" => matches!(method, Method::HEAD | Method::OPTIONS),
                HEALTH => matches!(method, Method::GET | Method::HEAD | Method::OPTIONS),
                _ => false,
            };
            let answer = if draining.load(Relaxed) {
                warp::reply::with_status("draining\n".to_owned(), StatusCode::SERVICE_UNAVAILABLE)
            } else {
                let failure = keeper.as_ref().and_then(|keeper| keeper.failure());
                let not_kept = failure.map(|why| format!("log not kept: {why}\n")).unwrap_or_default();
                warp::reply::with_status(format!("ok\n{not_kept}"), StatusCode::OK)
            };
            let answer = warp::reply::with_header(answer, CACHE_CONTROL, "no-store");
            ready(if asked { Ok(answer.into_response()) } else { Err(warp::reject::not_found()) })
        })
        .boxed()
}

fn answer(page: Page) -> Response {
    let mut response = Response::new(page.body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if page.shared {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

fn not_found(text: &str) -> Ready<Result<Response, Infallible>> {
    ready(Ok(warp::reply::with_status(format!("{text}\n"), StatusCode::NOT_FOUND).into_response()))
}
