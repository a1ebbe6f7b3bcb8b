//! Where the server listens.

use pushnote_cli::{Failure, InheritedSockets, Listening, listening_apart};
use pushnote_config::Server;
use pushnote_net::{Listener, advice};

/// Where a URL without a port leads.
const HTTP_PORT: u16 = 80;

/// A supervisor's sockets for browsers, and those that have no name.
pub(crate) const HTTP_SOCKET: &str = "http";
/// Its sockets for --api.
pub(crate) const API_SOCKET: &str = "api";
/// Its sockets for --lightpush-port.
pub(crate) const LIGHTPUSH_SOCKET: &str = "lightpush";
/// All of them, for who has given another.
pub(crate) const SOCKETS: &str = "FileDescriptorName= of its socket unit is http (for browsers), api (with --api), or lightpush \
                                  (with --lightpush-port)";

/// Each listener has a place of its own; what the supervisor has opened is where it is, whatever a flag says.
pub(crate) fn apart(args: &Server, sockets: &InheritedSockets) -> Result<(), Failure> {
    let (api, lightpush) = (args.api, &args.lightpush);
    let api = api.map(|address| of(sockets, API_SOCKET, || Listening::address("--api", address)));
    let lightpush = lightpush.lightpush_port.map(|port| {
        let address = Some(lightpush.lightpush_address);
        of(sockets, LIGHTPUSH_SOCKET, || Listening::tcp("--lightpush-port", address, port))
    });
    let http = [Some(browsers(args, sockets)), api, lightpush].into_iter().flatten().flatten();
    let metrics = args.metrics.metrics.map(|address| Listening::address("--metrics", address));
    // Without --single they are others' endpoints.
    let endpoints = crate::mq::endpoints(args);
    let endpoints = endpoints.into_iter().filter_map(|(flag, endpoint)| Listening::endpoint(flag, endpoint));
    listening_apart(&endpoints.chain(http).chain(metrics).collect::<Vec<_>>())
}

fn browsers(args: &Server, sockets: &InheritedSockets) -> Vec<Listening> {
    of(sockets, HTTP_SOCKET, || match &args.unix_socket {
        Some(path) => Listening::unix("--unix-socket", path),
        None => Listening::tcp("--port", args.address, args.port),
    })
}

/// On the supervisor's sockets of this name, or as a flag has it.
fn of(sockets: &InheritedSockets, name: &str, own: impl FnOnce() -> Listening) -> Vec<Listening> {
    sockets.listening(name).unwrap_or_else(|| vec![own()])
}

/// The application behind is another one than this server, which would ask itself without end.
pub(crate) fn fallback(args: &Server, sockets: &InheritedSockets) -> Result<(), Failure> {
    let Some(uri) = &args.fallback else { return Ok(()) };
    let (host, port) = (uri.host().unwrap_or_default(), uri.port_u16().unwrap_or(HTTP_PORT));
    match browsers(args, sockets).iter().find(|listening| listening.is_reached_by(host, port)) {
        None => Ok(()),
        Some(listening) => Err(Failure::usage(format!(
            "--fallback: {uri} is where this server itself listens ({}); give the address of the application behind it",
            listening.flag()
        ))),
    }
}

/// For browsers: on the supervisor's sockets, if it has opened some. Must be called within the runtime.
pub(crate) async fn listen(args: &Server, sockets: &mut InheritedSockets) -> Result<Listener, Failure> {
    if let Some(listener) = sockets.take(HTTP_SOCKET)? {
        return Ok(listener);
    }
    if let Some(path) = &args.unix_socket {
        let bound = Listener::unix(path).await.and_then(|listener| {
            listener.open_to_all_users()?;
            Ok(listener)
        });
        return bound.map_err(|error| {
            Failure::unavailable(format!(
                "--unix-socket {}: cannot listen: {}",
                path.display(),
                advice(&error)
            ))
        });
    }
    let bound = match args.address {
        Some(address) => Listener::tcp([address], args.port),
        None => Listener::everywhere(args.port),
    };
    bound.map_err(|error| {
        Failure::unavailable(format!("--port {}: cannot listen: {}", args.port, advice(&error)))
    })
}
