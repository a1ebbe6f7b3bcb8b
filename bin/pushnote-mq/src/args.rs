//! The command line: the original's flags, and what came since.

use clap::Parser;
use pushnote_shell::{ListenArgs, MetricsArgs};
use pushnote_zmtp::Endpoint;

use crate::peers::PeerArgs;

/// Passes messages from applications on to pushnote servers.
///
/// Applications connect to --sub and publish there; servers connect to --pub. PUSHNOTE_LOG sets what is logged
/// (default: info).
#[derive(Debug, Parser)]
#[command(name = "pushnote-mq", version)]
pub(crate) struct Args {
    /// Where applications connect to, as in tcp://127.0.0.1:8002. May be given several times.
    #[arg(
        short,
        long,
        env = "PUSHNOTE_SUB",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        required = true
    )]
    pub(crate) sub: Vec<Endpoint>,

    /// Where servers connect to, as in tcp://127.0.0.1:8001. May be given several times.
    #[arg(
        short,
        long,
        env = "PUSHNOTE_PUB",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        required = true
    )]
    pub(crate) r#pub: Vec<Endpoint>,

    /// Where applications connect to that want to hear which servers have a message. May be given several times.
    #[arg(long, env = "PUSHNOTE_ACK", value_name = "ENDPOINT", value_delimiter = ',')]
    pub(crate) ack: Vec<Endpoint>,

    /// Longest message of which --ack gives a receipt, in bytes: the servers' own --message-bytes-max (65536)
    #[arg(long, env = "PUSHNOTE_MESSAGE_BYTES_MAX", value_name = "BYTES")]
    pub(crate) message_bytes_max: Option<usize>,

    #[command(flatten)]
    pub(crate) listen: ListenArgs,

    #[command(flatten)]
    pub(crate) peers: PeerArgs,

    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
}

impl Args {
    /// All endpoints it listens on, each with its flag.
    pub(crate) fn listening(&self) -> Vec<(&'static str, &Endpoint)> {
        let ends = [("--sub", &self.sub), ("--pub", &self.r#pub), ("--ack", &self.ack)];
        ends.into_iter().flat_map(|(flag, all)| all.iter().map(move |endpoint| (flag, endpoint))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_well_formed() {
        Args::command().debug_assert();
    }
}
