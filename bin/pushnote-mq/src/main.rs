//! `pushnote-mq`: the ZeroMQ forwarder between applications and servers.

mod args;
mod peers;

use std::process::ExitCode;

use pushnote_forwarder::{End, Forwarder, Settings, Way};
use pushnote_shell::{
    Failure, raise_open_files_limit, reread_on_hangup, say, say_metrics, shutdown_signal, start_logs,
};

use crate::args::Args;

fn main() -> ExitCode {
    pushnote_shell::main(|args: Args| {
        let _logs = start_logs()?;
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
    let options = args.listen.options(&args.listening())?;
    reread_on_hangup(args.listen.reread_clients(&options).into_iter().collect())?;
    let defaults = Settings::default();
    let settings = Settings {
        options: args.peers.applied_to(options),
        sub: args.sub.into_iter().map(Way::Listen).collect(),
        r#pub: args.r#pub.into_iter().map(Way::Listen).collect(),
        ack: args.ack,
        message_bytes_max: args.message_bytes_max.unwrap_or(defaults.message_bytes_max),
        ..defaults
    };
    let shutdown = shutdown_signal()?;
    let metrics = args.metrics.bind()?;
    let mut forwarder =
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
    if let Some(listener) = metrics {
        say_metrics(&listener);
        let served = forwarder.serve_metrics(listener);
        served.map_err(|error| Failure::system(format!("--metrics: cannot start: {error}")))?;
    }
    forwarder.run(shutdown).await;
    Ok(())
}
