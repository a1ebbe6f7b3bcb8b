//! The flags of `pushnote doctor`.

use std::path::PathBuf;
use std::time::Duration;

use pushnote_config::{ConnectArgs, KeyArgs};
use pushnote_zmtp::Endpoint;

use super::page::Transport;
use crate::mq_socket::MQ_SOCKET;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushnote doctor https://push.example.org/sockjs --origin https://www.example.org
  pushnote doctor https://push.example.org/sockjs --secret-file=secret --keep-alive=2m
  pushnote doctor --mq-sub=tcp://127.0.0.1:8002 --mq-pub=tcp://127.0.0.1:8001
  pushnote doctor --mq=tcp://127.0.0.1:8002

Given a URL, it does what a page does there, through whatever proxy is in front; without one it looks at ZeroMQ ends, of
which those of --mq-sub and --mq-pub are looked at besides a URL, too. Nothing it does reaches a browser. The exit code is
0 when no check failed, 78 when a setting is wrong, 69 when something does not answer, and 130 when Ctrl-C ends it: what it
has found by then is printed.")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) page: PageArgs,

    /// Endpoint that applications publish to: pushnote-mq's --sub, or that of pushnote-server --single
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) mq_sub: Option<Endpoint>,

    /// Endpoint that servers subscribe at: pushnote-mq's --pub; pushnote-server --single has none
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) mq_pub: Option<Endpoint>,

    /// Endpoint of either kind, looked at when neither a URL nor --mq-sub nor --mq-pub is given
    #[arg(short = 's', long, visible_alias = "mq_socket", env = "PUSHNOTE_MQ_SOCKET", value_name = "ENDPOINT", default_value = MQ_SOCKET)]
    pub(crate) mq: Endpoint,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,

    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// How long each step may take, as in 3s
    #[arg(long, default_value = "3s", value_parser = pushnote_config::seconds)]
    pub(crate) timeout: Duration,
}

/// A time that somebody may want to wait for.
fn held(text: &str) -> Result<Duration, String> {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let time = pushnote_config::duration(text)?;
    if time <= DAY { Ok(time) } else { Err("give a day at most, as in 2m".to_owned()) }
}

/// Of the browser's side.
#[derive(Debug, clap::Args)]
pub(crate) struct PageArgs {
    /// What pages connect to, as in `https://push.example.org/sockjs`
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,

    /// Where these pages are, as their Origin header has it; without it, pages of the URL's own host
    #[arg(long, value_name = "ORIGIN", requires = "url")]
    pub(crate) origin: Option<String>,

    /// A page's token, to see what the server says of it; - reads it from standard input
    #[arg(long, value_name = "TOKEN", requires = "url")]
    pub(crate) token: Option<String>,

    /// Channel to subscribe to, with the token or, if it is public, without
    #[arg(short, long, requires = "url", conflicts_with = "user")]
    pub(crate) channel: Option<String>,

    /// User to make a token for, with the secret; without it, one that nobody is
    #[arg(short, long, requires = "url", conflicts_with = "token")]
    pub(crate) user: Option<String>,

    /// File with the server's secret, to make a token with or to see what is wrong with one; the environment variable
    /// PUSHNOTE_SECRET does as well
    #[arg(long, env = "PUSHNOTE_SECRET_FILE", value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,

    /// Only these ways for messages to come; commas between them
    #[arg(long, value_enum, value_delimiter = ',', requires = "url", value_name = "NAMES")]
    pub(crate) transport: Vec<Transport>,

    /// How long to hold connections open, for timeouts of proxies to be seen; without it, a little longer than the server
    /// lets pass without a heartbeat. 0s leaves it out
    #[arg(long, value_name = "TIME", requires = "url", value_parser = held)]
    pub(crate) keep_alive: Option<Duration>,

    /// File with certificates (PEM) of an authority to trust besides the system's
    #[arg(long, value_name = "PATH", requires = "url")]
    pub(crate) ca: Option<PathBuf>,

    /// Takes any certificate, to look at what is behind a wrong one
    #[arg(long, requires = "url", conflicts_with = "ca")]
    pub(crate) insecure: bool,
}
