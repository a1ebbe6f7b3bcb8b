//! What to say of a transport, and what to do.

use std::time::Duration;

use http::StatusCode;

use super::attempt::{Attempt, Failed, Stage, Success};
use super::info::Info;
use super::session::Flaw;
use super::site::Site;
use super::transport::Transport;
use crate::doctor::report::{Fault, Report};

/// What is known beside an attempt.
pub(super) struct Around<'a> {
    pub(super) site: &'a Site,
    pub(super) info: &'a Info,
    /// None of the transports was answered.
    pub(super) mute: bool,
}

const UPGRADE: &str = "a proxy does not pass the upgrade on. nginx: proxy_http_version 1.1, and the headers Upgrade and \
                       Connection; Apache: upgrade=websocket; a CDN: switch WebSockets on (docs/deploy.md)";
const BUFFERED: &str = "something on the way keeps it back. nginx: proxy_buffering off, or do not ignore X-Accel-Buffering; no \
                        cache, no compression and no virus scanner for these paths (docs/deploy.md)";
const COMPRESSED: &str = "it is compressed on the way, which keeps back what is short. nginx: gzip off; Apache: SetEnv no-gzip \
                          1; Caddy: no encode for these paths (docs/deploy.md)";

impl Attempt {
    pub(super) fn tell(&self, around: &Around<'_>, report: &mut Report) {
        let name = self.transport.name();
        match &self.ended {
            Ok(success) => success.tell(name, report),
            Err(failed) => match failed.off(self.transport, around) {
                Some(why) => report.ok("page", name, why),
                None => report.fail("page", &failed.fault(self.transport, around)),
            },
        }
    }

    pub(super) fn is_unanswered(&self) -> bool {
        matches!(&self.ended, Err(Failed { flaw: Flaw::Silent, stage: Stage::Asking, .. }))
    }
}

impl Success {
    fn tell(&self, name: &str, report: &mut Report) {
        let Self { opened, answered, .. } = self;
        let times = format!("open in {opened:.1?}, answered in {answered:.1?}");
        if let Some(delay) = self.delay {
            let text = format!(
                "{times}, and never sooner than in {delay:.1?}: short pieces wait on the way. HAProxy: option http-no-delay \
                 (docs/deploy.md#haproxy)"
            );
            report.warn("page", name, text);
        } else if self.compressed {
            report.warn(
                "page",
                name,
                format_args!("{times}; compressed by a proxy, which costs it memory for each"),
            );
        } else {
            report.ok("page", name, times);
        }
    }
}

impl Failed {
    /// That it is off is the server's own wish.
    fn off(&self, transport: Transport, around: &Around<'_>) -> Option<String> {
        let Flaw::Unexpected(answer) = &self.flaw else { return None };
        if transport.is_websocket() && !around.info.websocket {
            return Some(format!("off at the server, as /info says ({})", answer.status.as_u16()));
        }
        let kept_out =
            answer.status == StatusCode::NOT_FOUND && around.info.restricted && !transport.tells_origin();
        kept_out.then(|| "off, as it tells no origin, and the server has allowed_origin".to_owned())
    }

    fn fault(&self, transport: Transport, around: &Around<'_>) -> Fault {
        let check = transport.name();
        let time = around.site.timeout;
        match &self.flaw {
            Flaw::Trouble(trouble) => around.site.fault(check, trouble),
            Flaw::Unexpected(answer) => {
                let advice = match transport.is_websocket() {
                    true => websocket_advice(answer.status),
                    false => advice(answer.status),
                };
                Fault::setting(check, format!("the answer is {answer}: {advice}"))
            }
            Flaw::NotSent(status) => Fault::setting(check, not_sent(*status)),
            Flaw::Reopened => Fault::setting(
                check,
                format!("it is opened again by another server: {}", advice(StatusCode::NOT_FOUND)),
            ),
            Flaw::NotWebSocket => {
                Fault::setting(check, format!("101, but what follows is no WebSocket: {UPGRADE}"))
            }
            Flaw::Silent => self.silent(check, transport, time, around.mute),
            Flaw::Ended => Fault::unavailable(
                check,
                "it ends at once: a proxy or the server cuts it; the log of either says why".to_owned(),
            ),
            Flaw::Garbage => Fault::setting(
                check,
                "what comes is not SockJS's: something on the way changes it, or it is another server"
                    .to_owned(),
            ),
            Flaw::Closed(code, reason) => Fault::unavailable(
                check,
                format!("the server closes it: {code} {reason} (docs/troubleshooting.md)"),
            ),
        }
    }

