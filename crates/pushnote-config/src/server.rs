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
use crate::lightpush::LightpushArgs;
use crate::locations::{LocationTables, http_origin};
use crate::push::PushArgs;
use crate::redis::RedisArgs;
use crate::schema::Schema;
use crate::shared::{ConnectArgs, ListenArgs, MetricsArgs};
use crate::values::{
    age, api_address, bytes, cookie_name, count, fsync, ip_address, listed, port, seconds, whole_seconds,
};
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
    /// several; none without it. What counts by address then counts each browser
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
}

#[expect(missing_docs, reason = "a doc comment here would take the place of the program's own in its help")]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Most TCP connections of browsers at once (100000, or fewer where the limit of open files is lower); each stream of
    /// HTTP/2 counts as one more
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_MAX", value_name = "N", value_parser = count::<usize>)]
    pub connections_max: Option<usize>,

    /// Most TCP connections from one address at once, counted likewise; no limit without it; leave it unset behind a proxy
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_PER_IP_MAX", value_name = "N", value_parser = count::<usize>)]
    pub connections_per_ip_max: Option<usize>,

    /// Most sessions over HTTP that one address opens within a second, and most messages that it sends to sessions that
    /// are not there, and most requests for Web Push; behind a proxy this is for all browsers together, unless --trusted-proxy
    /// names it
    #[arg(long, env = "PUSHNOTE_SESSIONS_PER_SECOND_MAX", value_name = "N", value_parser = count::<u32>, default_value_t = Limits::default().address_sessions_per_second_max)]
    pub sessions_per_second_max: u32,

    /// Most connections of one user at once
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_PER_USER_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().connections_per_user_max)]
    pub connections_per_user_max: usize,

    /// Most users that one connection subscribes as
    #[arg(long, env = "PUSHNOTE_USERS_PER_CONNECTION_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().users_per_connection_max)]
    pub users_per_connection_max: usize,

    /// Most channels that one connection subscribes to
    #[arg(long, env = "PUSHNOTE_CHANNELS_PER_CONNECTION_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().channels_per_connection_max)]
    pub channels_per_connection_max: usize,

    /// Longest message that is taken from applications, in bytes
    #[arg(long, env = "PUSHNOTE_MESSAGE_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().message_bytes_max)]
    pub message_bytes_max: usize,

    /// Longest frame of a ZeroMQ peer, in bytes: a message with the users it is for
    #[arg(long, env = "PUSHNOTE_ZMQ_FRAME_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().zmq_frame_bytes_max)]
    pub zmq_frame_bytes_max: usize,

    /// Bytes of memory for the last messages: what those get who were away or are slow
    #[arg(long, env = "PUSHNOTE_LOG_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().log_bytes_max)]
    pub log_bytes_max: usize,

    /// Most messages that are kept so
    #[arg(long, env = "PUSHNOTE_LOG_MESSAGES_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().log_messages_max)]
    pub log_messages_max: usize,

    /// Time for which each is kept, an hour at most
    #[arg(long, env = "PUSHNOTE_LOG_AGE", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().log_age_s)]
    pub log_age: u64,

    /// Bytes of one streaming response before its client opens another
    #[arg(long, env = "PUSHNOTE_RESPONSE_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().response_bytes_max)]
    pub response_bytes_max: usize,

    /// Longest message of a browser, or body of its request, in bytes
    #[arg(long, env = "PUSHNOTE_BODY_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().body_bytes_max)]
    pub body_bytes_max: usize,

    /// Longest head of a request, in bytes
    #[arg(long, env = "PUSHNOTE_HEADER_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().header_bytes_max)]
    pub header_bytes_max: usize,

    /// Longest token, in bytes
    #[arg(long, env = "PUSHNOTE_TOKEN_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().token_bytes_max)]
    pub token_bytes_max: usize,

    /// Time from a connection's begin to the end of its first request's head
    #[arg(long, env = "PUSHNOTE_HANDSHAKE_TIMEOUT", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().handshake_timeout_s)]
    pub handshake_timeout: u64,

    /// Time that an HTTP connection stays open without a request; more than a proxy in front keeps its own
    #[arg(long, env = "PUSHNOTE_KEEP_ALIVE", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().keep_alive_s)]
    pub keep_alive: u64,

    /// Time in which a client must take something of what is sent to it
    #[arg(long, env = "PUSHNOTE_WRITE_TIMEOUT", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().write_timeout_s)]
    pub write_timeout: u64,

    /// Time that a long poll of a stream waits for a message; less than what any proxy in front takes for idle
    #[arg(long, env = "PUSHNOTE_LONG_POLL", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().long_poll_s)]
    pub long_poll: u64,

    /// Requests that are at the application behind (--fallback) at one time; one more is answered with 503
    #[arg(long, env = "PUSHNOTE_FALLBACK_REQUESTS_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = Limits::default().fallback_requests_max)]
    pub fallback_requests_max: usize,

    /// Time in which the application behind (--fallback) must begin its answer, and longest silence within it
    #[arg(long, env = "PUSHNOTE_FALLBACK_TIMEOUT", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().fallback_timeout_s)]
    pub fallback_timeout: u64,

    /// Time after which a browser that was sent nothing gets a heartbeat; less than what any proxy in front takes for idle
    #[arg(long, env = "PUSHNOTE_HEARTBEAT_DELAY", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().heartbeat_delay_s)]
    pub heartbeat_delay: u64,

    /// Time that a session over HTTP waits for the next request of its client
    #[arg(long, env = "PUSHNOTE_DISCONNECT_DELAY", value_name = "SECONDS", value_parser = whole_seconds, default_value_t = Limits::default().disconnect_delay_s)]
    pub disconnect_delay: u64,
}

impl Schema for Server {
    const TABLE: &'static str = "server";
    const PROGRAM: &'static str = "pushnote-server";
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
        let given = &self.limits;
        let limits = Limits {
            message_bytes_max: given.message_bytes_max,
            body_bytes_max: given.body_bytes_max,
            log_bytes_max: given.log_bytes_max,
            log_messages_max: given.log_messages_max,
            log_age_s: given.log_age,
            response_bytes_max: given.response_bytes_max,
            header_bytes_max: given.header_bytes_max,
            token_bytes_max: given.token_bytes_max,
            zmq_frame_bytes_max: given.zmq_frame_bytes_max,
            zmq_peers_max: self.listen.peers_max,
            connections_max,
            // Behind a proxy every browser has the proxy's address: no limit unless one is asked for.
            connections_per_ip_max: given.connections_per_ip_max.unwrap_or(usize::MAX),
            address_sessions_per_second_max: given.sessions_per_second_max,
            address_misses_per_second_max: given.sessions_per_second_max,
            connections_per_user_max: given.connections_per_user_max,
            users_per_connection_max: given.users_per_connection_max,
            channels_per_connection_max: given.channels_per_connection_max,
            handshake_timeout_s: given.handshake_timeout,
            keep_alive_s: given.keep_alive,
            write_timeout_s: given.write_timeout,
            long_poll_s: given.long_poll,
            fallback_requests_max: given.fallback_requests_max,
            fallback_timeout_s: given.fallback_timeout,
            heartbeat_delay_s: given.heartbeat_delay,
            disconnect_delay_s: given.disconnect_delay,
            drain_deadline_s: self.drain_deadline,
        };
        limits.validate()?;
        Ok(limits)
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
