//! Whether the requests of one session reach one server.

use std::fmt;

use http::StatusCode;

use super::info::Info;
use super::session::{Flaw, Session};
use super::site::Site;
use super::transport::{Receive, Transport};
use crate::doctor::report::{Fault, Report};

const CHECK: &str = "stickiness";
/// A coin that falls on the same side as often is none.
const REQUESTS: usize = 12;

/// What came of one session's requests.
pub(super) enum Stickiness {
    One,
    /// By cookies alone, of these names; whether pages of another site bring them.
    Cookies {
        names: String,
        cross_sites: bool,
    },
    Several {
        missed: usize,
    },
    /// There was no session to try it with.
    Unknown,
}

/// Sends nothing, often, to one session.
pub(super) async fn try_out(site: &Site, info: &Info, transport: Transport) -> Stickiness {
    match missed(site, info, transport, true).await {
        Ok((0, session)) if session.jar().cookies().is_empty() => Stickiness::One,
        Ok((0, session)) => {
            let cookies = session.jar().cookies();
            let names: Vec<_> = cookies.iter().map(|cookie| cookie.name.as_str()).collect();
            let cross_sites = cookies.iter().all(|cookie| cookie.crosses_sites);
            match missed(site, info, transport, false).await {
                Ok((1.., _)) => Stickiness::Cookies { names: names.join(", "), cross_sites },
                _ => Stickiness::One,
            }
        }
        Ok((missed, _)) => Stickiness::Several { missed },
        Err(_) => Stickiness::Unknown,
    }
}

/// How many requests reached a server that does not know of the session.
async fn missed<'a>(
    site: &'a Site,
    info: &Info,
    transport: Transport,
    with_cookies: bool,
) -> Result<(usize, Session<'a>), Flaw> {
    let receive = transport.receive().unwrap_or(Receive::WebSocket { raw: true });
    let mut session = Session::new(site, receive, &info.jar);
    if !with_cookies {
        session.forget_cookies();
    }
    session.open().await?;
    if !with_cookies {
        session.forget_cookies();
    }
    let mut missed = 0;
    for _ in 0..REQUESTS {
        match session.post(&[]).await? {
            StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS => missed += 1,
            _ => {}
        }
    }
    Ok((missed, session))
}

impl Stickiness {
    pub(super) fn tell(&self, site: &Site, report: &mut Report) {
        match self {
            Self::One => {
                report.ok("page", CHECK, format_args!("{REQUESTS} of {REQUESTS} requests of a session reached its server"));
            }
            Self::Cookies { names, cross_sites: false } if site.is_other_site() => report.fail(
                "page",
                &Fault::setting(
                    CHECK,
                    format!(
                        "by a cookie ({names}) that pages of {} do not bring: make it SameSite=None; Secure, or have the \
                         balancer hash the session's part of the path{self}",
                        site.origin
                    ),
                ),
            ),
            Self::Cookies { names, .. } => {
                report.ok("page", CHECK, format_args!("by a cookie ({names}): browsers have to bring it"));
            }
            Self::Several { missed } => report.fail(
                "page",
                &Fault::setting(
                    CHECK,
                    format!(
                        "{missed} of {REQUESTS} requests of one session reached a server that does not know it: have the \
                         balancer hash the session's part of the path or the address, or stick to a cookie \
                         (--cookie-needed sets JSESSIONID){self}"
                    ),
                ),
            ),
            Self::Unknown => {}
        }
    }
}

/// Where to read on.
impl fmt::Display for Stickiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(". WebSockets need none (docs/deploy.md#stickiness)")
    }
}
