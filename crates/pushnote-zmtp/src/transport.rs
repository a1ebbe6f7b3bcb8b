//! ZeroMQ's endpoints as streams and listeners.

use pushnote_net::{Listener, Peer, Stream, advice};
use pushnote_zmtp_proto::endpoint::Endpoint;
use socket2::TcpKeepalive;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use thiserror::Error;
use tokio::net::lookup_host;

/// A vanished machine is noticed after 10 s + 3 × 5 s without traffic, also where heartbeats are not spoken; where a
/// write timeout is set, that is the time.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// A socket that cannot listen.
#[derive(Debug, Error)]
#[error("cannot listen on {endpoint}: {}", advice(.source, port_of(.endpoint)))]
pub struct BindError {
    /// What was asked for.
    pub endpoint: Endpoint,
    /// What the system says.
    pub source: io::Error,
}

fn port_of(endpoint: &Endpoint) -> Option<u16> {
    match endpoint {
        Endpoint::Tcp { port, .. } => Some(*port),
        Endpoint::Ipc(_) => None,
    }
}

/// Connects, once.
pub(crate) async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
    let stream = match endpoint {
        Endpoint::Tcp { host, port } => {
            Stream::connect_tcp(host.as_deref().unwrap_or("127.0.0.1"), *port).await?
        }
        Endpoint::Ipc(path) => Stream::connect_unix(path).await?,
    };
    prepare(&stream);
    Ok(stream)
}

/// Listens on every address that the name has: `localhost` is `::1` for one peer and `127.0.0.1` for another. Says where:
/// with the real port where any was asked for.
pub(crate) async fn listen(endpoint: &Endpoint) -> Result<(Listener, Endpoint), BindError> {
    let listening = async {
        let (host, port) = match endpoint {
            Endpoint::Tcp { host, port } => (host, port),
            Endpoint::Ipc(path) => return Ok((Listener::unix(path).await?, endpoint.clone())),
        };
        let addresses: Vec<IpAddr> = match host {
            None => vec![Ipv4Addr::UNSPECIFIED.into()],
            Some(host) => lookup_host((host.as_str(), *port)).await?.map(|address| address.ip()).collect(),
        };
        let listener = Listener::tcp(addresses, *port)?;
        let port = listener.local_addresses()?.first().map_or(*port, |address| address.port());
        Ok((listener, Endpoint::Tcp { host: host.clone(), port }))
    };
    listening.await.map_err(|source| BindError { endpoint: endpoint.clone(), source })
}

/// What each stream is set up with, whichever side has connected.
pub(crate) fn prepare(stream: &Stream) {
    stream.set_nodelay();
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    stream.set_keepalive(&keepalive);
}

/// The peer's name in log lines and metrics.
pub(crate) fn peer_name(stream: &Stream) -> String {
    match (stream.peer(), stream.peer_process()) {
        (Some(Peer::Tcp(address)), _) => address.to_string(),
        (Some(peer), None) => peer.to_string(),
        (Some(peer), Some(process)) => format!("{peer} {process}"),
        (None, _) => "gone".into(),
    }
}
