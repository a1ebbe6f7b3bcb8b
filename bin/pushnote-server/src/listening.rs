//! Where the server listens.

use std::net::SocketAddr;

use pushnote_cli::{Failure, InheritedSockets, Listening, listening_apart};
use pushnote_config::Server;
use pushnote_net::Listener;

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

/// Each listener has a place of its own.
pub(crate) fn apart(args: &Server, sockets: &InheritedSockets) -> Result<(), Failure> {
    listening_apart(&all(args, sockets))
}

/// Where the server is to listen; what the supervisor has opened is where it is, whatever a flag says.
pub(crate) fn all(args: &Server, sockets: &InheritedSockets) -> Vec<Listening> {
    let api = args.api.map(|address| of(sockets, API_SOCKET, || api(address)));
    let own = |port| of(sockets, LIGHTPUSH_SOCKET, || lightpush(args, port));
    let lightpush = args.lightpush.lightpush_port.map(own);
    let http = [Some(browsers(args, sockets)), api, lightpush].into_iter().flatten().flatten();
    let metrics = args.metrics.metrics.map(|address| Listening::address("--metrics", address));
    // Without --single they are others' endpoints.
    let endpoints = crate::mq::endpoints(args);
    let endpoints = endpoints.into_iter().filter_map(|(flag, endpoint)| Listening::endpoint(flag, endpoint));
    endpoints.chain(http).chain(metrics).collect()
}

fn browsers(args: &Server, sockets: &InheritedSockets) -> Vec<Listening> {
    of(sockets, HTTP_SOCKET, || by_flags(args))
}

/// Where flags have browsers connect.
fn by_flags(args: &Server) -> Listening {
    match &args.unix_socket {
        Some(path) => Listening::unix("--unix-socket", path),
        None => Listening::tcp("--port", args.address, args.port).whose_address_is_by("--address"),
    }
}

/// Where they have applications ask.
pub(crate) fn api(address: SocketAddr) -> Listening {
    Listening::address("--api", address)
}

/// Where they have lightpush's pages and publishers connect.
pub(crate) fn lightpush(args: &Server, port: u16) -> Listening {
    let address = Some(args.lightpush.lightpush_address);
    Listening::tcp("--lightpush-port", address, port).whose_address_is_by("--lightpush-address")
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
    let bound = match (&args.unix_socket, args.address) {
        (Some(path), _) => Listener::unix(path).await.and_then(|listener| {
            listener.open_to_all_users()?;
            Ok(listener)
        }),
        (None, Some(address)) => Listener::tcp([address], args.port),
        (None, None) => Listener::everywhere(args.port),
    };
    bound.map_err(|error| by_flags(args).failure(&error))
}
