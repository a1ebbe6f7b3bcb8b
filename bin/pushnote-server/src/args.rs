//! The command line: the original's flags, and what came since.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use clap::builder::FalseyValueParser;
use pushnote_http::{AllowedOrigin, Network};
use pushnote_shell::{ListenArgs, MetricsArgs, seconds};
use pushnote_zmtp::Endpoint;
use pushnote_zmtp::curve::PublicKey;

/// Serves browsers by SockJS and WebSocket with what applications publish over ZeroMQ.
///
/// Secrets come by file or environment, never by flag: set PUSHNOTE_SECRET or --secret-file.
#[derive(Debug, Parser)]
#[command(name = "pushnote-server", version)]
pub(crate) struct Args {
    /// TCP port for browsers; 0 takes a free one
    #[arg(short, long, env = "PUSHNOTE_PORT", default_value_t = 8080)]
    pub(crate) port: u16,

    /// IP address for browsers; empty for every address of the machine
    #[arg(short, long, env = "PUSHNOTE_ADDRESS", default_value = "")]
    pub(crate) address: String,

    /// Unix socket for browsers' requests, instead of --port and --address: for a proxy in front on this machine, whose
    /// X-Forwarded-For is believed. Who may connect is up to the folder it lies in
    #[arg(long, env = "PUSHNOTE_UNIX_SOCKET", value_name = "PATH")]
    pub(crate) unix_socket: Option<PathBuf>,

