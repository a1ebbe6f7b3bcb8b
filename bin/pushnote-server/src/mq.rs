//! The ZeroMQ side: whom the server hears, and whom it answers.

use std::iter;
use std::sync::Arc;

use pushnote::{Publisher, PublisherBuilder};
use pushnote_cli::{Failure, client_keys, listen_options, say, unknown_variables};
use pushnote_config::Server;
use pushnote_core::Limits;
use pushnote_http::{PublishTo, ZeroMq};
use pushnote_zmtp::curve::SecretKey;
use pushnote_zmtp::{Endpoint, KeyFile as _, Options, Responder, Security, Subscriber};

/// How peers are met; and what is wrong with the flags that say so.
pub(crate) fn options(args: &Server, limits: &Limits) -> Result<Options, Failure> {
    Ok(Options {
        heartbeat_interval: args.heartbeat_interval,
        frame_bytes_max: limits.zmq_frame_bytes_max,
        peers_max: limits.zmq_peers_max,
        history: true,
        ..security(args)?
    })
}

/// Something can come in: over ZeroMQ, or, for a server of its own, in another way.
pub(crate) fn ways_in(args: &Server) -> Result<(), Failure> {
    let other = args.api.is_some()
        || args.redis.redis.is_some()
        || args.lightpush.lightpush_port.is_some()
        || !args.locations.is_empty()
        || !args.ack.is_empty();
    if !args.mq_socket.is_empty() || args.single && other {
        return Ok(());
    }
    let missing = if other {
        "--mq_socket is missing: the forwarder's --pub; or add --single, and messages come by the other ways alone"
    } else {
        "--mq_socket is missing: the forwarder's --pub, or with --single the endpoint that applications publish to; with --single \
         and --api, --redis, --lightpush-port or --locations it may be left away (see --help)"
    };
    // It may be there under another name.
    let said = iter::once(missing.to_owned()).chain(unknown_variables());
    Err(Failure::usage(said.collect::<Vec<_>>().join("; ")))
}

/// What is connected to has a port, and of a forwarder's sockets each has one of its own.
pub(crate) fn forwarders(args: &Server) -> Result<(), Failure> {
    if args.single {
        return Ok(());
    }
    let flags = [
        ("--mq_socket", &args.mq_socket),
        ("--publish-to", &args.publish_to),
        ("--publish-ack", &args.publish_ack),
    ];
    for (at, (flag, endpoints)) in flags.iter().enumerate() {
        for endpoint in *endpoints {
            if matches!(endpoint, Endpoint::Tcp { port: 0, .. }) {
                return Err(Failure::usage(format!("{flag}: {endpoint} is no port to connect to")));
            }
            if let Some((other, _)) = flags[..at].iter().find(|(_, others)| others.contains(endpoint)) {
                return Err(Failure::usage(format!(
                    "{other} and {flag}: both are {endpoint}; of a forwarder give --mq_socket its --pub, --publish-to its --sub and \
                     --publish-ack its --ack"
                )));
            }
        }
    }
    Ok(())
}

/// Connects to the forwarders, or listens itself.
pub(crate) async fn source(args: &Server, options: Options) -> Result<ZeroMq, Failure> {
    let mut subscriber = Subscriber::new(options.clone());
    let mut responder = Responder::new(options);
    if !args.single {
        args.mq_socket.iter().for_each(|endpoint| subscriber.connect_also(endpoint.clone()));
        return Ok(ZeroMq { subscriber, responder });
    }
    for endpoint in &args.mq_socket {
        let bound = subscriber.bind_also(endpoint).await;
        bound.map_err(|error| Failure::unavailable(format!("--mq_socket: {error}")))?;
    }
    for endpoint in &args.ack {
        let bound = responder.bind_also(endpoint).await;
        bound.map_err(|error| Failure::unavailable(format!("--ack: {error}")))?;
    }
    Ok(ZeroMq { subscriber, responder })
}

/// Says, as soon as it is so, that what a forwarder is given from then on is heard.
pub(crate) fn announce_subscriptions(source: &ZeroMq) {
    let monitor = source.subscriber.monitor();
    tokio::spawn(async move {
        let mut said = 0;
        loop {
            let subscribed = monitor.subscribed(said).await;
            subscribed[said..].iter().for_each(|endpoint| say(format_args!("subscribed to {endpoint}")));
            said = subscribed.len();
        }
    });
}

/// Where messages go that come in over HTTP.
pub(crate) fn publish_to(args: &Server, limits: &Limits) -> Result<PublishTo, Failure> {
    let publisher = publisher(args, limits)?.map(PublisherBuilder::build).transpose();
    let publisher = publisher.map_err(|error| Failure::system(error.to_string()))?;
    Ok(if args.single { PublishTo::Here } else { PublishTo::Forwarders(publisher.map(Arc::new)) })
}

/// What publishes them to forwarders, if something does.
pub(crate) fn publisher(args: &Server, limits: &Limits) -> Result<Option<PublisherBuilder>, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("--publish-to: {why}"));
    if args.single || args.publish_to.is_empty() {
        return Ok(None);
    }
    let mut builder = Publisher::builder()
        .message_bytes_max(limits.message_bytes_max)
        .heartbeat_interval(args.heartbeat_interval)
        .endpoint(&texts(&args.publish_to))
        .map_err(|error| wrong(&error))?;
    if !args.publish_ack.is_empty() {
        builder = builder.ack_endpoint(&texts(&args.publish_ack)).map_err(|error| wrong(&error))?;
    }
    if let Some((server, secret)) = client_keys(&args.connect, &args.listen.key)? {
        builder = builder.curve(server, secret);
    }
    Ok(Some(builder))
}

fn texts(endpoints: &[Endpoint]) -> String {
    endpoints.iter().map(Endpoint::to_string).collect::<Vec<_>>().join(",")
}

/// Whether a text is a CURVE key that settings name: a half of this end's own, or the other end's public one.
pub(crate) fn is_curve_key(args: &Server, text: &str) -> bool {
    let own = args.listen.key.curve_secret_key_file.as_deref();
    // One that cannot be read is refused where it is used.
    let own = own.and_then(|path| SecretKey::from_file(path).ok());
    own.is_some_and(|own| *own.to_z85() == text || own.public_key().to_string() == text)
        || args.connect.curve_server_key.is_some_and(|key| key.to_string() == text)
}

/// How connections are secured; and flags that do not go together.
fn security(args: &Server) -> Result<Options, Failure> {
    let listen = &args.listen;
    if args.single {
        return listen_options(listen, &endpoints(args));
    }
    let keys = client_keys(&args.connect, &listen.key)?;
    let security = keys.map_or(Security::Null, |(server, secret)| Security::curve_client(server, secret));
    Ok(Options { security, ..Options::default() })
}

/// Where it listens over ZeroMQ, each with its flag; without --single nowhere.
pub(crate) fn endpoints(args: &Server) -> Vec<(&'static str, &Endpoint)> {
    if !args.single {
        return Vec::new();
    }
    let mq_socket = args.mq_socket.iter().map(|endpoint| ("--mq_socket", endpoint));
    mq_socket.chain(args.ack.iter().map(|endpoint| ("--ack", endpoint))).collect()
}

/// Where it listens for applications, or whom it hears, for the line that says so.
pub(crate) fn described(args: &Server, source: &ZeroMq) -> String {
    match source.subscriber.local_endpoints() {
        [] if args.mq_socket.is_empty() => "without ZeroMQ".to_owned(),
        [] => format!("connecting to {}", texts(&args.mq_socket)),
        bound => format!("bound to {}", texts(bound)),
    }
}
