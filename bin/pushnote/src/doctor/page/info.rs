//! What pages ask first: /info.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, AGE, CACHE_CONTROL, DATE, HeaderMap,
    LOCATION,
};
use serde_json::Value;
use tokio::time::Instant;

use super::http::{Jar, excerpt};
use super::site::Site;
use super::trouble::Trouble;
use crate::doctor::report::{Fault, Report};

const CHECK: &str = "info";
/// As long as a server waits, if it does not say how long.
const HEARTBEAT_DELAY_DEFAULT: Duration = Duration::from_secs(25);
/// Times are told in whole seconds, and a request takes some.
const CLOCK_EXACT_S: i64 = 5;
/// What a token may be from the future.
const CLOCK_FAULT_S: i64 = 300;

/// What is known of a server after the first questions.
#[derive(Debug)]
pub(super) struct Info {
    pub(super) websocket: bool,
    /// Pages of some origins alone may connect.
    pub(super) restricted: bool,
    pub(super) heartbeat_delay: Duration,
    /// Where transports are instead, as the server has it.
    pub(super) base_url: Option<String>,
    /// From asking to the answer, with a connection of its own.
    pub(super) took: Duration,
    pub(super) jar: Jar,
    entropy: Value,
    /// How far its clock is ahead of this machine's, in seconds.
    ahead_s: Option<i64>,
}

impl Info {
    /// What the clocks have to do with a token that is refused.
    pub(super) fn clock_hint(&self) -> String {
        match self.ahead_s {
            Some(ahead) if ahead.abs() > CLOCK_EXACT_S => {
                format!("; see the line \"clock\": {}", difference(ahead))
            }
            _ => String::new(),
        }
    }
}

/// Asks twice, and says what there is to say. `None`: nothing else needs to be tried.
pub(super) async fn examine(site: &Site, report: &mut Report) -> Option<Info> {
    let (info, headers) = match ask(site, site.path(), &Jar::default()).await {
        Ok(found) => found,
        Err(fault) => {
            report.fail("page", &fault);
            return None;
        }
    };
    let offers = if info.websocket { "WebSocket offered" } else { "WebSocket off" };
    let origins = if info.restricted { "origins are restricted" } else { "any origin" };
    let delay = info.heartbeat_delay;
    report.ok(
        "page",
        CHECK,
        format_args!("SockJS in {:.1?}: {offers}, {origins}, a heartbeat each {delay:?}", info.took),
    );
    cors(site, &headers, info.restricted, report);
    fresh(site, &info, &headers, report).await;
    clock(&info, report);
    Some(info)
}

async fn ask(site: &Site, path: &str, jar: &Jar) -> Result<(Info, HeaderMap), Fault> {
    let started = Instant::now();
    let path = format!("{path}/info");
    let fault = |trouble: Trouble| site.fault(CHECK, &trouble);
    let answer = site.look(&path, jar).await.map_err(fault)?;
    let (head, body) = answer.into_parts();
    let body = site.whole(body).await.map_err(fault)?;
    let took = started.elapsed();
    let value = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    if head.status != StatusCode::OK || !value["websocket"].is_boolean() {
        return Err(Fault::setting(CHECK, other(site, head.status, &head.headers, &body).await));
    }
    let mut jar = jar.clone();
    jar.keep(&head.headers);
    let info = Info {
        websocket: value["websocket"] == true,
        restricted: !value["origins"].is_array(),
        heartbeat_delay: value["heartbeat_delay"]
            .as_u64()
            .map_or(HEARTBEAT_DELAY_DEFAULT, Duration::from_millis),
        base_url: value["base_url"].as_str().map(str::to_owned),
        took,
        jar,
        entropy: value["entropy"].clone(),
        ahead_s: ahead_s(&head.headers),
    };
    Ok((info, head.headers))
}

/// What it is that answers, where SockJS should.
async fn other(site: &Site, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let url = site.url();
    let number = status.as_u16();
    let seen = format!("{url}/info answers {number}{}", excerpt(headers, body));
    let advice = match number {
        300..=399 => {
            let location = headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
            format!(
                "a redirection to {}: give pages the URL that it leads to; WebSockets follow none",
                location.as_deref().unwrap_or("nowhere")
            )
        }
        401 | 407 => "whoever connects has to log in there: leave these paths out of it in the proxy".to_owned(),
        403 => "a firewall or a rule of the proxy refuses it: its log says which".to_owned(),
        502..=504 => "the proxy does not reach the server: is that started, and on the address that the proxy has?".to_owned(),
        400 if !site.is_tls() => "is it a port with TLS? Give https:// then".to_owned(),
        _ => match nearby(site).await {
            Some(path) => format!("no SockJS, but at {path} there is: correct the URL"),
            None => "no SockJS: is it the server's host, does the path end with its --route (/sockjs by default), and does \
                     the proxy pass that on?"
                .to_owned(),
        },
    };
    format!("{seen}: {advice}")
}

