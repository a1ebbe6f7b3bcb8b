//! Flags on how peers are treated.

use std::time::Duration;

use pushnote_shell::seconds;
use pushnote_zmtp::{Options, SlowSubscriber};

#[derive(Debug, clap::Args)]
pub(crate) struct PeerArgs {
    /// What happens when 8 MiB wait for a subscriber that does not read on from the history: drop (it misses messages, nobody else notices),
    /// disconnect:SECONDS (as drop, and its connection is closed when that lasts so long), or wait (nothing is
    /// lost, and one stalled subscriber holds up everybody)
    #[arg(long, env = "PUSHNOTE_SLOW_SUBSCRIBER", value_name = "POLICY", default_value = "drop", value_parser = slow_subscriber)]
    slow_subscriber: SlowSubscriber,

    /// Bytes of the last messages that are kept for servers whose link breaks or that are slow; 0 keeps none
    #[arg(long, env = "PUSHNOTE_HISTORY_BYTES", value_name = "BYTES", default_value_t = 16 << 20)]
    history_bytes: usize,

    /// Seconds between heartbeats; a peer that answers none for twice as long is given up
    #[arg(long, env = "PUSHNOTE_HEARTBEAT_INTERVAL", value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    heartbeat_interval: Duration,
}

impl PeerArgs {
    pub(crate) fn applied_to(&self, options: Options) -> Options {
        Options {
            slow_subscriber: self.slow_subscriber,
            history_bytes_max: self.history_bytes,
            heartbeat_interval: self.heartbeat_interval,
            ..options
        }
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
