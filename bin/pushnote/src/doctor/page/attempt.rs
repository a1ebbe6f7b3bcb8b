//! One transport, as a browser uses it: opened, asked, closed.

use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::info::Info;
use super::question::{Question, Verdict, fastest};
use super::session::{Flaw, Session};
use super::site::Site;
use super::transport::{Receive, Transport};

/// Longer than an answer of /info takes, and something waits on the way: HAProxy's is 200 ms.
const DELAY: Duration = Duration::from_millis(150);

/// How it went.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) transport: Transport,
    pub(super) ended: Result<Success, Failed>,
}

#[derive(Debug)]
pub(super) struct Success {
    pub(super) opened: Duration,
    pub(super) answered: Duration,
    pub(super) verdict: Option<Verdict>,
    /// Compressed on the way.
    pub(super) compressed: bool,
    /// Each answer takes so long, where /info does not.
    pub(super) delay: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Failed {
    pub(super) flaw: Flaw,
    pub(super) stage: Stage,
    pub(super) compressed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Opening,
    /// Nothing came, and yet the server has the session: what it sends is kept back.
    HeldBack,
    Asking,
}

impl Attempt {
    pub(super) async fn make(
        site: &Site,
        transport: Transport,
        receive: Receive,
        question: &Question,
        info: &Info,
    ) -> Self {
        let mut session = Session::new(site, receive, &info.jar);
        let started = Instant::now();
        if let Err(flaw) = session.open().await {
            let mut stage = Stage::Opening;
            if matches!(flaw, Flaw::Silent) && !transport.is_websocket() {
                let known = session.post(&[]).await;
                if known.is_ok_and(|status| matches!(status, StatusCode::OK | StatusCode::NO_CONTENT)) {
                    stage = Stage::HeldBack;
                }
            }
            let compressed = session.compressed;
            return Self { transport, ended: Err(Failed { flaw, stage, compressed }) };
        }
        let (opened, asked) = (started.elapsed(), Instant::now());
        let compressed = session.compressed;
        let ended = match question.ask(&mut session, site.timeout).await {
            Ok(verdict) => {
                let answered = asked.elapsed();
                let limit = info.took + DELAY;
                let delay =
                    if answered > limit { fastest(&mut session, site.timeout).await.ok() } else { None };
                let delay = delay.filter(|delay| *delay > limit);
                Ok(Success { opened, answered, verdict, compressed, delay })
            }
            Err(flaw) => Err(Failed { flaw, stage: Stage::Asking, compressed }),
        };
        session.close().await;
        Self { transport, ended }
    }
}
