//! `pushnote-mq`: the ZeroMQ forwarder between applications and servers; and what is wrong with its settings.

use std::process::ExitCode;
use std::time::Duration;

use pushnote_cli::{
    CLIENTS_WITHOUT_KEY, Failure, Idle, InheritedSockets, Listening, NETWORKS_WITHOUT_TCP,
    PLAINTEXT_WITH_KEY, Places, idle_faults, idle_warnings, listen_for_monitors, listen_options,
    listening_apart, raise_open_files_limit, reread_clients, reread_on_hangup, say, say_metrics,
    shutdown_signal, start_logs, tell_ready, warn_at_start,
};
use pushnote_config::Mq;
use pushnote_forwarder::{End, Forwarder, Settings, Way};
use pushnote_zmtp::{Endpoint, Options};

/// Settings that do nothing without others, or beside them.
const IDLE: &[Idle<Mq>] = &[
    Idle {
        settings: &["message_bytes_max"],
        when: |args| args.ack.is_empty(),
        why: "it is about receipts, and nobody gets one: give --ack, too, or do without",
    },
    Idle {
        settings: &["curve_clients"],
        when: |args| args.listen.key.curve_secret_key_file.is_none(),
        why: CLIENTS_WITHOUT_KEY,
    },
    Idle {
        settings: &["allow_plaintext"],
        when: |args| args.listen.key.curve_secret_key_file.is_some(),
        why: PLAINTEXT_WITH_KEY,
    },
    Idle {
        settings: &["allow_network"],
        when: |args| endpoints(args).iter().all(|(_, endpoint)| matches!(endpoint, Endpoint::Ipc(_))),
        why: NETWORKS_WITHOUT_TCP,
    },
];

/// The program.
#[must_use]
pub fn main() -> ExitCode {
    pushnote_cli::main_with_settings(|args: Mq| {
        // Its peers dial again, and keep meanwhile what they have: no socket has to outlive it.
        let sockets = InheritedSockets::from_environment("")?;
        sockets.none_left("pushnote-mq opens its own: --sub, --pub, --ack, --metrics")?;
        idle_faults(&args, &args.given, IDLE).into_iter().next().map_or(Ok(()), Err)?;
        let _logs = start_logs()?;
        warn_at_start(warnings(&args));
        raise_open_files_limit();
        // One thread moves millions of messages a second; more would only wait for each other.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::system(format!("cannot start: {error}")))?;
        runtime.block_on(run(args))
    })
}

/// What would keep a forwarder with these settings from starting, as far as that is known before it listens.
#[must_use]
pub fn faults(args: &Mq) -> Vec<Failure> {
    let missing = [("--sub", &args.sub, "applications", 8002), ("--pub", &args.r#pub, "servers", 8001)];
    let missing = missing.into_iter().filter(|(_, endpoints, ..)| endpoints.is_empty());
    let missing = missing.map(|(flag, _, who, port)| {
        Failure::usage(format!("{flag} is missing: where {who} connect to, as in tcp://127.0.0.1:{port}"))
    });
    let options = listen_options(&args.listen, &endpoints(args)).map(drop);
    let idle = idle_faults(args, &args.given, IDLE);
    missing.chain(idle).chain([options, apart(args)].into_iter().filter_map(Result::err)).collect()
}

/// What else only the start would find: where it may listen.
#[must_use]
pub fn places(args: &Mq) -> Places {
    let mut places = Places::default();
    places.listening(&listening(args));
    places
}

/// What keeps no forwarder from starting, and is most likely not what was meant.
#[must_use]
pub fn warnings(args: &Mq) -> Vec<String> {
    idle_warnings(args, &args.given, IDLE)
}

async fn run(args: Mq) -> Result<(), Failure> {
    apart(&args)?;
    let options = Options {
        slow_subscriber: args.slow_subscriber,
        history_bytes_max: args.history_bytes,
        heartbeat_interval: args.heartbeat_interval,
        ..listen_options(&args.listen, &endpoints(&args))?
    };
    reread_on_hangup(reread_clients(&args.listen, &options).into_iter().collect())?;
    let settings = Settings {
        options,
        sub: args.sub.into_iter().map(Way::Listen).collect(),
        r#pub: args.r#pub.into_iter().map(Way::Listen).collect(),
        ack: args.ack,
        message_bytes_max: args.message_bytes_max,
        ..Settings::default()
    };
    let shutdown = shutdown_signal(Duration::ZERO)?;
    let metrics = listen_for_monitors(&args.metrics)?;
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
    tell_ready();
    forwarder.run(shutdown).await;
    Ok(())
}

/// All endpoints it listens on, each with its flag.
fn endpoints(args: &Mq) -> Vec<(&'static str, &Endpoint)> {
    let ends = [("--sub", &args.sub), ("--pub", &args.r#pub), ("--ack", &args.ack)];
    ends.into_iter().flat_map(|(flag, all)| all.iter().map(move |endpoint| (flag, endpoint))).collect()
}

fn apart(args: &Mq) -> Result<(), Failure> {
    listening_apart(&listening(args))
}

/// Where it is to listen.
fn listening(args: &Mq) -> Vec<Listening> {
    let endpoints = endpoints(args).into_iter().map(|(flag, endpoint)| Listening::endpoint(flag, endpoint));
    let metrics = args.metrics.metrics.map(|address| Listening::address("--metrics", address));
    endpoints.chain([metrics]).flatten().collect()
}