/// Where SockJS is likely to be instead.
async fn nearby(site: &Site) -> Option<String> {
    let parent = site.path().rsplit_once('/').map_or("", |(parent, _)| parent);
    for path in [format!("{}/sockjs", site.path()), format!("{parent}/sockjs"), parent.to_owned()] {
        if path == site.path() {
            continue;
        }
        let Ok(answer) = site.look(&format!("{path}/info"), &Jar::default()).await else { continue };
        let body = site.whole(answer.into_body()).await.unwrap_or_default();
        let value = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        if value["websocket"].is_boolean() {
            return Some(path);
        }
    }
    None
}

/// Whether a page may read the answer. sockjs-client asks with credentials.
fn cors(site: &Site, headers: &HeaderMap, restricted: bool, report: &mut Report) {
    const CHECK: &str = "origin";
    let origin = &site.origin;
    let all = |name| -> Vec<String> {
        headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    };
    let (allowed, credentials) = (all(ACCESS_CONTROL_ALLOW_ORIGIN), all(ACCESS_CONTROL_ALLOW_CREDENTIALS));
    let is_same = *origin == site.own_origin();
    let fault = match allowed.as_slice() {
        _ if site.is_mixed() => format!(
            "browsers let pages of {origin} connect to https:// alone: have the proxy speak TLS for this host, or let the page's \
             own host pass it on"
        ),
        [allowed] if allowed == origin && credentials == ["true"] => {
            return report.ok("page", CHECK, format_args!("pages of {origin} may connect"));
        }
        [] if restricted => {
            let add = "add it to the server's allowed_origin, or give --origin the page's own (scheme, name and port count)";
            format!("the server keeps pages of {origin} out: {add}")
        }
        // Browsers let a page read what its own origin answers.
        _ if is_same => return report.ok("page", CHECK, format_args!("pages of {origin} itself may connect")),
        [] => "the answer has no Access-Control-Allow-Origin, which the server sends: the proxy takes it away; leave it to the server".to_owned(),
        [_] => format!(
            "Access-Control-Allow-Origin is {}, and Access-Control-Allow-Credentials {}: pages of {origin} need their own and \
             true, as the server sends them; the proxy sets them, too: take that out",
            allowed.join(", "),
            if credentials.is_empty() { "missing".to_owned() } else { credentials.join(", ") }
        ),
        _ => "Access-Control-Allow-Origin comes twice, and browsers take that for none: the proxy adds its own to the \
              server's; take that out"
            .to_owned(),
    };
    report.fail("page", &Fault::setting(CHECK, fault));
}

/// Whether each answer is the server's own.
async fn fresh(site: &Site, info: &Info, headers: &HeaderMap, report: &mut Report) {
    const CHECK: &str = "cache";
    let again = match ask(site, site.path(), &info.jar).await {
        Ok((again, _)) => again,
        Err(fault) => return report.fail("page", &fault),
    };
    let control =
        headers.get(CACHE_CONTROL).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    // Varnish says of what it has just got that it is 0 seconds old.
    let is_kept = !info.entropy.is_null() && info.entropy == again.entropy;
    if is_kept || headers.get_all(AGE).iter().any(|age| age.as_bytes() != b"0") {
        let text = "an answer of /info is kept on the way and given again: switch caching off for these paths \
                    (nginx: no proxy_cache; a CDN: bypass)";
        report.fail("page", &Fault::setting(CHECK, text));
    } else if control.as_deref().is_none_or(|control| !control.contains("no-store")) {
        report.warn(
            "page",
            CHECK,
            "fresh, but without the Cache-Control: no-store that the server sends: the proxy changes it, and browsers may \
             keep what they get; take that out",
        );
    } else {
        report.ok("page", CHECK, "none: each answer is new");
    }
}

fn clock(info: &Info, report: &mut Report) {
    const CHECK: &str = "clock";
    let Some(ahead) = info.ahead_s else {
        return report.warn("page", CHECK, "the answer has no Date: its clock cannot be compared");
    };
    if ahead.abs() <= CLOCK_EXACT_S {
        return report.ok("page", CHECK, format_args!("within {CLOCK_EXACT_S} s of this machine's"));
    }
    let text = format!(
        "{}: tokens that are made here {}; set both by NTP. (A proxy tells its own clock)",
        difference(ahead),
        if ahead > 0 {
            "expire that much sooner there"
        } else {
            "are from the future there, up to five minutes of which are taken"
        }
    );
    if ahead.abs() < CLOCK_FAULT_S {
        report.warn("page", CHECK, text);
    } else {
        report.fail("page", &Fault::setting(CHECK, text));
    }
}

fn difference(ahead_s: i64) -> String {
    let seconds = ahead_s.unsigned_abs();
    let way = if ahead_s > 0 { "ahead of" } else { "behind" };
    format!("the clock there is {seconds} s {way} this machine's")
}

fn ahead_s(headers: &HeaderMap) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).ok();
    match date.duration_since(SystemTime::now()) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => seconds(behind.duration()).map(|behind| -behind),
    }
}
