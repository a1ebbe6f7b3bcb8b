//! The browser's side: what a page sees at a URL, through whatever proxy is in front.

mod attempt;
mod beside;
mod frames;
mod http;
mod info;
mod keep_alive;
mod question;
mod session;
mod site;
mod sticky;
mod tls;
mod token;
mod transport;
mod trouble;
mod verdict;
mod way;

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use clap::ValueEnum;
use futures_util::future::{join, join_all};
use pushnote_cli::Failure;

use self::attempt::Attempt;
use self::beside::Beside;
use self::http::Jar;
use self::info::Info;
use self::keep_alive::Held;
use self::question::Question;
use self::session::Session;
use self::site::Site;
use self::sticky::Stickiness;
use self::token::Token;
pub(super) use self::transport::Transport;
use self::verdict::Around;
use super::args::DoctorArgs;
use super::report::{Fault, Report};

/// Connections are held no longer, unless it is asked for: how long a server lets pass between heartbeats is its own word.
const HELD_MAX: Duration = Duration::from_secs(5 * 60);

/// What is to be looked at, and how.
pub(super) struct Page {
    site: Site,
    transports: Vec<Transport>,
    token: Option<Token>,
    question: Question,
    keep_alive: Option<Duration>,
    insecure: bool,
}

/// What one transport, or what stands beside them, is like.
enum Look {
    Session(Attempt),
    Beside(Transport, Beside),
}

impl Page {
    pub(super) fn new(url: &str, args: &DoctorArgs) -> Result<Self, Failure> {
        let flags = &args.page;
        let tls = tls::config(flags.ca.as_deref(), flags.insecure)?;
        let site = Site::new(url, flags.origin.as_deref(), args.timeout, tls)?;
        let token = token::read(flags)?;
        let text = token.as_ref().map(|token| token.text.as_str());
        let question = Question::new(text, flags.channel.as_deref());
        let all = || Transport::value_variants().to_vec();
        let transports = if flags.transport.is_empty() { all() } else { flags.transport.clone() };
        Ok(Self { site, transports, token, question, keep_alive: flags.keep_alive, insecure: flags.insecure })
    }

    /// What no line may show.
    pub(super) fn token(&self) -> Option<String> {
        self.token.as_ref().map(|token| token.text.clone())
    }

    /// Checks from the name up to what a page gets; what is behind a step that fails is left out.
    /// Where the server sends its pages, there this one is from then on.
    pub(super) async fn examine(&mut self, report: &mut Report) {
        if let Err((check, trouble)) = way::examine(&self.site, self.insecure, report).await {
            return report.fail("page", &self.site.fault(check, &trouble));
        }
        let Some(mut info) = info::examine(&self.site, report).await else { return };
        if let Some(url) = &info.base_url {
            let moved = match self.site.moved(url) {
                Ok(moved) => moved,
                Err(error) => return report.fail("page", &Fault::setting("base_url", error)),
            };
            report.ok("page", "base_url", format_args!("pages are sent to {}", moved.url()));
            if moved.host() != self.site.host() {
                info.jar = Jar::default();
            }
            self.site = moved;
            if let Err((check, trouble)) = way::examine(&self.site, self.insecure, report).await {
                return report.fail("page", &self.site.fault(check, &trouble));
            }
        }
        self.examine_transports(&info, report).await;
    }

    /// A page of the user whom nobody is, subscribed, if a token for one was made.
    pub(super) async fn as_nobody(&self) -> Option<(String, Session<'_>)> {
        let user = self.token.as_ref()?.nobody.clone()?;
        let receive = self.transports.iter().find_map(|transport| transport.receive())?;
        let mut session = Session::new(&self.site, receive, &Jar::default());
        session.open().await.ok()?;
        self.question.ask(&mut session, self.site.timeout).await.ok()?;
        Some((user, session))
    }

    /// All at once: what fails takes its time. What is known is told before connections have been held for long.
    async fn examine_transports(&self, info: &Info, report: &mut Report) {
        let site = &self.site;
        let time = self.keep_alive.unwrap_or((info.heartbeat_delay + site.timeout).min(HELD_MAX));
        let looks = join_all(self.transports.iter().map(|&transport| self.look_at(site, info, transport)));
        let looks = join(looks, self.stickiness(site, info));
        let told = async {
            let (looks, sticky) = looks.await;
            self.tell(site, info, &looks, report);
            sticky.tell(site, report);
            if !time.is_zero() && stderr().is_terminal() {
                eprintln!("(holding connections for {time:?}; --keep-alive=0s leaves that out)");
            }
        };
        let ((), held) = join(told, self.hold(site, info, time)).await;
        for held in held {
            held.tell(info, report);
        }
    }

    /// What transports are like, and what the token is.
    fn tell(&self, site: &Site, info: &Info, looks: &[Look], report: &mut Report) {
        let unanswered = |look: &Look| match look {
            Look::Session(attempt) => attempt.is_unanswered(),
            Look::Beside(..) => true,
        };
        let around = Around { site, info, mute: looks.iter().all(unanswered) };
        for look in looks {
            match look {
                Look::Session(attempt) => attempt.tell(&around, report),
                Look::Beside(transport, beside) => beside.tell(*transport, report),
            }
        }
        let verdict = looks.iter().find_map(|look| match look {
            Look::Session(Attempt { ended: Ok(success), .. }) => success.verdict.as_ref(),
            _ => None,
        });
        if let Some(verdict) = verdict {
            token::judge(self.token.as_ref(), verdict, info, report);
        }
    }

    async fn look_at(&self, site: &Site, info: &Info, transport: Transport) -> Look {
        match transport.receive() {
            Some(receive) => {
                let attempt = Attempt::make(site, transport, receive, &self.question, info);
                Look::Session(attempt.await)
            }
            None if transport == Transport::Events => {
                Look::Beside(transport, beside::events(site, info).await)
            }
            None => Look::Beside(transport, beside::iframe(site, info).await),
        }
    }

    /// With the first transport whose sessions are of several requests.
    async fn stickiness(&self, site: &Site, info: &Info) -> Stickiness {
        let wanted = [Transport::XhrPolling, Transport::XhrStreaming, Transport::Eventsource];
        match wanted.into_iter().find(|transport| self.transports.contains(transport)) {
            Some(transport) => sticky::try_out(site, info, transport).await,
            None => Stickiness::Unknown,
        }
    }

    /// A WebSocket and a stream, of those that are looked at.
    async fn hold(&self, site: &Site, info: &Info, time: Duration) -> Vec<Held> {
        if time.is_zero() {
            return Vec::new();
        }
        let streams = [Transport::XhrStreaming, Transport::Eventsource, Transport::Htmlfile];
        let stream = streams.into_iter().find(|stream| self.transports.contains(stream));
        let socket = Some(Transport::Websocket).filter(|socket| self.transports.contains(socket));
        let held = socket.into_iter().chain(stream).filter_map(|transport| {
            Some(keep_alive::hold(site, info, transport, transport.receive()?, time))
        });
        join_all(held).await.into_iter().flatten().collect()
    }
}
