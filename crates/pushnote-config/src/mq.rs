//! The settings of `pushnote-mq`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use pushnote_core::Limits;
use pushnote_zmtp::{Endpoint, SlowSubscriber};

use crate::given::Given;
use crate::schema::Schema;
use crate::shared::{ListenArgs, MetricsArgs};
use crate::values::{bytes, listed, seconds};

/// Passes messages from applications on to pushnote servers.
///
/// Applications connect to --sub and publish there; servers connect to --pub. PUSHNOTE_LOG sets what is logged
/// (default: info).
#[derive(Debug, Parser)]
#[command(name = "pushnote-mq", version)]
pub struct Mq {
    /// File with these settings, in its table `[mq]`, each named as its flag; `pushnote config --default` writes one
    #[arg(long, env = "PUSHNOTE_CONFIG", value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// Where applications connect to, as in tcp://127.0.0.1:8002. May be given several times.
    #[arg(
        short,
        long,
        env = "PUSHNOTE_SUB",
        value_name = "ENDPOINT",
        value_delimiter = ',', value_parser = listed::<Endpoint>,
        required = true
    )]
    pub sub: Vec<Endpoint>,

    /// Where servers connect to, as in tcp://127.0.0.1:8001. May be given several times.
    #[arg(
        short,
        long,
        env = "PUSHNOTE_PUB",
        value_name = "ENDPOINT",
        value_delimiter = ',', value_parser = listed::<Endpoint>,
        required = true
    )]
    pub r#pub: Vec<Endpoint>,

    /// Where applications connect to that want to hear which servers have a message. May be given several times.
    #[arg(long, env = "PUSHNOTE_ACK", value_name = "ENDPOINT", value_delimiter = ',', value_parser = listed::<Endpoint>)]
    pub ack: Vec<Endpoint>,

    /// Longest message of which --ack gives a receipt, in bytes: the servers' own --message-bytes-max
    #[arg(long, env = "PUSHNOTE_MESSAGE_BYTES_MAX", value_name = "BYTES", value_parser = bytes, default_value_t = Limits::default().message_bytes_max)]
    pub message_bytes_max: usize,

    /// What happens when 8 MiB wait for a subscriber that does not read on from the history: drop (it misses messages,
    /// nobody else notices), disconnect:SECONDS (as drop, and its connection is closed when that lasts so long), or wait
    /// (nothing is lost, and one stalled subscriber holds up everybody)
    #[arg(long, env = "PUSHNOTE_SLOW_SUBSCRIBER", value_name = "POLICY", default_value = "drop", value_parser = slow_subscriber)]
    pub slow_subscriber: SlowSubscriber,

    /// Bytes of the last messages that are kept for servers whose link breaks or that are slow; 0 keeps none
    #[arg(long, env = "PUSHNOTE_HISTORY_BYTES", value_name = "BYTES", value_parser = bytes, default_value_t = pushnote_core::HISTORY_BYTES_MAX)]
    pub history_bytes: usize,

    /// Seconds between heartbeats; a peer that answers none for twice as long is given up
    #[arg(long, env = "PUSHNOTE_HEARTBEAT_INTERVAL", value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub heartbeat_interval: Duration,

    /// Who may connect.
    #[command(flatten)]
    pub listen: ListenArgs,

    /// Monitoring.
    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// What of these somebody has set.
    #[arg(skip)]
    pub given: Given,
}

impl Schema for Mq {
    const TABLE: &'static str = "mq";
    const PROGRAM: &'static str = "pushnote-mq";

    fn given(&mut self) -> &mut Given {
        &mut self.given
    }
}

fn slow_subscriber(text: &str) -> Result<SlowSubscriber, String> {
    match text.split_once(':') {
        None if text == "drop" => Ok(SlowSubscriber::DropNewest),
        None if text == "wait" => Ok(SlowSubscriber::Wait),
        Some(("disconnect", after)) => seconds(after).map(SlowSubscriber::Disconnect),
        _ => Err("give drop, disconnect:SECONDS (as in disconnect:5) or wait".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_well_formed() {
        Mq::command().debug_assert();
    }

    #[test]
    fn the_three_policies_parse_and_nothing_else() {
        assert_eq!(slow_subscriber("drop"), Ok(SlowSubscriber::DropNewest));
        assert_eq!(slow_subscriber("wait"), Ok(SlowSubscriber::Wait));
        let after = Duration::from_millis(2500);
        assert_eq!(slow_subscriber("disconnect:2.5"), Ok(SlowSubscriber::Disconnect(after)));
        for text in ["", "Drop", "disconnect", "disconnect:", "disconnect:0", "disconnect:-1", "wait:5"] {
            assert!(slow_subscriber(text).is_err(), "{text}");
        }
    }
}