    /// ZeroMQ endpoint: the forwarder's --pub, or several forwarders' with commas between them, to lose nothing when
    /// one of them is lost; with --single the endpoint that applications publish to
    #[arg(
        short = 's',
        long = "mq_socket",
        alias = "mq-socket",
        env = "PUSHNOTE_MQ_SOCKET",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        required = true
    )]
    pub(crate) mq_socket: Vec<Endpoint>,

    /// With --single: ZeroMQ endpoint for applications that want to hear that a message was taken
    #[arg(long, env = "PUSHNOTE_ACK", value_name = "ENDPOINT", value_delimiter = ',')]
    pub(crate) ack: Vec<Endpoint>,

    /// Seconds between heartbeats on ZeroMQ; a forwarder or application that answers none for twice as long is
    /// given up, and the forwarder connected to again
    #[arg(long, env = "PUSHNOTE_HEARTBEAT_INTERVAL", value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub(crate) heartbeat_interval: Duration,

    /// Path that SockJS is served under
    #[arg(short, long, env = "PUSHNOTE_ROUTE", default_value = "/sockjs")]
    pub(crate) route: String,

    /// Works without a forwarder: binds the ZeroMQ endpoint instead of connecting to it
    #[arg(short = 'S', long, env = "PUSHNOTE_SINGLE", value_parser = FalseyValueParser::new())]
    pub(crate) single: bool,

    #[command(flatten)]
    pub(crate) listen: ListenArgs,

    /// CURVE public key of the forwarder that is connected to
    #[arg(long, env = "PUSHNOTE_CURVE_SERVER_KEY", value_name = "KEY", allow_hyphen_values = true)]
    pub(crate) curve_server_key: Option<PublicKey>,

    /// File with the secret that user tokens are signed with; several lines for rotation, the newest first
    #[arg(long, env = "PUSHNOTE_SECRET_FILE", value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,

    /// Seconds after which a timestamped token is refused; 0 for never
    #[arg(long, env = "PUSHNOTE_TOKEN_MAX_AGE", value_name = "SECONDS", default_value_t = 86_400)]
    pub(crate) token_max_age: u64,

    /// File with the PUSHNOTE_SALT of an original pushnote: accepts its tokens too, which anyone who knows
    /// the salt can forge
    #[arg(long, env = "PUSHNOTE_LEGACY_SALT_FILE", value_name = "PATH")]
    pub(crate) legacy_salt_file: Option<PathBuf>,

    /// Origin that pages may connect from, as in `https://example.org`, `https://*.example.org` or `*`; repeat for several; all without it
    #[arg(long, env = "PUSHNOTE_ALLOWED_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub(crate) allowed_origin: Vec<AllowedOrigin>,

    /// Proxy in front whose X-Forwarded-For tells the browser's address, as in 127.0.0.1 or 10.0.0.0/8; repeat for several;
    /// none without it. What counts by address then counts each browser
    #[arg(long, env = "PUSHNOTE_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',')]
    pub(crate) trusted_proxy: Vec<Network>,

    /// Sets the cookie JSESSIONID, for a load balancer that sends a browser to the server whose cookie it brings
    #[arg(long, env = "PUSHNOTE_COOKIE_NEEDED", value_parser = FalseyValueParser::new())]
    pub(crate) cookie_needed: bool,

    /// What clients of SockJS get for a message: its value, as the original's pages want it, or a string that holds its
    /// JSON text, as Spring's SockJsClient and others want it, who know strings alone
    #[arg(long, env = "PUSHNOTE_MESSAGE_FORM", value_name = "FORM", default_value = "value")]
    pub(crate) message_form: MessageForm,

    /// URL of sockjs-client for the iframe page of very old browsers
    #[arg(long, env = "PUSHNOTE_SOCKJS_URL", value_name = "URL")]
    pub(crate) sockjs_url: Option<String>,

    /// Most TCP connections of browsers at once (100000, or fewer where the limit of open files is lower)
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_MAX", value_name = "N")]
    pub(crate) connections_max: Option<usize>,

    /// Most TCP connections from one address at once; no limit without it; leave it unset behind a proxy
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_PER_IP_MAX", value_name = "N")]
    pub(crate) connections_per_ip_max: Option<usize>,

    /// Most sessions over HTTP that one address opens within a second, and most messages that it sends to sessions that
    /// are not there; behind a proxy this is for all browsers together, unless --trusted-proxy names it (1000)
    #[arg(long, env = "PUSHNOTE_SESSIONS_PER_SECOND_MAX", value_name = "N")]
    pub(crate) sessions_per_second_max: Option<u32>,

    /// Most connections of one user at once (100)
    #[arg(long, env = "PUSHNOTE_CONNECTIONS_PER_USER_MAX", value_name = "N")]
    pub(crate) connections_per_user_max: Option<usize>,

    /// Longest message that is taken from applications, in bytes (65536)
    #[arg(long, env = "PUSHNOTE_MESSAGE_BYTES_MAX", value_name = "BYTES")]
    pub(crate) message_bytes_max: Option<usize>,

    /// Bytes that may wait for one connection before it is closed as a slow consumer (1048576)
    #[arg(long, env = "PUSHNOTE_OUTBOX_BYTES_MAX", value_name = "BYTES")]
    pub(crate) outbox_bytes_max: Option<usize>,

    /// Seconds after which a browser that was sent nothing gets a heartbeat; less than what any proxy in front takes for
    /// idle (25)
    #[arg(long, env = "PUSHNOTE_HEARTBEAT_DELAY", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) heartbeat_delay: Option<u64>,

    /// Microseconds that messages of a steady stream wait for each other, to leave in one system call; 0 for not
    /// at all
    #[arg(long, env = "PUSHNOTE_COALESCING_WINDOW", value_name = "MICROSECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100_000))]
    pub(crate) coalescing_window: u64,

    /// Seconds that connections get to leave when the server ends (30)
    #[arg(long, env = "PUSHNOTE_DRAIN_DEADLINE", value_name = "SECONDS")]
    pub(crate) drain_deadline: Option<u64>,

    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

/// The elements of SockJS's `a[…]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MessageForm {
    String,
    Value,
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
    fn the_originals_command_lines_parse() {
        let forwarded =
            "pushnote-server --port=8080 --mq_socket=tcp://127.0.0.1:8001 --route=/sockjs --address=";
        let args = Args::try_parse_from(forwarded.split(' ')).unwrap();
        assert_eq!((args.port, args.address.as_str(), args.single), (8080, "", false));

        let single = "pushnote-server -S -p 8080 -s tcp://127.0.0.1:8002 -r /sockjs -a 127.0.0.1";
        let args = Args::try_parse_from(single.split(' ')).unwrap();
        assert_eq!((args.mq_socket[0].to_string().as_str(), args.single), ("tcp://127.0.0.1:8002", true));

        let dashed = "pushnote-server --single --mq-socket tcp://127.0.0.1:8002";
        assert!(Args::try_parse_from(dashed.split(' ')).unwrap().single);
    }

    #[test]
    fn an_origin_in_another_form_is_refused_at_start_and_the_right_one_is_named() {
        let with = |origin| {
            Args::try_parse_from([
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
