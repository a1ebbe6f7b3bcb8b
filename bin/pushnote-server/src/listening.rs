//! Where the server listens.

use std::net::IpAddr;

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

/// Each listener has a place of its own.
pub(crate) fn apart(args: &Server) -> Result<(), Failure> {
    let browsers = match &args.unix_socket {
        Some(path) => Listening::unix("--unix-socket", path),
        None => Listening::tcp("--port", args.address, args.port),
    };
    let lightpush = &args.lightpush;
    let lightpush = lightpush
        .lightpush_port
        .map(|port| Listening::tcp("--lightpush-port", Some(lightpush.lightpush_address), port));
    let of_one = [
        Some(browsers),
        args.api.map(|address| Listening::address("--api", address)),
        lightpush,
        args.metrics.metrics.map(|address| Listening::address("--metrics", address)),
    ];
    // Without --single they are others' endpoints.
    let endpoints = crate::mq::endpoints(args);
    let endpoints = endpoints.into_iter().map(|(flag, endpoint)| Listening::endpoint(flag, endpoint));
    listening_apart(&endpoints.chain(of_one).flatten().collect::<Vec<_>>())
}

/// The application behind is another one than this server, which would ask itself without end.
pub(crate) fn fallback(args: &Server) -> Result<(), Failure> {
    let Some(uri) = args.fallback.as_ref().filter(|_| args.unix_socket.is_none()) else { return Ok(()) };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let is_here = match args.address {
        None => is_loopback,
        Some(address) => host == address.to_string() || host == "localhost" && address.is_loopback(),
    };
    if is_here && uri.port_u16().unwrap_or(HTTP_PORT) == args.port {
        return Err(Failure::usage(format!(
            "--fallback: {uri} is where this server itself listens (--port); give the address of the application behind it"
        )));
    }
    Ok(())
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
