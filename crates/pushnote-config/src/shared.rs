//! Settings that several programs have.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use pushnote_net::Network;
use pushnote_zmtp::curve::PublicKey;

use crate::values::{count, listed, listener};

// A doc comment on these structures would take the place of a program's own in its help.

#[expect(missing_docs, reason = "the comment above")]
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Who may connect over ZeroMQ")]
pub struct ListenArgs {
    #[command(flatten)]
    pub key: KeyArgs,

    /// File with the CURVE public keys that may connect, one `publish KEY`, `subscribe KEY` or `both KEY` a line;
    /// any key without it
    #[arg(long, env = "PUSHNOTE_CURVE_CLIENTS", value_name = "PATH")]
    pub curve_clients: Option<PathBuf>,

    /// Network that ZeroMQ peers may connect from, as in 10.0.0.0/8; repeat for several; all without it
    #[arg(long, env = "PUSHNOTE_ALLOW_NETWORK", value_name = "CIDR", value_delimiter = ',', value_parser = listed::<Network>)]
    pub allow_network: Vec<Network>,

    /// Most ZeroMQ peers connected to one end at once: each process that publishes is one, and each server
    #[arg(long, env = "PUSHNOTE_PEERS_MAX", value_name = "N", value_parser = count::<usize>, default_value_t = 1024)]
    pub peers_max: usize,

    /// Listens without CURVE also where other machines can connect, who may then read, forge and inject messages
    #[arg(long, env = "PUSHNOTE_ALLOW_PLAINTEXT", value_parser = FalseyValueParser::new())]
    pub allow_plaintext: bool,
}

#[expect(missing_docs, reason = "the comment above")]
#[derive(Debug, Default, clap::Args)]
pub struct KeyArgs {
    /// File with the CURVE secret key of this end, as `pushnote keygen` writes it: ZeroMQ peers are authenticated
    /// and everything between them is encrypted
    #[arg(long, env = "PUSHNOTE_CURVE_SECRET_KEY_FILE", value_name = "PATH")]
    pub curve_secret_key_file: Option<PathBuf>,
}

#[expect(missing_docs, reason = "the comment above")]
#[derive(Debug, Default, clap::Args)]
pub struct ConnectArgs {
    /// CURVE public key of the end that is connected to
    #[arg(long, env = "PUSHNOTE_CURVE_SERVER_KEY", value_name = "KEY", allow_hyphen_values = true)]
    pub curve_server_key: Option<PublicKey>,
}

#[expect(missing_docs, reason = "the comment above")]
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Monitoring")]
pub struct MetricsArgs {
    /// Address for monitoring over HTTP, as in 127.0.0.1:9000: /metrics for Prometheus, with the addresses of ZeroMQ
    /// peers, and /health; not served without it
    #[arg(long, env = "PUSHNOTE_METRICS", value_name = "ADDRESS", value_parser = address)]
    pub metrics: Option<SocketAddr>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    listener(text, None)
        .ok_or_else(|| "give an IP address and a port, as in 127.0.0.1:9000 or [::1]:9000".to_owned())
}
