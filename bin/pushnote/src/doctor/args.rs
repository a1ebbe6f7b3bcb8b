//! The flags of `pushnote doctor`.

use std::time::Duration;

use pushnote_config::{ConnectArgs, KeyArgs};
use pushnote_zmtp::Endpoint;

use crate::mq_socket::MQ_SOCKET;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushnote doctor --mq-sub=tcp://127.0.0.1:8002 --mq-pub=tcp://127.0.0.1:8001
  pushnote doctor --mq=tcp://127.0.0.1:8002

Nothing it does reaches a browser. The exit code is 0 when no check failed, 78 when a setting is wrong, 69 when
something does not answer.")]
pub(crate) struct DoctorArgs {
    /// Endpoint that applications publish to: pushnote-mq's --sub, or that of pushnote-server --single
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) mq_sub: Option<Endpoint>,

    /// Endpoint that servers subscribe at: pushnote-mq's --pub
    #[arg(long, value_name = "ENDPOINT")]
    pub(crate) mq_pub: Option<Endpoint>,

    /// Endpoint of either kind, looked at when neither --mq-sub nor --mq-pub is given
    #[arg(short = 's', long, visible_alias = "mq_socket", env = "PUSHNOTE_MQ_SOCKET", value_name = "ENDPOINT", default_value = MQ_SOCKET)]
    pub(crate) mq: Endpoint,

    #[command(flatten)]
    pub(crate) connect: ConnectArgs,

    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// How long each step may take, as in 3s
    #[arg(long, default_value = "3s", value_parser = pushnote_config::duration)]
    pub(crate) timeout: Duration,
}
