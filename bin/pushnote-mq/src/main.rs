//! `pushnote-mq`: the ZeroMQ forwarder between applications and servers.

mod metrics;
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

    #[command(flatten)]
    listen: ListenArgs,

    #[command(flatten)]
    peers: PeerArgs,

    #[command(flatten)]
    metrics: metrics::MetricsArgs,
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
    let sub = args.sub.iter().map(|endpoint| ("--sub", endpoint));
    let exposable: Vec<_> = sub.chain(args.r#pub.iter().map(|endpoint| ("--pub", endpoint))).collect();
    let options = args.listen.options(&exposable)?;
    let settings = Settings {
        options: args.peers.applied_to(options),
        sub: args.sub.into_iter().map(Way::Listen).collect(),
        r#pub: args.r#pub.into_iter().map(Way::Listen).collect(),
        ..Settings::default()
    };
    let shutdown = shutdown_signal()?;
    let forwarder =
        Forwarder::bind(settings).await.map_err(|error| Failure::unavailable(format!("--{error}")))?;
    for (end, endpoints) in [(End::Sub, forwarder.sub_endpoints()), (End::Pub, forwarder.pub_endpoints())] {
        for endpoint in endpoints {
            say(format_args!("{end} listening on {endpoint}"));
        }
    }
    args.metrics.serve(&forwarder)?;
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
