//! Whether a connection on which nothing happens lives, and heartbeats come.

use std::time::Duration;

use tokio::time::Instant;

use super::frames::Frame;
use super::info::Info;
use super::session::{Flaw, Session};
use super::site::Site;
use super::transport::{Receive, Transport};
use crate::doctor::report::{Fault, Report};

/// What happened to a connection.
pub(super) struct Held {
    transport: Transport,
    end: End,
}

enum End {
    /// So long, with so many heartbeats.
    Alive(Duration, u32),
    /// Cut after so long, and so long after the last that came.
    Cut(Duration, Duration),
    /// Still there, without a heartbeat for so long.
    Silent(Duration),
    Closed(u16, String),
}

/// Holds a connection for so long; `None` if it does not open, which is told elsewhere.
pub(super) async fn hold(
    site: &Site,
    info: &Info,
    transport: Transport,
    receive: Receive,
    time: Duration,
) -> Option<Held> {
    let mut session = Session::new(site, receive, &info.jar);
    session.open().await.ok()?;
    let started = Instant::now();
    let (end, mut last, mut heartbeats) = (started + time, started, 0);
    let end = loop {
        // A little late is on time.
        let due = last + info.heartbeat_delay + site.timeout;
        match session.next(end.min(due)).await {
            Ok(Frame::Heartbeat) => {
                heartbeats += 1;
                last = Instant::now();
            }
            Ok(Frame::Close(code, reason)) | Err(Flaw::Closed(code, reason)) => {
                break End::Closed(code, reason);
            }
            Ok(Frame::Messages(_) | Frame::Open) => last = Instant::now(),
            Err(Flaw::Silent) if Instant::now() >= end => break End::Alive(started.elapsed(), heartbeats),
            Err(Flaw::Silent) => break End::Silent(last.elapsed()),
            Err(_) => break End::Cut(started.elapsed(), last.elapsed()),
        }
        if Instant::now() >= end {
            break End::Alive(started.elapsed(), heartbeats);
        }
    };
    session.close().await;
    Some(Held { transport, end })
}

impl Held {
    pub(super) fn tell(&self, info: &Info, report: &mut Report) {
        const CHECK: &str = "keep-alive";
        let (name, delay) = (self.transport, info.heartbeat_delay);
        match &self.end {
            End::Alive(time, 0) => report.ok(
                "page",
                CHECK,
                format_args!("{name} is open after {time:.1?}; heartbeats come each {delay:?}, later than that"),
            ),
            End::Alive(time, heartbeats) => {
                report.ok("page", CHECK, format_args!("{name} is open after {time:.1?}, heartbeats: {heartbeats}"));
            }
            End::Closed(code, reason) => report.fail(
                "page",
                &Fault::unavailable(CHECK, format!("{name} was closed by the server: {code} {reason}")),
            ),
            End::Silent(time) => report.fail(
                "page",
                &Fault::setting(
                    CHECK,
                    format!(
                        "{name} is open, and for {time:.1?} no heartbeat came, of which there is one each {delay:?}: something \
                         on the way keeps them back, or has lost the connection without a word (docs/deploy.md)"
                    ),
                ),
            ),
            End::Cut(time, idle) => report.fail(
                "page",
                &Fault::setting(
                    CHECK,
                    format!(
                        "{name} was cut after {time:.1?}, {idle:.1?} after the last byte, before a heartbeat came ({delay:?}): \
                         {}",
                        whose(*idle, delay)
                    ),
                ),
            ),
        }
    }
}

/// Whose timeout that may be, and what to do.
fn whose(idle: Duration, heartbeat_delay: Duration) -> String {
    let known = match idle.as_secs() {
        0 if idle.as_millis() < 500 => "that is no timeout: a proxy refuses it, or a server has ended",
        28..=32 => "30 s are HAProxy's in many examples, and a default of load balancers in clouds",
        48..=57 => "50 s are HAProxy's timeout client and timeout server in many examples, 55 s are Heroku's",
        58..=63 => {
            "60 s are the default of nginx (proxy_read_timeout), Apache (ProxyTimeout) and AWS's load balancers"
        }
        95..=105 => "100 s are Cloudflare's",
        235..=245 => "240 s are Azure's",
        _ => "some timeout on the way is as long",
    };
    format!(
        "{known}. Set what proxies wait (nginx: proxy_read_timeout; HAProxy: timeout client, server and tunnel; Apache: \
         ProxyTimeout) above {heartbeat_delay:?}, or --heartbeat-delay below it (docs/deploy.md)"
    )
}
