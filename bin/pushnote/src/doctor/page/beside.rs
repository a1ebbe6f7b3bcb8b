//! What pages use that is no session: the page of transports of old, and server-sent events.

use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, timeout};

use super::info::Info;
use super::site::Site;
use super::transport::Transport;
use super::trouble::{Step, Trouble};
use crate::doctor::report::{Fault, Report};

/// What came.
pub(super) enum Beside {
    Sound(String),
    /// It is not there, which may be meant so.
    Absent(String),
    Broken(Fault),
}

impl Beside {
    pub(super) fn tell(&self, transport: Transport, report: &mut Report) {
        match self {
            Self::Sound(text) | Self::Absent(text) => report.ok("page", transport.name(), text),
            Self::Broken(fault) => report.fail("page", fault),
        }
    }
}

pub(super) async fn iframe(site: &Site, info: &Info) -> Beside {
    const CHECK: &str = "iframe";
    let answer = match site.look(&format!("{}/iframe.html", site.path()), &info.jar).await {
        Ok(answer) => answer,
        Err(trouble) => return Beside::Broken(site.fault(CHECK, &trouble)),
    };
    if answer.status() == StatusCode::NOT_FOUND {
        return Beside::Absent("off at the server (sockjs_url): browsers since 2012 do without".to_owned());
    }
    let (head, body) = answer.into_parts();
    let body = site.whole(body).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    if head.status != StatusCode::OK || !text.contains("SockJS.bootstrap_iframe") {
        let text = format!("{} is another page: does the proxy pass this path on?", head.status.as_u16());
        return Beside::Broken(Fault::setting(CHECK, text));
    }
    match unframed(&head.headers) {
        Some(header) => Beside::Broken(Fault::setting(
            CHECK,
            format!(
                "the proxy adds {header}, so that no page can have it in a frame: take that out for this path"
            ),
        )),
        None => Beside::Sound("the page is there".to_owned()),
    }
}

/// What keeps a page out of frames.
fn unframed(headers: &HeaderMap) -> Option<&'static str> {
    let policies = headers.get_all("content-security-policy");
    let has_ancestors =
        policies.iter().any(|policy| String::from_utf8_lossy(policy.as_bytes()).contains("frame-ancestors"));
    if headers.contains_key("x-frame-options") {
        Some("X-Frame-Options")
    } else {
        has_ancestors.then_some("frame-ancestors (Content-Security-Policy)")
    }
}

pub(super) async fn events(site: &Site, info: &Info) -> Beside {
    const CHECK: &str = "events";
    let parent = site.path().rsplit_once('/').map_or("", |(parent, _)| parent);
    let started = Instant::now();
    let request = site
        .request(Method::GET, &format!("{parent}/events"), &info.jar)
        .header(ACCEPT, "text/event-stream")
        .header(ACCEPT_ENCODING, "gzip");
    let held = |time: Duration| {
        let text = format!(
            "buffered: the first line, which the server sends at once, did not come within {time:?}. nginx: proxy_buffering \
             off, or do not ignore X-Accel-Buffering; no compression (docs/deploy.md)"
        );
        Beside::Broken(Fault::setting(CHECK, text))
    };
    let answer = match site.send(request.body(Full::default())).await {
        Ok(answer) => answer,
        Err(Trouble::Late(Step::Answer)) => return held(site.timeout),
        Err(trouble) => return Beside::Broken(site.fault(CHECK, &trouble)),
    };
    let is_stream = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if answer.status() != StatusCode::OK || !is_stream {
        let seen = site.unexpected(answer).await;
        return Beside::Absent(format!(
            "{parent}/events is not passed on or not served ({})",
            seen.status.as_u16()
        ));
    }
    let compressed = answer.headers().contains_key(CONTENT_ENCODING);
    let mut body = answer.into_body();
    match timeout(site.timeout, body.frame()).await {
        Err(_) => held(site.timeout),
        Ok(Some(Ok(_))) => {
            let note = if compressed { "; compressed by a proxy" } else { "" };
            Beside::Sound(format!("the first line came in {:.1?}{note}", started.elapsed()))
        }
        Ok(_) => Beside::Broken(Fault::unavailable(CHECK, "it ends at once: a proxy cuts it")),
    }
}
