//! `pushnote-mq`: the ZeroMQ forwarder between applications and servers.

mod peers;

use std::process::ExitCode;

use clap::Parser;
use pushnote_forwarder::{End, Forwarder, Settings, Way};
use pushnote_shell::{Failure, ListenArgs, raise_open_files_limit, say, shutdown_signal, start_logs};
use pushnote_zmtp::Endpoint;

use crate::peers::PeerArgs;

/// Passes messages from applications on to pushnote servers.
///
/// Applications connect to --sub and publish there; servers connect to --pub. PUSHNOTE_LOG sets what is logged
/// (default: info).
#[derive(Debug, Parser)]
#[command(name = "pushnote-mq", version)]
struct Args {
    /// Where applications connect to, as in tcp://127.0.0.1:8002. May be given several times.
    #[arg(
        short,
        long,
        env = "PUSHNOTE_SUB",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        required = true
    )]
    sub: Vec<Endpoint>,

    /// Where servers connect to, as in tcp://127.0.0.1:8001. May be given several times.
    #[arg(
        short,
        long,
        env = "PUSHNOTE_PUB",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        required = true
    )]
    r#pub: Vec<Endpoint>,

    /// Where applications connect to that want to hear which servers have a message. May be given several times.
    #[arg(long, env = "PUSHNOTE_ACK", value_name = "ENDPOINT", value_delimiter = ',')]
    ack: Vec<Endpoint>,

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    peers: PeerArgs,
}

fn main() -> ExitCode {
    pushnote_shell::main(|args: Args| {
        start_logs()?;
        raise_open_files_limit();
        // One thread moves millions of messages a second; more would only wait for each other.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::system(format!("cannot start: {error}")))?;
        runtime.block_on(run(args))
    })
}

async fn run(args: Args) -> Result<(), Failure> {
    let ends = [("--sub", &args.sub), ("--pub", &args.r#pub), ("--ack", &args.ack)];
    let exposable: Vec<_> =
        ends.into_iter().flat_map(|(flag, all)| all.iter().map(move |endpoint| (flag, endpoint))).collect();
    let options = args.listen.options(&exposable)?;
    let settings = Settings {
        options: args.peers.applied_to(options),
        sub: args.sub.into_iter().map(Way::Listen).collect(),
        r#pub: args.r#pub.into_iter().map(Way::Listen).collect(),
        ack: args.ack,
        ..Settings::default()
    };
    let shutdown = shutdown_signal()?;
    let forwarder =
        Forwarder::bind(settings).await.map_err(|error| Failure::unavailable(format!("--{error}")))?;
    let ends = [
        (End::Sub, forwarder.sub_endpoints()),
        (End::Pub, forwarder.pub_endpoints()),
        (End::Ack, forwarder.ack_endpoints()),
    ];
    for (end, endpoints) in ends {
        for endpoint in endpoints {
            say(format_args!("{end} listening on {endpoint}"));
        }
    }
    forwarder.run(shutdown).await;
    Ok(())
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
