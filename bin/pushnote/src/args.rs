//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use pushnote_config::{ConnectArgs, KeyArgs};

use crate::mq_socket::MQ_SOCKET;
use crate::publish::PushArgs;

/// Tries pushnote out, publishes by hand, makes tokens.
#[derive(Debug, Parser)]
#[command(name = "pushnote", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: ToolCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolCommand {
    /// Measures a server under load, its deliveries counted and checked
    Bench(Box<crate::bench::BenchArgs>),
    /// Checks, explains and shows the settings of pushnote-server and pushnote-mq
    Config(ConfigArgs),
    /// Starts everything on this machine alone, with a demo page
    Dev(DevArgs),
    /// Checks what a page gets at a URL, or a ZeroMQ set-up, from outside, and says what is wrong and what to do
    Doctor(Box<crate::doctor::DoctorArgs>),
    /// Writes manual pages and what shells complete, of all three programs, for those who package them
    #[command(hide = true)]
    Generate(GenerateArgs),
    /// Asks a server or forwarder whether it is well, for a container's HEALTHCHECK: exit code 0 says so
    Health(HealthArgs),
    /// Makes a CURVE key pair, with which the ends of a ZeroMQ connection prove who they are, or shows one's public key
    Keygen(KeygenArgs),
    /// Publishes one message
    Publish(Box<PublishArgs>),
    /// Prints what is published, as a page gets it, one message a line
    Tail(TailArgs),
    /// Makes a token with which a browser subscribes as a user, or to a channel; says what is wrong with one
    Token(TokenArgs),
    /// Sends Web Push by hand, and takes over subscriptions of solidwebpush
    Webpush(crate::webpush::WebPushArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    /// TCP port of the demo page on 127.0.0.1; 0 takes a free one
    #[arg(short, long, default_value_t = 8080)]
    pub(crate) port: u16,

    /// ZeroMQ endpoint that applications publish to
    #[arg(short = 's', long = "mq_socket", alias = "mq-socket", env = "PUSHNOTE_MQ_SOCKET", default_value = MQ_SOCKET)]
    pub(crate) mq_socket: String,

    /// User that the page's ready-made token is for
    #[arg(short, long, default_value = "42")]
    pub(crate) user: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    pub(crate) action: ConfigAction,

    /// With --print: the file of settings
    #[arg(long, env = "PUSHNOTE_CONFIG", value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ConfigAction {
    /// Says what is wrong with this file of settings
    #[arg(long, value_name = "PATH")]
    pub(crate) check: Option<PathBuf>,

    /// Prints every setting as it is in force here, and where it comes from: the file, the environment, or the defaults
    #[arg(long)]
    pub(crate) print: bool,

    /// Prints a file with every setting explained, and its default
    #[arg(long)]
    pub(crate) default: bool,

    /// Prints the page docs/configuration.md
    #[arg(long, hide = true)]
    pub(crate) manual: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GenerateArgs {
    /// Folder that gets man/, bash/, zsh/ and fish/
    #[arg(value_name = "PATH")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct HealthArgs {
    /// Where it says so: /health on a server's port, and on that of --metrics
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/health")]
    pub(crate) url: String,
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeygenArgs {
    /// New file for the secret key, or with --api for that key, for its owner alone; without it, the key is printed
    #[arg(long, value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,

    /// Prints the public key of the secret key in this file, instead of making one
    #[arg(long, value_name = "PATH", conflicts_with = "secret_file")]
    pub(crate) public: Option<PathBuf>,

    /// Makes a key of the HTTP API instead, for an application of this name, and the line that --api-keys' file has for it
    #[arg(long, value_name = "NAME", value_parser = key_name, conflicts_with = "public")]
    pub(crate) api: Option<String>,

    /// With --api: what the key is good for, of publish, read and manage
    #[arg(long, value_name = "RIGHTS", requires = "api", default_value = "publish,read", value_parser = rights)]
    pub(crate) rights: String,
}

fn rights(text: &str) -> Result<String, String> {
    let line = format!("key {text} {}", pushnote_http::key_hash(""));
    pushnote_http::ApiKeys::parse(&line).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A word, as a line of --api-keys' file begins with.
fn key_name(text: &str) -> Result<String, String> {
    let is_word =
        !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#');
    if is_word { Ok(text.to_owned()) } else { Err("give a name without spaces and #".to_owned()) }
}

#[derive(Debug, clap::Args)]
pub(crate) struct PublishArgs {
    /// The message: one JSON value, as in '{"msg":"Hi all!"}'; - reads it from standard input
    #[arg(value_name = "JSON")]
    pub(crate) json: String,

    /// User to send it to; repeat for several, or put commas between them. With --channel, too, it goes to both, and to each
    /// page once; without either, to everyone
    #[arg(short, long, value_delimiter = ',')]
    pub(crate) user: Vec<String>,

    /// Channel to send it to, for all who have subscribed to that; repeat for several (a comma is part of its name)
    #[arg(short, long)]
    pub(crate) channel: Vec<String>,

    /// What kind of message it is, for scripts in browsers to tell by
    #[arg(short, long)]
    pub(crate) event: Option<String>,

    #[command(flatten)]
    pub(crate) push: PushArgs,

    /// ZeroMQ endpoint of pushnote-mq's --sub, of pushnote-server --single, or of pushnote dev, whose it is without this; the
    /// environment variable PUSHNOTE_MQ_SOCKET does as well
    #[arg(short = 's', long = "mq_socket", alias = "mq-socket")]
    pub(crate) mq_socket: Option<String>,

    /// ZeroMQ endpoint of pushnote-mq's or a single server's --ack: waits to hear which servers have the message, and
    /// prints it; the environment variable PUSHNOTE_ACK_SOCKET does as well
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) ack: Option<String>,

    /// Publishes over HTTP instead, to the API of this server, as in http://127.0.0.1:8081, whatever the environment says
    #[arg(long, value_name = "URL", conflicts_with_all = ["mq_socket", "ack"])]
    pub(crate) url: Option<String>,

    /// With --url: file with the key of the API; the environment variable PUSHNOTE_API_KEY does as well
    #[arg(long, value_name = "PATH", requires = "url")]
    pub(crate) api_key_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,

    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// How long to wait for somebody to take it, as in 5s
    #[arg(long, default_value = "5s", value_parser = pushnote_config::duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// Where browsers are served
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,

    /// Channel to hear besides what is for everyone; repeat for several. One that is not public needs the server's secret
    #[arg(short, long)]
    pub(crate) channel: Vec<String>,

    /// User whose messages to hear, with the server's secret; repeat for several
    #[arg(short, long)]
    pub(crate) user: Vec<String>,

    /// File with the server's secret; the environment variable PUSHNOTE_SECRET does as well
    #[arg(long, env = "PUSHNOTE_SECRET_FILE", value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("whose").required(true)))]
pub(crate) struct TokenArgs {
    /// The user's id, as the application knows it
    #[arg(group = "whose")]
    pub(crate) user: Option<String>,

    /// The same, as other commands have it
    #[arg(short, long = "user", value_name = "USER", group = "whose")]
    pub(crate) user_flag: Option<String>,

    /// Channel that whoever has the token may subscribe to, instead of a user
    #[arg(short, long, group = "whose")]
    pub(crate) channel: Option<String>,

    /// Says whom and what this token is for and how long it is good, or what is wrong with it; - reads it from standard
    /// input
    #[arg(long, value_name = "TOKEN", group = "whose", conflicts_with = "ttl")]
    pub(crate) check: Option<String>,

    /// With --check: files with public keys of those who sign JWTs, as of pushnote-server
    #[arg(long, value_name = "PATH", requires = "check")]
    pub(crate) jwt_keys: Vec<PathBuf>,

    /// How long it is valid, as in 1h or 30m; without it, as long as the server takes tokens of its age
    #[arg(long, value_parser = pushnote_config::duration)]
    pub(crate) ttl: Option<Duration>,

    /// File with the server's secret; the environment variable PUSHNOTE_SECRET does as well
    #[arg(long, env = "PUSHNOTE_SECRET_FILE", value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn users_with_commas_between_them_are_several() {
        let args = Args::try_parse_from(["pushnote", "publish", "1", "--user", "42,43", "-u", "44"]).unwrap();
        assert!(matches!(args.command, ToolCommand::Publish(publish) if publish.user == ["42", "43", "44"]));
    }
}
