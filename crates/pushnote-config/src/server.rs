//! The settings of `pushnote-server`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::FalseyValueParser;
use http::Uri;
use pushnote_core::{ChannelRules, ChannelRulesError, HistoryRule, Limits, LimitsError};
use pushnote_net::Network;
use pushnote_relay::{Locations, LocationsError};
use pushnote_sockjs::AllowedOrigin;
use pushnote_store::Fsync;
use pushnote_zmtp::Endpoint;

use crate::channels::ChannelTables;
use crate::given::Given;
use crate::lightpush::LightpushArgs;
use crate::limits::LimitArgs;
use crate::locations::{LocationTables, http_origin};
use crate::push::PushArgs;
use crate::redis::RedisArgs;
use crate::schema::Schema;
use crate::shared::{ConnectArgs, ListenArgs, MetricsArgs};
use crate::values::{age, api_address, cookie_name, fsync, ip_address, listed, port, seconds, whole_seconds};
use crate::webhook::WebhookArgs;

/// Serves browsers by SockJS and WebSocket with what applications publish over ZeroMQ.
///
/// Secrets come by file or environment, never by flag: set PUSHNOTE_SECRET or --secret-file.
#[derive(Debug, Parser)]
#[command(name = "pushnote-server", version)]
pub struct Server {
    /// File with these settings, in its table `[server]`, each named as its flag; `pushnote config --default` writes one
    #[arg(long, env = "PUSHNOTE_CONFIG", value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// TCP port for browsers; 0 takes a free one
    #[arg(short, long, env = "PUSHNOTE_PORT", default_value_t = 8080, value_parser = port)]
    pub port: u16,

    /// IP address for browsers; empty for every address of the machine
    #[arg(short, long, env = "PUSHNOTE_ADDRESS", default_value = "", value_parser = listen_address)]
    pub address: ListenAddress,

    /// Unix socket for browsers' requests, instead of --port and --address: for a proxy in front on this machine, whose
    /// X-Forwarded-For is believed. Who may connect is up to the folder it lies in
    #[arg(long, env = "PUSHNOTE_UNIX_SOCKET", value_name = "PATH")]
    pub unix_socket: Option<PathBuf>,

