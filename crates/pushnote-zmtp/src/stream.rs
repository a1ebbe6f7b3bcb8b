//! TCP and Unix streams and listeners under one name.

use bytes::BytesMut;
use pushnote_zmtp_proto::endpoint::Endpoint;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::task::Poll;
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, lookup_host};
use tracing::info;

const BACKLOG: i32 = 1024;
/// A vanished machine is noticed after 10 s + 3 × 5 s without traffic, also where heartbeats are not spoken; where a
/// write timeout is set, that is the time.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// A socket that cannot listen.
#[derive(Debug, Error)]
#[error("cannot listen on {endpoint}: {}", advice(.source))]
pub struct BindError {
    /// What was asked for.
    pub endpoint: Endpoint,
    /// What the system says.
    pub source: io::Error,
}

fn advice(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "the address is in use: stop the process that listens there, or choose another".into()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: choose one of its own, or *".into()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied: choose a port above 1023, or a folder this user may write".into()
        }
        _ => source.to_string(),
    }
}

pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(crate) async fn connect(endpoint: &Endpoint) -> io::Result<Stream> {
        match endpoint {
            Endpoint::Tcp { host, port } => {
                let host = host.as_deref().unwrap_or("127.0.0.1");
                let stream = TcpStream::connect((host, *port)).await?;
                // Linux gives a socket that connects to a free local port now and then to itself.
                if stream.local_addr()? == stream.peer_addr()? {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                Stream::tcp(stream)
            }
            Endpoint::Ipc(path) => UnixStream::connect(path).await.map(Stream::Unix),
        }
    }

    fn tcp(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_RETRIES);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(Stream::Tcp(stream))
    }

    /// Ends the connection when the peer has taken nothing of what was sent to it for so long. Failing costs only that.
    pub(crate) fn set_write_timeout(&self, patience: Duration) {
        #[cfg(target_os = "linux")]
        if let Stream::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_tcp_user_timeout(Some(patience));
        }
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.readable().await,
            Stream::Unix(stream) => stream.readable().await,
        }
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.writable().await,
            Stream::Unix(stream) => stream.writable().await,
        }
    }

    pub(crate) fn try_read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_read_buf(buffer),
            Stream::Unix(stream) => stream.try_read_buf(buffer),
        }
    }

    pub(crate) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_write_vectored(slices),
            Stream::Unix(stream) => stream.try_write_vectored(slices),
        }
    }

    /// Bytes that have come and were not read; 0 where the system does not tell.
    pub(crate) fn unread_bytes(&self) -> usize {
        let bytes = match self {
            Stream::Tcp(stream) => rustix::io::ioctl_fionread(stream),
            Stream::Unix(stream) => rustix::io::ioctl_fionread(stream),
        };
        bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Where the peer is; `None` if that is no question, or if it is gone.
    pub(crate) fn peer_address(&self) -> Option<IpAddr> {
        match self {
            Stream::Tcp(stream) => stream.peer_addr().ok().map(|address| address.ip()),
            Stream::Unix(_) => None,
        }
    }

    /// Whether it goes over a network, be it this machine's own.
    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self, Stream::Tcp(_))
    }

    /// For log lines and metrics.
    pub(crate) fn peer_name(&self) -> String {
        match self {
            Stream::Tcp(stream) => {
                stream.peer_addr().map_or_else(|_| "gone".into(), |address| address.to_string())
            }
            Stream::Unix(stream) => match stream.peer_cred().ok().and_then(|peer| peer.pid()) {
                Some(pid) => format!("local process {pid}"),
                None => "local process".into(),
            },
        }
    }
}

pub(crate) enum Listener {
    /// One for each address of a name.
    Tcp(Vec<TcpListener>),
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

/// Removed with its listener, so that the next one finds the path free.
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Listens, and says where: with the real port where any was asked for.
    pub(crate) async fn bind(endpoint: &Endpoint) -> Result<(Listener, Endpoint), BindError> {
        let bound = match endpoint {
            Endpoint::Tcp { host, port } => bind_tcp(host.as_deref(), *port).await,
            Endpoint::Ipc(path) => bind_unix(path).await.map(|listener| (listener, endpoint.clone())),
        };
        bound.map_err(|source| BindError { endpoint: endpoint.clone(), source })
    }

    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listeners) => {
                let accepted = poll_fn(|cx| {
                    let ready =
                        listeners.iter().map(|listener| listener.poll_accept(cx)).find(Poll::is_ready);
                    ready.unwrap_or(Poll::Pending)
                });
                Stream::tcp(accepted.await?.0)
            }
            Listener::Unix { listener, .. } => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// Listens on every address that the name has: `localhost` is `::1` for one peer and `127.0.0.1` for another.
async fn bind_tcp(host: Option<&str>, port: u16) -> io::Result<(Listener, Endpoint)> {
    let addresses: BTreeSet<IpAddr> = match host {
        None => [Ipv4Addr::UNSPECIFIED.into()].into(),
        Some(host) => lookup_host((host, port)).await?.map(|address| address.ip()).collect(),
    };
    let (listeners, port) = listen_on_all(&addresses, port)?;
    Ok((Listener::Tcp(listeners), Endpoint::Tcp { host: host.map(str::to_owned), port }))
}

/// Listens on these addresses, on one port, and returns which.
fn listen_on_all(addresses: &BTreeSet<IpAddr>, mut port: u16) -> io::Result<(Vec<TcpListener>, u16)> {
    let mut listeners = Vec::new();
    let mut missing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for &address in addresses {
        match listen_on(SocketAddr::new(address, port)) {
            Ok(listener) => {
                let local = listener.local_addr()?;
                port = local.port();
                if addresses.len() > 1 {
                    info!(%local, "listening, one address of several");
                }
                listeners.push(listener);
            }
            // A name may have an address that this machine has not: ::1 where there is no IPv6.
            Err(error) if is_missing(&error) => missing = error,
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() { Err(missing) } else { Ok((listeners, port)) }
}

fn is_missing(error: &io::Error) -> bool {
    /// Of a kernel without IPv6. The standard library has no kind for it.
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable
        || cfg!(target_os = "linux") && error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A socket file outlives a killed process: one that nobody answers is removed.
async fn bind_unix(path: &Path) -> io::Result<Listener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            match UnixStream::connect(path).await {
                Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path)?
                }
                _ => return Err(error),
            }
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    Ok(Listener::Unix { listener, _file: SocketFile(path.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_address_of_a_name_is_heard() {
        let own = ["127.0.0.1", "127.0.0.2", "::1"];
        // One for documentation, which no machine has, is what ::1 is where there is no IPv6.
        let addresses = own.iter().chain(&["192.0.2.1"]).map(|address| address.parse().unwrap()).collect();
        let (listeners, port) = listen_on_all(&addresses, 0).unwrap();
        let listener = Listener::Tcp(listeners);
        for address in own {
            let near = TcpStream::connect((address, port)).await.unwrap();
            let far = listener.accept().await.unwrap();
            assert_eq!(far.peer_name(), near.local_addr().unwrap().to_string());
        }
        let none = ["192.0.2.1".parse().unwrap()].into();
        assert_eq!(listen_on_all(&none, 0).unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
