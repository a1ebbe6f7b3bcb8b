//! The flags of `pushnote bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use pushnote_load::Preset;

/// A flag without a value that is given: one that is not has a value, too.
const GIVEN: &str = "true";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushnote bench --url ws://127.0.0.1:8080/sockjs/websocket --publish tcp://127.0.0.1:8002 --pid $(pidof pushnote-server)
  pushnote bench --preset sockjs-websocket --url http://127.0.0.1:8080/sockjs --publish tcp://127.0.0.1:8002 \\
      --in-flight 16 --limit --pid PID --pin-server 0 --pin-generator 1 --json out.json
  pushnote bench --url ws://127.0.0.1:8080/sockjs/websocket -n 10000 --messages 0 --duration 30s --pid PID
  pushnote bench --resume --limit --url ws://127.0.0.1:8080/sockjs/websocket --publish tcp://127.0.0.1:8002 --pid PID
  pushnote bench --stall --url ws://127.0.0.1:8080/sockjs/websocket --publish tcp://127.0.0.1:8002 --pid PID
  pushnote bench --limit")]
pub(crate) struct BenchArgs {
    /// Server to connect to, as in ws://127.0.0.1:8080/sockjs/websocket; repeat to share out the connections
    #[arg(long)]
    pub(crate) url: Vec<String>,

    /// Protocol spoken to the server
    #[arg(long, value_enum, default_value = "raw")]
    pub(crate) preset: PresetFlag,

    /// Connections
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1000)]
    pub(crate) connections: usize,

    /// Where messages are published: tcp://HOST:PORT for ZeroMQ (also zmq:tcp://…), or the http:// URL to POST to
    #[arg(long, value_name = "WHERE")]
    pub(crate) publish: Option<String>,

    /// Header of HTTP publishing, as in 'X-API-Key: secret'; repeat for several
    #[arg(long, value_name = "HEADER")]
    pub(crate) publish_header: Vec<String>,

    /// Those who come back: all connections say hello and break off, --messages (1000) are published meanwhile, and all
    /// come back at once with their cursors and read until each has every message; the preset is pushnote
    #[arg(long, conflicts_with_all = ["stall", "rate", "in_flight", "users", "stalled_percent", "churn", "svg"])]
    pub(crate) resume: bool,

    /// Those who are slow: in the middle of a steady rate, --stalled-percent (10) of the connections do not read for
    /// --duration, and read on; tells the others' latencies without, with and after that, and the server's memory
    #[arg(long, conflicts_with_all = ["in_flight", "users", "churn", "limit", "messages", "svg"])]
    pub(crate) stall: bool,

    /// Closed loop: publish so many messages at once, and the next when all connections have them
    #[arg(long, value_name = "W", default_value_t = 1, conflicts_with = "rate")]
    pub(crate) in_flight: u32,

    /// Open loop: messages per second, sent when due whatever the server does; latency counts from then
    #[arg(long, value_name = "R", default_value_if("stall", GIVEN, "100"))]
    pub(crate) rate: Option<f64>,

    /// Bytes of one message, 44 to 65536; 200 with --resume and --stall
    #[arg(long, value_name = "BYTES", default_value_t = 128, default_value_ifs = [
        ("resume", GIVEN, "200"), ("stall", GIVEN, "200"),
    ])]
    pub(crate) payload_bytes: usize,

    /// Messages to measure, at most; 0 publishes none and measures idle connections for --duration
    #[arg(long, value_name = "N", default_value_if("resume", GIVEN, "1000"))]
    pub(crate) messages: Option<u64>,

    /// How long to measure, at most, as in 10s
    #[arg(long, default_value = "5s", value_parser = pushnote_config::duration)]
    pub(crate) duration: Duration,

    /// How long to run before measuring
    #[arg(long, default_value = "1s", value_parser = pushnote_config::duration)]
    pub(crate) warmup: Duration,

    /// How long to wait for what does not come, before it is lost
    #[arg(long, default_value = "10s", value_parser = pushnote_config::duration)]
    pub(crate) timeout: Duration,

    /// Targeted: the connections are shared out among so many users, and each message goes to the next user;
    /// needs the server's secret (--secret-file or PUSHNOTE_SECRET)
    #[arg(long = "user", alias = "users", value_name = "USERS")]
    pub(crate) users: Option<usize>,

    /// File with the server's secret, for --user
    #[arg(long, env = "PUSHNOTE_SECRET_FILE", value_name = "PATH")]
    pub(crate) secret_file: Option<PathBuf>,

    /// Process of the server, whose CPU time and memory are measured; repeat for several
    #[arg(long)]
    pub(crate) pid: Vec<u32>,

    /// Percentage of the connections that never read, or with --stall not for a while
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, default_value_if("stall", GIVEN, "10"))]
    pub(crate) stalled_percent: f64,

    /// Further connections that come and go, so many a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 0)]
    pub(crate) churn: u32,

    /// Measure first, in the same way, the bare limit: a loop of send(2) over as many sockets
    #[arg(long, conflicts_with = "users")]
    pub(crate) limit: bool,

    /// Core that the server (and the bare limit) is kept on
    #[arg(long, value_name = "CORE")]
    pub(crate) pin_server: Option<usize>,

    /// Core that the load is made on
    #[arg(long, value_name = "CORE")]
    pub(crate) pin_generator: Option<usize>,

    /// Writes the figures there, too
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,

    /// Draws the latencies there
    #[arg(long, value_name = "PATH")]
    pub(crate) svg: Option<PathBuf>,

    /// Allow a server that is not on this machine
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// Be the bare limit: serve on a free port until the publisher goes
    #[arg(long, hide = true, exclusive = true)]
    pub(crate) serve_limit: bool,
}

/// A preset as a flag names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PresetFlag(pub(crate) Preset);

impl ValueEnum for PresetFlag {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [PresetFlag; Preset::ALL.len()] = {
            let mut all = [PresetFlag(Preset::Raw); Preset::ALL.len()];
            let mut at = 0;
            while at < all.len() {
                all[at] = PresetFlag(Preset::ALL[at]);
                at += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let value = PossibleValue::new(self.0.name()).help(self.0.description());
        Some(if self.0 == Preset::Raw { value.alias("nchan") } else { value })
    }
}