    /// ZeroMQ endpoint: the forwarder's --pub, or several forwarders' with commas between them, to lose nothing when
    /// one of them is lost; with --single the endpoint that applications publish to, which may be left away where messages
    /// come in another way: by --api, --redis, --lightpush-port or --locations
    #[arg(
        short = 's',
        long = "mq_socket",
        alias = "mq-socket",
        env = "PUSHNOTE_MQ_SOCKET",
        value_name = "ENDPOINT",
        value_delimiter = ',', value_parser = listed::<Endpoint>
    )]
    pub mq_socket: Vec<Endpoint>,

    /// With --single: ZeroMQ endpoint for applications that want to hear that a message was taken
    #[arg(long, env = "PUSHNOTE_ACK", value_name = "ENDPOINT", value_delimiter = ',', value_parser = listed::<Endpoint>)]
    pub ack: Vec<Endpoint>,

    /// With a forwarder: its --sub endpoint, or those of several with commas between them, where what comes in over HTTP is
    /// published; without it such messages are refused
    #[arg(long, env = "PUSHNOTE_PUBLISH_TO", value_name = "ENDPOINT", value_delimiter = ',', value_parser = listed::<Endpoint>)]
    pub publish_to: Vec<Endpoint>,

    /// With --publish-to: the forwarders' --ack endpoints, to answer such messages when servers have them
    #[arg(long, env = "PUSHNOTE_PUBLISH_ACK", value_name = "ENDPOINT", value_delimiter = ',', value_parser = listed::<Endpoint>)]
    pub publish_ack: Vec<Endpoint>,

    /// Seconds between heartbeats on ZeroMQ; a forwarder or application that answers none for twice as long is
    /// given up, and the forwarder connected to again
    #[arg(long, env = "PUSHNOTE_HEARTBEAT_INTERVAL", value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub heartbeat_interval: Duration,

    /// Address and port of the API for applications: POST /v1/publish and more; an address alone takes port 8081. The URL
    /// that applications have in PUSHNOTE_API, as in http://127.0.0.1:8081, says the same. It goes with --api-keys
    #[arg(long, env = "PUSHNOTE_API", value_name = "ADDRESS:PORT", value_parser = api_address)]
    pub api: Option<SocketAddr>,

    /// File with the keys of those who may use the API, each as its hash: `pushnote keygen --api` makes a key and its line
    #[arg(long, env = "PUSHNOTE_API_KEYS", value_name = "PATH")]
    pub api_keys: Option<PathBuf>,

    /// Path that SockJS is served under
    #[arg(short, long, env = "PUSHNOTE_ROUTE", default_value = "/sockjs")]
    pub route: String,

    /// Works without a forwarder: binds the ZeroMQ endpoint instead of connecting to it
    #[arg(short = 'S', long, env = "PUSHNOTE_SINGLE", value_parser = FalseyValueParser::new())]
    pub single: bool,

    /// Which forwarder.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// File with the secret that user tokens are signed with; several lines for rotation, the newest first
    #[arg(long, env = "PUSHNOTE_SECRET_FILE", value_name = "PATH")]
    pub secret_file: Option<PathBuf>,

    /// Time after which a timestamped token is refused, as in 86400 or 24h; 0 for never
    #[arg(long, env = "PUSHNOTE_TOKEN_MAX_AGE", value_name = "SECONDS", default_value = "86400", value_parser = age)]
    pub token_max_age: u64,

    /// File with the PUSHNOTE_SALT of an original pushnote: accepts its tokens too, which anyone who knows
    /// the salt can forge
    #[arg(long, env = "PUSHNOTE_LEGACY_SALT_FILE", value_name = "PATH")]
    pub legacy_salt_file: Option<PathBuf>,

    /// File with public keys (PEM, or a JWK set) of those who may sign tokens as JWTs, besides those who know the secret;
    /// repeat for several
    #[arg(long, env = "PUSHNOTE_JWT_KEYS", value_name = "PATH", value_delimiter = ',', value_parser = listed::<PathBuf>)]
    pub jwt_keys: Vec<PathBuf>,

    /// Rule for the channels whose names begin with its prefix; of several, the one with the longest counts. End a prefix with
    /// a dot: "news" is for "newspaper", too, "news." is not. With public = true nobody needs a token (without it, everybody
    /// does); history_count, history_age and history_bytes say what is kept at most (without them, as much as the log has);
    /// with presence = true subscribers may ask who is there (without it, they may not); slow says what becomes of one that is
    /// slower than what is kept: "gap" (the default: it is told), "latest" (it gets the newest message alone) or "disconnect".
    /// A file has a table `[[server.channels]]` for each; a flag, and the variable, a TOML table in one line, or several in a
    /// list: `[{ prefix = "a." }, { prefix = "b." }]`
    #[arg(long, env = "PUSHNOTE_CHANNELS", value_name = "TABLE")]
    pub channels: Vec<ChannelTables>,

    /// Locations of the Basic HTTP Push Relay Protocol, as django-pushserver and nginx_http_push_module have them: paths at
    /// which an application publishes by POST and pages ask for messages by GET. A file has a table `[[server.locations]]` for
    /// each, with the keys of django-pushserver's, a flag a TOML table in one line (docs/relay.md)
    #[arg(long, env = "PUSHNOTE_LOCATIONS", value_name = "TABLE")]
    pub locations: Vec<LocationTables>,

    /// Address of an application on HTTP, as in `http://127.0.0.1:8000`, that gets all requests which are for nothing
    /// else here (docs/fallback.md); without it they are answered with 404
    #[arg(long, env = "PUSHNOTE_FALLBACK", value_name = "URL", value_parser = http_origin)]
    pub fallback: Option<Uri>,

    /// Origin that pages may connect from, as in `https://example.org`, `https://*.example.org` or `*`; repeat for
    /// several; all without it
    #[arg(long, env = "PUSHNOTE_ALLOWED_ORIGINS", value_name = "ORIGIN", value_delimiter = ',', value_parser = listed::<AllowedOrigin>)]
    pub allowed_origin: Vec<AllowedOrigin>,

    /// Proxy in front whose X-Forwarded-For tells the browser's address, as in 127.0.0.1 or 10.0.0.0/8; repeat for
    /// several; none without it: then all browsers behind a proxy count as one address. With it each has its own, but
    /// for --connections-per-ip-max: a proxy's connections are the proxy's
    #[arg(long, env = "PUSHNOTE_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',', value_parser = listed::<Network>)]
    pub trusted_proxy: Vec<Network>,

    /// Sets the cookie JSESSIONID, for a load balancer that sends a browser to the server whose cookie it brings
    #[arg(long, env = "PUSHNOTE_COOKIE_NEEDED", value_parser = FalseyValueParser::new())]
    pub cookie_needed: bool,

    /// Cookie in which a page may bring its token to /events, of this server's own origin or of one that is named by
    /// --allowed-origin
    #[arg(long, env = "PUSHNOTE_TOKEN_COOKIE", value_name = "NAME", default_value = "pushnote_token", value_parser = cookie_name)]
    pub token_cookie: String,

    /// What clients of SockJS get for a message: its value, as the original's pages want it, or a string that holds its
    /// JSON text, as Spring's SockJsClient and others want it, who know strings alone
    #[arg(long, env = "PUSHNOTE_MESSAGE_FORM", value_name = "FORM", default_value = "value")]
    pub message_form: MessageForm,

    /// URL of sockjs-client for the iframe page of very old browsers
    #[arg(long, env = "PUSHNOTE_SOCKJS_URL", value_name = "URL")]
    pub sockjs_url: Option<String>,

    /// Microseconds that messages of a steady stream wait for each other, to leave in one system call; 0 for not
    /// at all
    #[arg(long, env = "PUSHNOTE_COALESCING_WINDOW", value_name = "MICROSECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100_000))]
    pub coalescing_window: u64,

    /// Directory for the last messages, which are kept there over a restart: within the same limits as in memory. Without it
    /// they are in memory alone
    #[arg(long, env = "PUSHNOTE_DATA_DIR", value_name = "PATH")]
    pub data_dir: Option<PathBuf>,

    /// With --data-dir: when the disk is made to have what is kept. With "always" before a receipt is given, with
    /// "interval:SECONDS" so long after it (the default, after a second), with "never" when the system gets round to it. A
    /// server that is killed loses nothing in any case; this is about a machine that is
    #[arg(long, env = "PUSHNOTE_FSYNC", value_name = "POLICY", value_parser = fsync)]
    pub fsync: Option<Fsync>,

    /// Time that connections get to leave when the server ends
    #[arg(long, env = "PUSHNOTE_DRAIN_DEADLINE", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().drain_deadline_s)]
    pub drain_deadline: u64,

    /// Who may connect over ZeroMQ.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// What is heard from Redis.
    #[command(flatten)]
    pub redis: RedisArgs,

    /// lightpush's pages and publishers.
    #[command(flatten)]
    pub lightpush: LightpushArgs,

    /// Messages to browsers whose page is closed.
    #[command(flatten)]
    pub push: PushArgs,

    /// How far messages have come.
    #[command(flatten)]
    pub webhook: WebhookArgs,

    /// What a client may take.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Monitoring.
    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// What of these somebody has set.
    #[arg(skip)]
    pub given: Given,
}

