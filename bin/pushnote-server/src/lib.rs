//! `pushnote-server`: serves browsers by SockJS and WebSocket with what applications publish; and what is wrong with its
//! settings, for who wants to know without starting it.

mod check;
mod idle;
mod lightpush;
mod listening;
mod mq;
mod push;
mod redis;
mod settings;
mod webhook;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use pushnote_cli::{
    Failure, InheritedSockets, idle_faults, raise_open_files_limit, reread_clients, reread_on_hangup, say,
    say_metrics, shutdown_signal, start_logs, tell_ready, warn_at_start,
};
use pushnote_config::Server;
use pushnote_http::{Settings, ZeroMq};
use pushnote_net::Listener;

pub use check::{faults, places, warnings};

/// Fewer than these, because the system allows no more open files, are worth a warning.
const FEW_CONNECTIONS: usize = 5_000;

/// Behind the drain's deadline: the last lines of the log, and what is on its way to the disk.
const END_GRACE: Duration = Duration::from_secs(10);

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    pushnote_cli::main_with_settings(|args: Server| {
        let args = Arc::new(args);
        mq::ways_in(&args)?;
        idle_faults(&*args, &args.given, idle::TABLE).into_iter().next().map_or(Ok(()), Err)?;
        mq::forwarders(&args)?;
        let mut sockets = InheritedSockets::from_environment(listening::HTTP_SOCKET)?;
        listening::apart(&args, &sockets)?;
        listening::fallback(&args, &sockets)?;
        let _logs = start_logs()?;
        warn_at_start(warnings(&args));
        let open_files_max = raise_open_files_limit();
        let mut settings = settings::from_args(&args, open_files_max)?;
        let options = mq::options(&args, &settings.limits)?;
        let runtime = tokio::runtime::Runtime::new()
            .map_err(|error| Failure::system(format!("cannot start threads: {error}")))?;
        runtime.block_on(async {
            let shutdown = shutdown_signal(Duration::from_secs(args.drain_deadline) + END_GRACE)?;
            let secrets = settings::reread_secrets(&args, &settings);
            settings.push = push::options(&args, settings.log.as_ref()).await?;
            settings.api = settings::api(&args, &mut sockets)?;
            settings.lightpush = lightpush::listen(&args, &mut sockets)?;
            let api_keys = settings::reread_api_keys(&args, settings.api.as_ref());
            let clients = reread_clients(&args.listen, &options);
            reread_on_hangup(secrets.into_iter().chain(clients).chain(api_keys).collect())?;
            let listener = listening::listen(&args, &mut sockets).await?;
            sockets.none_left(listening::SOCKETS)?;
            let source = mq::source(&args, options).await?;
            announce(&args, &listener, &source, &settings)?;
            mq::announce_subscriptions(&source);
            tell_limits(&args, &settings, open_files_max);
            tell_ready();
            let drained = pushnote_http::run(listener, source, settings, shutdown)
                .await
                .map_err(|error| Failure::software(error.to_string()))?;
            tracing::info!(told = drained.told, left = drained.left, "ended");
            Ok(())
        })
    })
}

/// One line on stdout once everything listens, for people and for supervisors.
fn announce(args: &Server, listener: &Listener, source: &ZeroMq, settings: &Settings) -> Result<(), Failure> {
    let addresses = listener.local_addresses().map_err(|error| Failure::system(error.to_string()))?;
    for endpoint in source.responder.local_endpoints() {
        say(format_args!("ack listening on {endpoint}"));
    }
    let hears = mq::described(args, source);
    for address in addresses {
        say(format_args!("listening on http://{address}{}, {hears}", settings.route));
    }
    for path in listener.local_paths().map_err(|error| Failure::system(error.to_string()))? {
        // As nginx writes it.
        say(format_args!("listening on http://unix:{}:{}, {hears}", path.display(), settings.route));
    }
    if let Some(listener) = settings.api.as_ref().and_then(|api| api.listener.as_ref()) {
        let addresses = listener.local_addresses().map_err(|error| Failure::system(error.to_string()))?;
        addresses.iter().for_each(|address| say(format_args!("api listening on http://{address}/v1/")));
    }
    if let Some(lightpush) = &settings.lightpush {
        let addresses =
            lightpush.listener.local_addresses().map_err(|error| Failure::system(error.to_string()))?;
        addresses.iter().for_each(|address| say(format_args!("lightpush listening on http://{address}")));
    }
    settings.metrics.iter().for_each(say_metrics);
    Ok(())
}

fn tell_limits(args: &Server, settings: &Settings, open_files_max: u64) {
    let connections_max = settings.limits.connections_max;
    if args.limits.connections_max.is_none() && connections_max < FEW_CONNECTIONS {
        tracing::warn!(
            connections_max,
            open_files_max,
            "few connections: raise the limit of open files (ulimit -n, or LimitNOFILE of systemd)"
        );
    } else {
        tracing::info!(connections_max, open_files_max, "limits");
    }
}