    fn silent(&self, check: &'static str, transport: Transport, time: Duration, mute: bool) -> Fault {
        let held = if self.compressed { COMPRESSED } else { BUFFERED };
        match self.stage {
            Stage::HeldBack => Fault::setting(
                check,
                format!("buffered: the server has begun, and nothing came within {time:?}: {held}"),
            ),
            Stage::Asking if mute => Fault::setting(
                check,
                format!(
                    "it opens, and what pushnote answers (hello) is not answered within {time:?}: is it a SockJS of another \
                     server, or an older version?"
                ),
            ),
            Stage::Asking if transport.is_websocket() => Fault::unavailable(
                check,
                format!(
                    "it opens, and then nothing comes within {time:?}: what is between passes only its beginning on"
                ),
            ),
            Stage::Asking => Fault::setting(
                check,
                format!("buffered: it opens, and the next frame did not come within {time:?}: {held}"),
            ),
            Stage::Opening if transport.is_websocket() => {
                Fault::unavailable(check, format!("no answer within {time:?}: {UPGRADE}"))
            }
            Stage::Opening => Fault::unavailable(
                check,
                format!(
                    "no answer within {time:?}, and the server does not know of it: a proxy keeps the request, or sends \
                         the next to another server (docs/deploy.md#stickiness)"
                ),
            ),
        }
    }
}

fn websocket_advice(status: StatusCode) -> String {
    match status.as_u16() {
        403 => advice(status),
        404 => {
            "it is not there: does the proxy pass this path on, too? Or it is off at the server".to_owned()
        }
        502..=504 => {
            format!("the proxy has no answer of the server for it, and if the others are well: {UPGRADE}")
        }
        300..=399 => "WebSockets follow no redirection: give pages the URL that it leads to".to_owned(),
        401 | 407 | 429 => advice(status),
        _ => format!("not 101: {UPGRADE}"),
    }
}

fn advice(status: StatusCode) -> String {
    match status.as_u16() {
        403 => "the page's origin is kept out: add it to the server's allowed_origin; or a firewall's rule is against it".to_owned(),
        401 | 407 => "whoever connects has to log in there: leave these paths out of it in the proxy".to_owned(),
        404 => "the server does not know of it: it is off there, the proxy does not pass the path on, or several servers are \
                behind it without stickiness (docs/deploy.md#stickiness)"
            .to_owned(),
        405 => "the proxy lets no such request pass: allow GET, POST and OPTIONS".to_owned(),
        413 => "the proxy takes no bodies of that size".to_owned(),
        429 => "too many of one address: behind a proxy, all pages have its address unless the server has trusted_proxy \
                (docs/limits.md)"
            .to_owned(),
        300..=399 => "a redirection: give pages the URL that it leads to".to_owned(),
        502..=504 => "the proxy does not reach the server, or that ends".to_owned(),
        _ => "the log of the proxy or of the server says why".to_owned(),
    }
}

fn not_sent(status: StatusCode) -> String {
    let number = status.as_u16();
    match number {
        404 => "what is sent reaches a server that does not know the session: several servers without stickiness \
                (docs/deploy.md#stickiness)"
            .to_owned(),
        _ => format!("it opens, and what is sent is answered with {number}: {}", advice(status)),
    }
}