impl Schema for Server {
    const TABLE: &'static str = "server";
    const PROGRAM: &'static str = "pushnote-server";

    fn given(&mut self) -> &mut Given {
        &mut self.given
    }
}

impl Server {
    /// What holds for channels.
    ///
    /// # Errors
    /// [`ChannelRulesError`]: rules that do not go together, or that want more than the log has.
    pub fn channel_rules(&self) -> Result<ChannelRules, ChannelRulesError> {
        let LimitArgs { log_bytes_max, log_messages_max, log_age, .. } = self.limits;
        let log =
            HistoryRule { bytes: Some(log_bytes_max), count: Some(log_messages_max), age_s: Some(log_age) };
        let mut rules: Vec<_> = self.channels.iter().flat_map(|tables| tables.0.iter().cloned()).collect();
        let redis = self.redis.rule();
        rules.extend(redis.filter(|(prefix, _)| rules.iter().all(|(other, _)| other != prefix)));
        ChannelRules::new(rules)?.within(&log)
    }

    /// Locations of the push relay protocol.
    ///
    /// # Errors
    /// [`LocationsError`]: locations that do not go together.
    pub fn locations(&self) -> Result<Locations, LocationsError> {
        Locations::new(self.locations.iter().flat_map(|tables| tables.0.iter().cloned()))
    }

    /// All limits; `connections_max` is how many the system allows, and the default for it.
    ///
    /// # Errors
    /// [`LimitsError`]: limits that do not go together.
    pub fn limits(&self, connections_max: usize) -> Result<Limits, LimitsError> {
        self.limits.limits(&Limits {
            connections_max,
            zmq_peers_max: self.listen.peers_max,
            drain_deadline_s: self.drain_deadline,
            ..Limits::default()
        })
    }
}

/// Where browsers connect: an IP address, or `None` for all of this machine's.
pub type ListenAddress = Option<IpAddr>;

fn listen_address(text: &str) -> Result<ListenAddress, String> {
    match text {
        "" | "*" => Ok(None),
        text => ip_address(text)
            .map(Some)
            .ok_or_else(|| "give an IP address of this machine's, or '' for all".to_owned()),
    }
}

/// The elements of SockJS's `a[…]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MessageForm {
    /// Strings that hold JSON texts.
    String,
    /// Values.
    Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_well_formed() {
        Server::command().debug_assert();
    }

    #[test]
    fn the_originals_command_lines_parse() {
        let forwarded =
            "pushnote-server --port=8080 --mq_socket=tcp://127.0.0.1:8001 --route=/sockjs --address=";
        let args = Server::try_parse_from(forwarded.split(' ')).unwrap();
        assert_eq!((args.port, args.address, args.single), (8080, None, false));

        let single = "pushnote-server -S -p 8080 -s tcp://127.0.0.1:8002 -r /sockjs -a 127.0.0.1";
        let args = Server::try_parse_from(single.split(' ')).unwrap();
        assert_eq!((args.mq_socket[0].to_string().as_str(), args.single), ("tcp://127.0.0.1:8002", true));

        let dashed = "pushnote-server --single --mq-socket tcp://127.0.0.1:8002";
        assert!(Server::try_parse_from(dashed.split(' ')).unwrap().single);
    }

    #[test]
    fn an_origin_in_another_form_is_refused_at_start_and_the_right_one_is_named() {
        let with = |origin| {
            Server::try_parse_from([
                "pushnote-server",
                "-Ss",
                "tcp://127.0.0.1:8002",
                "--allowed-origin",
                origin,
            ])
        };
        assert!(with("https://example.org/,https://*.example.org").is_ok());
        for origin in ["example.org", ""] {
            assert!(with(origin).unwrap_err().to_string().contains("https://example.org"), "{origin}");
        }
    }
}
