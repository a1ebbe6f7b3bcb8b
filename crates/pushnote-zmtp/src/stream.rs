//! TCP and Unix streams and listeners under one name.

use crate::endpoint::Endpoint;
use bytes::BytesMut;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, lookup_host};

const BACKLOG: i32 = 1024;
/// A vanished machine is noticed after 10 s + 3 × 5 s without traffic, also where heartbeats are not spoken.
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
    Tcp(TcpListener),
    Unix { listener: UnixListener, _file: SocketFile },
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
            Listener::Tcp(listener) => Stream::tcp(listener.accept().await?.0),
            Listener::Unix { listener, .. } => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

async fn bind_tcp(host: Option<&str>, port: u16) -> io::Result<(Listener, Endpoint)> {
    let address = match host {
        None => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port),
        Some(host) => {
            let mut addresses = lookup_host((host, port)).await?;
            addresses
                .next()
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))?
        }
    };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let port = listener.local_addr()?.port();
    Ok((Listener::Tcp(listener), Endpoint::Tcp { host: host.map(str::to_owned), port }))
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
